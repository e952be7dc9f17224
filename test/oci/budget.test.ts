import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defaultLimits, type Limits } from '../../lib/config.ts'
import { LongshoreError } from '../../lib/errors.ts'
import { budgetKey, FleetBudget } from '../../lib/oci/budget.ts'
import { retryAfterMs } from '../../lib/oci/retry.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import type { Store } from '../../lib/store/port.ts'
import { virtualClock } from '../queue/virtual-clock.ts'

const key = budgetKey('t', 'registry.example')

/** Workers that share one store and one clock, and count what they ask of it. */
function fleet(requestsPerSecond?: number, changes: Partial<Limits> = {}) {
  const clock = virtualClock()
  const inner = memoryStore()
  const calls = { get: 0, update: 0 }
  const store: Store = {
    ...inner,
    get: (k) => {
      calls.get++
      return inner.get(k)
    },
    update: (k, change, when) => {
      calls.update++
      return inner.update(k, change, when)
    },
  }
  const worker = () => {
    const budget = new FleetBudget({ key, store, clock, limits: { ...defaultLimits, ...changes } })
    budget.limit(requestsPerSecond)
    return budget
  }
  return { clock, store: inner, calls, worker }
}

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error as LongshoreError,
  )

describe('after a 429 (fault 23, I7)', () => {
  test('no worker asks before the pause is over, and none is held for it', async () => {
    const { clock, worker } = fleet()
    const told = worker()
    await told.take()
    await told.throttled(90_000)
    for (const one of [told, worker(), worker()]) {
      const error = await failure(one.take())
      expect(error).toMatchObject({ code: 'registry-throttled', kind: 'throttled', retryAfterMs: 90_000 })
    }
    await clock.advance(90_000)
    await worker().take()
    await told.take()
  })

  test('a worker that had its client open hears of it within the refresh', async () => {
    const { clock, worker } = fleet()
    const [told, busy] = [worker(), worker()]
    await busy.take()
    await told.throttled(90_000)
    await busy.take()
    await clock.advance(defaultLimits.registryBudgetRefreshMs)
    expect(await failure(busy.take())).toMatchObject({ code: 'registry-throttled', retryAfterMs: 80_000 })
  })

  test('a short pause is waited for in place, by the one worker only', async () => {
    const { clock, worker, calls } = fleet()
    const told = worker()
    await told.take()
    await told.throttled(1_500)
    expect(calls.update).toBe(0)
    const from = clock.now()
    const waited = told.take().then(() => clock.now() - from)
    await clock.sleeping(1)
    await clock.advance(1_500)
    expect(await waited).toBe(1_500)
  })

  test('the longest pause anybody was told counts, up to the longest there is', async () => {
    const { worker, store, clock } = fleet()
    await worker().throttled(60_000)
    await worker().throttled(10_000)
    expect(await store.get(key)).toMatchObject({ pausedUntil: clock.now() + 60_000 })
    await worker().throttled(1e12)
    const longest = defaultLimits.registryRetryAfterSecondsMax * 1000
    expect(await store.get(key)).toMatchObject({ pausedUntil: clock.now() + longest })
    // Written by somebody who is mistaken.
    await store.update(key, { set: { pausedUntil: clock.now() + 1e12 } })
    expect(await failure(worker().take())).toMatchObject({ retryAfterMs: longest })
  })

  test('a 429 without a word pauses everybody for a while', async () => {
    const { worker } = fleet()
    await worker().throttled(undefined)
    expect(await failure(worker().take())).toMatchObject({ retryAfterMs: defaultLimits.registryPauseSeconds * 1000 })
  })

  test('a store that does not answer stops nobody', async () => {
    const { clock } = fleet()
    const down = new Proxy({} as Store, {
      get: () => () => Promise.reject(new LongshoreError('store-unavailable', 'down')),
    })
    const budget = new FleetBudget({ key, store: down, clock, limits: defaultLimits })
    await budget.throttled(90_000)
    expect(await failure(budget.take())).toMatchObject({ code: 'registry-throttled' })
    await clock.advance(90_000)
    await budget.take()
  })
})

describe('a registry without a limit', () => {
  test('costs no call when the budget came with the registry object', async () => {
    const { worker, calls } = fleet()
    const one = worker()
    one.see(undefined)
    for (let n = 0; n < 100; n++) await one.take()
    expect(calls).toEqual({ get: 0, update: 0 })
  })

  test('costs one read for all requests at once otherwise, and one per refresh', async () => {
    const { worker, calls, clock } = fleet()
    const one = worker()
    await Promise.all(Array.from({ length: 20 }, () => one.take()))
    expect(calls).toEqual({ get: 1, update: 0 })
    await clock.advance(defaultLimits.registryBudgetRefreshMs)
    await one.take()
    expect(calls).toEqual({ get: 2, update: 0 })
  })
})

