/** One table, `lib/errors.ts`, decides what becomes of a failed run: every row of it, settled (fault 24). */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defaultLimits } from '../../lib/config.ts'
import { ERRORS, type ErrorCode, LongshoreError } from '../../lib/errors.ts'
import { attemptOf } from '../../lib/job/record.ts'
import { backoffMs, retryMs, throttleMs } from '../../lib/job/wait.ts'
import { createWorld, seededRandom } from './world.ts'

const codes = Object.keys(ERRORS) as ErrorCode[]
const of = (kind: string) => codes.filter((code) => ERRORS[code].kind === kind)

async function failed(code: ErrorCode, retryAfterMs?: number) {
  const world = createWorld()
  const details = retryAfterMs === undefined ? {} : { retryAfterMs }
  world.runs[0] = async () => {
    throw new LongshoreError(code, 'it failed', details)
  }
  const { id } = await world.submitProbe()
  const from = world.clock.now()
  expect(await world.deliver()).toEqual(['acknowledge'])
  const job = await world.job(id)
  return { world, job, waitMs: (job.dueAt ?? from) - from }
}

describe('a run that fails', () => {
  test.each(of('permanent'))('with %s ends the job at once', async (code) => {
    const { job } = await failed(code)
    expect(job).toMatchObject({ status: 'error', error: { code, retryable: false } })
  })

  test.each(of('transient'))('with %s waits for its next attempt, and burns this one', async (code) => {
    const { world, job, waitMs } = await failed(code)
    expect(job).toMatchObject({ status: 'retrying', failures: 1, attempting: 0 })
    expect(waitMs).toBeGreaterThanOrEqual(1_000)
    expect(waitMs).toBeLessThanOrEqual(defaultLimits.retryBaseSeconds * 1000)
    // Queues count whole seconds.
    await world.clock.advance(waitMs + 1_000)
    await world.deliver()
    expect(attemptOf(await world.job(job.id))).toBe(2)
  })

  test.each(of('throttled'))('with %s is parked for as long as was asked, and burns nothing', async (code) => {
    for (const asked of [undefined, 90_000]) {
      const { world, job, waitMs } = await failed(code, asked)
      expect(job).toMatchObject({ status: 'retrying', failures: 0, attempting: 1, throttles: 1 })
      expect(waitMs).toBeGreaterThanOrEqual(asked ?? 60_000)
      expect(waitMs).toBeLessThanOrEqual((asked ?? 60_000) * 1.1 + 1)
      // Queues count whole seconds.
      await world.clock.advance(waitMs + 1_000)
      await world.deliver()
      expect(attemptOf(await world.job(job.id))).toBe(1)
    }
  })

  test('with a 503 that says when to come back is not tried before', async () => {
    const { waitMs } = await failed('registry-unavailable', 300_000)
    expect(waitMs).toBeGreaterThanOrEqual(300_000)
    expect(waitMs).toBeLessThanOrEqual(330_001)
  })

  test('is of one of the three kinds: no row was forgotten here (fault 24)', () => {
    expect([...of('permanent'), ...of('transient'), ...of('throttled')].sort()).toEqual([...codes].sort())
  })
})

describe('the wait', () => {
  const failures = fc.integer({ min: 1, max: 60 })
  test('is anything up to twice the one before, from a second to the cap', () => {
    fc.assert(
      fc.property(failures, fc.integer(), (n, seed) => {
        const ms = backoffMs(n, defaultLimits, seededRandom(seed))
        const ceiling = Math.min(defaultLimits.retryBaseSeconds * 2 ** (n - 1), defaultLimits.retryMaxSeconds) * 1000
        expect(ms).toBeGreaterThanOrEqual(1_000)
        expect(ms).toBeLessThanOrEqual(ceiling)
      }),
    )
  })

  test('has full jitter: all of the room is used', () => {
    const random = seededRandom(1)
    const waits = Array.from({ length: 2_000 }, () => backoffMs(4, defaultLimits, random))
    for (let tenth = 0; tenth < 10; tenth++)
      expect(waits.filter((ms) => Math.floor(ms / 8_000.001) === tenth).length).toBeGreaterThan(120)
  })

  test('is never shorter than what was asked for, and at most a tenth longer than the longer of both', () => {
    fc.assert(
      fc.property(failures, fc.integer({ min: 0, max: 86_400_000 }), fc.integer(), (n, asked, seed) => {
        const random = seededRandom(seed)
        expect(throttleMs(asked, random)).toBeGreaterThanOrEqual(asked)
        expect(throttleMs(asked, random)).toBeLessThanOrEqual(asked * 1.1 + 1)
        const ms = retryMs(n, asked, defaultLimits, random)
        expect(ms).toBeGreaterThanOrEqual(asked)
        expect(ms).toBeLessThanOrEqual(Math.max(asked * 1.1 + 1, defaultLimits.retryMaxSeconds * 1000))
      }),
    )
  })
})
