/** No event is passed over by the cursor, as long as writes, clocks and indexes keep to what is reckoned with. */
import { describe, expect, it } from 'vitest'
import { defaultLimits } from '../../lib/config.ts'
import { LongshoreError } from '../../lib/errors.ts'
import { silentLog } from '../../lib/job/environment.ts'
import { handOverEvents } from '../../lib/job/event-cursor.ts'
import { outboxKeys } from '../../lib/job/keys.ts'
import type { JobRecord } from '../../lib/job/record.ts'
import { awsCalls, WRITE_LATE_SECONDS } from '../../lib/limits/aws-calls.ts'
import { INDEX_LAG_SECONDS } from '../../lib/limits/job.ts'
import { createWorld, type World } from './world.ts'

const SKEW_MS = defaultLimits.clockSkewMsMax

/** So many jobs whose ends lie in one shard of the outbox. */
async function jobsOfOneShard(world: World, count: number): Promise<JobRecord[]> {
  const byShard = new Map<string, JobRecord[]>()
  for (let n = 0; ; n++) {
    const job = await world.submitProbe('app', `key-${n}`)
    const shard = outboxKeys(job.id, 0).o_pk
    const jobs = [...(byShard.get(shard) ?? []), job]
    byShard.set(shard, jobs)
    if (jobs.length === count) return jobs
  }
}

describe('an event', () => {
  it('is not passed over though its write came as late, its index as late and the clocks as far apart as is allowed', async () => {
    let hidden: string | undefined
    const world = createWorld({
      store: (inner) => ({
        ...inner,
        async query(query) {
          const page = await inner.query(query)
          return { ...page, items: page.items.filter(({ pk }) => query.index !== 'open' || pk !== hidden) }
        },
        async update(...args) {
          const late = args[1].set?.status === 'success' && args[0].pk === hidden
          if (late) await new Promise<void>((resolve) => (landing = resolve))
          return await inner.update(...args)
        },
      }),
    })
    let landing: (() => void) | undefined
    const { env, clock } = world
    const [slow, quick] = await jobsOfOneShard(world, 2)
    hidden = `J#${slow!.tenant}#${slow!.id}`
    // The finish of the slow one is stamped by a clock that is behind; that of the other by the true one.
    const ahead = { ...env, clock: { ...clock, now: () => clock.now() + SKEW_MS } }
    env.clock = { ...clock, now: () => clock.now() - SKEW_MS }
    await world.queue.send('probe', [])
    const delivered = world.deliver()
    const told = () => world.events.received.map(({ subject }) => subject)
    for (let second = 0; second < WRITE_LATE_SECONDS + INDEX_LAG_SECONDS; second++) {
      if (second === 0) {
        while (!landing) await clock.advance(0)
        env.clock = clock
      }
      if (second === WRITE_LATE_SECONDS) landing!()
      await clock.advance(1_000)
      await handOverEvents(ahead)
    }
    await delivered
    hidden = undefined
    for (let second = 0; second < 120; second++) {
      await clock.advance(1_000)
      await handOverEvents(ahead)
    }
    expect(told()).toContain(quick!.id)
    expect(told()).toContain(slow!.id)
  })
})

describe('an event that is refused for good', () => {
  it('is told as an error and counted, and those before and after it are handed over', async () => {
    const world = createWorld()
    const jobs = await jobsOfOneShard(world, 5)
    await world.deliver()
    const { put } = world.env.events
    const [, , bad] = jobs
    world.env.events.put = async (events) => {
      if (events.some(({ subject }) => subject === bad!.id)) throw new LongshoreError('item-too-large', 'too large')
      await put(events)
    }
    const errors: string[] = []
    const counted: string[] = []
    const env = {
      ...world.env,
      log: { ...silentLog, error: (message: string) => void errors.push(message) },
      metrics: { count: (name: string) => void counted.push(name), measure: () => {}, flush: () => {} },
    }
    await world.clock.advance(61_000)
    for (let n = 0; n < 3; n++) await handOverEvents(env)
    const told = world.events.received.map(({ subject }) => subject).filter((id) => jobs.some((job) => job.id === id))
    expect(told.sort()).toEqual(jobs.flatMap(({ id }) => (id === bad!.id ? [] : [id])).sort())
    expect(errors).toEqual(['an event was refused for good and is passed over'])
    expect(counted).toEqual(['eventsRefused'])
  })

  it('is not one that the bus could not take just now', async () => {
    const world = createWorld()
    const [job] = await jobsOfOneShard(world, 1)
    await world.deliver()
    const { put } = world.env.events
    world.env.events.put = async () => {
      throw new LongshoreError('queue-unavailable', 'down')
    }
    await world.clock.advance(61_000)
    expect(await handOverEvents(world.env)).toBe(0)
    world.env.events.put = put
    expect(await handOverEvents(world.env)).toBe(1)
    expect(world.events.received).toMatchObject([{ subject: job!.id }])
  })
})

describe('the limits', () => {
  it('add up: what is settled was written late, by clocks that differ, and shows in an index that lags', () => {
    const { maxAttempts, requestHandler } = awsCalls
    // Beside the tries themselves the SDK pauses twice, a second at most.
    expect((maxAttempts * requestHandler.requestTimeout) / 1000 + 2).toBeLessThanOrEqual(WRITE_LATE_SECONDS)
    expect(requestHandler.connectionTimeout).toBeLessThan(requestHandler.requestTimeout)
    const { eventSettleSeconds, clockSkewMsMax, leaseMarginSeconds, tickSeconds } = defaultLimits
    expect(eventSettleSeconds).toBeGreaterThanOrEqual(
      WRITE_LATE_SECONDS + (2 * clockSkewMsMax) / 1000 + INDEX_LAG_SECONDS,
    )
    expect(leaseMarginSeconds).toBeGreaterThanOrEqual(WRITE_LATE_SECONDS + (2 * clockSkewMsMax) / 1000)
    // A lost message is sent again within two minutes: half of it is the tick.
    expect(defaultLimits.emptyQueueSeconds + tickSeconds).toBeLessThan(120)
  })
})
