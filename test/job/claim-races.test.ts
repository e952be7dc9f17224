import { describe, expect, it } from 'vitest'
import { LongshoreError } from '../../lib/errors.ts'
import { handleDeadLetter } from '../../lib/job/dead-letter.ts'
import type { JobRecord } from '../../lib/job/record.ts'
import { QUEUE_DELAY_MAX_SECONDS } from '../../lib/job/wait.ts'
import { ConditionFailed, type Store } from '../../lib/store/port.ts'
import { createWorld, TENANT, TIMEOUT_MS } from './world.ts'

/** The store, with one update (the `n`-th that matches) met by something. */
function meeting(
  name: string,
  what: (inner: Store, ...args: Parameters<Store['update']>) => ReturnType<Store['update']>,
) {
  let met = false
  return (inner: Store): Store => ({
    ...inner,
    update: async (key, change, condition) => {
      if (met || !JSON.stringify(change).includes(name)) return await inner.update(key, change, condition)
      met = true
      return await what(inner, key, change, condition)
    },
  })
}

describe('a claim that meets something unexpected', () => {
  it('does not drop the message of a job that became due while its claim was on its way', async () => {
    let world = createWorld()
    world = createWorld({
      store: meeting('"claim"', async (_inner, key) => {
        // The claim is judged by the time at which it was asked for, the re-read by the time of its answer.
        await world.clock.advance(10_000)
        throw new ConditionFailed(key)
      }),
    })
    const job = await world.submitProbe()
    expect((await world.deliver()).at(-1)).toBe('acknowledge')
    expect(await world.job(job.id)).toMatchObject({ status: 'success' })
  })

  it.each<[string, Parameters<typeof meeting>[1]]>([
    [
      'the request was repeated after it had been applied',
      async (inner, key, change, condition) => {
        await inner.update(key, change, condition)
        return await inner.update(key, change, condition)
      },
    ],
    [
      'its answer was lost',
      async (inner, key, change, condition) => {
        await inner.update(key, change, condition)
        throw new LongshoreError('store-unavailable', 'no answer')
      },
    ],
  ])('knows the take-over of a dead run as its own when %s', async (_when, what) => {
    const world = createWorld({ store: meeting('"failures"', what) })
    const job = await deadRun(world)
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({ status: 'success', fence: 2, failures: 1 })
  })

  it.each(['store-throttled', 'store-unavailable'] as const)(
    'puts the message off when the take-over of a dead run ends as %s',
    async (code) => {
      const world = createWorld({
        store: meeting('"failures"', async () => {
          throw new LongshoreError(code, 'not now')
        }),
      })
      const job = await deadRun(world)
      expect(await world.deliver()).toEqual(['acknowledge'])
      expect(await world.job(job.id)).toMatchObject({ status: 'running', fence: 1, failures: 0 })
      expect(await world.queue.depth('probe')).toMatchObject({ waiting: 0, delayed: 1 })
      await world.clock.advance(QUEUE_DELAY_MAX_SECONDS * 1_000)
      await world.deliver()
      expect(await world.job(job.id)).toMatchObject({ status: 'success', fence: 2, failures: 1 })
    },
  )
})

/** A job whose worker stands still until its lease is over, and a message for whoever takes it over. */
async function deadRun(world: ReturnType<typeof createWorld>): Promise<JobRecord> {
  const started = new Promise<void>((resolve) => {
    world.runs.unshift(async () => {
      resolve()
      return await new Promise<never>(() => {})
    })
  })
  const job = await world.submitProbe()
  void world.deliver()
  await started
  await world.clock.advance(TIMEOUT_MS + 61_000)
  await world.env.queue.send('probe', [
    { body: JSON.stringify({ tenant: TENANT, id: job.id, type: 'probe', createdAt: job.createdAt }) },
  ])
  return job
}

describe('two dead letters of one job at once', () => {
  it('are one count and one message', async () => {
    const world = createWorld()
    const job = await world.submitProbe()
    const body = JSON.stringify({ tenant: TENANT, id: job.id, type: 'probe', createdAt: job.createdAt })
    await Promise.all([handleDeadLetter(body, world.env), handleDeadLetter(body, world.env)])
    expect(await world.job(job.id)).toMatchObject({ deadLetters: 1, sends: 2 })
    expect(await world.queue.depth('probe')).toMatchObject({ waiting: 1, delayed: 1 })
  })
})