/** Every worker asks as often as it may, so many requests at a time, for so long; returns when each was sent. */
async function flood(world: ReturnType<typeof fleet>, workers: number, inParallel: number, ms: number, die?: number) {
  const sent: { at: number; worker: number }[] = []
  const until = world.clock.now() + ms
  for (let n = 0; n < workers; n++) {
    const budget = world.worker()
    for (let lane = 0; lane < inParallel; lane++)
      void (async () => {
        while (world.clock.now() < until && !(n === 0 && die !== undefined && sent.length >= die)) {
          const refused = await failure(budget.take())
          if (refused) await world.clock.sleep(refused.retryAfterMs ?? 0)
          else {
            sent.push({ at: world.clock.now(), worker: n })
            await world.clock.sleep(7)
          }
        }
      })()
  }
  await world.clock.advance(ms)
  return sent
}

/** The most requests in any window of so long. */
function busiest(sent: { at: number }[], windowMs: number): number {
  const times = sent.map(({ at }) => at).sort((a, b) => a - b)
  let most = 0
  let from = 0
  times.forEach((time, index) => {
    while (times[from]! <= time - windowMs) from++
    most = Math.max(most, index - from + 1)
  })
  return most
}

describe('requestsPerSecond', () => {
  test('is the rate of all workers together: in no window more than the limit and one slice', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(0.5, 1, 3, 10, 40),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 4 }),
        async (perSecond, workers, inParallel) => {
          const sent = await flood(fleet(perSecond), workers, inParallel, 20_000)
          const slice = Math.max(1, perSecond)
          for (const seconds of [1, 3, 10])
            expect(busiest(sent, seconds * 1000)).toBeLessThanOrEqual(Math.ceil(perSecond * seconds) + slice)
          // And it is used: what is allowed is also sent.
          expect(sent.length).toBeGreaterThanOrEqual(Math.floor(perSecond * 20 * 0.7))
        },
      ),
      { numRuns: 15, seed: 7 },
    )
  })

  test('costs a lone worker one write a slice', async () => {
    const world = fleet(10)
    await flood(world, 1, 1, 20_000)
    // The first slices find out how many it needs.
    expect(world.calls.update).toBeLessThanOrEqual(20 + 5)
  })

  test('what a dead worker took is free again in the next slice', async () => {
    const world = fleet(4)
    const dead = world.worker()
    await Promise.all([dead.take(), dead.take(), dead.take(), dead.take()])
    const other = world.worker()
    const from = world.clock.now()
    const waited = other.take().then(() => world.clock.now() - from)
    await world.clock.sleeping(1)
    await world.clock.advance(1_000)
    expect(await waited).toBeLessThanOrEqual(1_000)
  })

  test('parks the job when others have all permits for too long', async () => {
    const world = fleet(1, { registryBudgetWaitMs: 1_000 })
    // Somebody's clock is far ahead: its slice is not ours, and ours never comes.
    await world.store.update(key, { set: { slice: world.clock.now() + 60_000, granted: 1 } })
    const parked = failure(world.worker().take())
    await world.clock.sleeping(1)
    await world.clock.advance(1_000)
    expect(await parked).toMatchObject({ code: 'registry-throttled', retryAfterMs: 60_000 })
  })

  test('a caller that aborts waits no longer', async () => {
    const world = fleet(1)
    const worker = world.worker()
    await worker.take()
    const stop = new AbortController()
    const waiting = failure(worker.take(stop.signal))
    await world.clock.sleeping(1)
    stop.abort(new Error('stopped'))
    expect(await waiting).toMatchObject({ message: 'stopped' })
  })
})

describe('Retry-After', () => {
  const now = Date.UTC(2026, 10, 22, 12)
  const told = (header: string | undefined, date?: string) => retryAfterMs(header, now, defaultLimits, date)
  test('is read as seconds and as a date, by the clock of the registry', () => {
    expect(told('120')).toBe(120_000)
    expect(told('Sun, 22 Nov 2026 12:02:00 GMT')).toBe(120_000)
    // Its clock is an hour ahead of ours; it asks for two minutes all the same.
    expect(told('Sun, 22 Nov 2026 13:02:00 GMT', 'Sun, 22 Nov 2026 13:00:00 GMT')).toBe(120_000)
    // As good as nothing: who says so again and again would be asked again and again.
    for (const none of ['0', 'Sun, 22 Nov 2026 11:00:00 GMT']) expect(told(none)).toBeUndefined()
    expect(told(undefined)).toBeUndefined()
    expect(told('soon')).toBeUndefined()
  })
  test('is believed up to a limit', () => {
    for (const absurd of ['99999999999999999999', 'Sun, 22 Nov 2286 12:00:00 GMT'])
      expect(told(absurd)).toBe(defaultLimits.registryRetryAfterSecondsMax * 1000)
    expect(told('9'.repeat(400))).toBe(defaultLimits.registryRetryAfterSecondsMax * 1000)
  })
})
