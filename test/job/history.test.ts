/** Faults 47, 49: what has expired is gone for every reader, also while the store still keeps it. */
import { expect, it } from 'vitest'
import { retryJob } from '../../lib/job/control.ts'
import { createExecution } from '../../lib/job/execution.ts'
import { readExecution } from '../../lib/job/execution-record.ts'
import { retryExecution } from '../../lib/job/execution-retry.ts'
import { idOf } from '../../lib/job/id.ts'
import { jobKey } from '../../lib/job/keys.ts'
import { listJobs } from '../../lib/job/list.ts'
import { createWorld, DIGEST, TENANT, tagRegistry } from './world.ts'

const DAY_MS = 86_400_000

it('a job that waits or runs never expires; one that has ended does, after historyDays (fault 49)', async () => {
  const world = createWorld({ limits: { historyDays: 15 } })
  const waiting = await world.submitProbe()
  expect(waiting.expires).toBeUndefined()
  await world.deliver()
  const ended = await world.job(waiting.id)
  expect(ended.expires).toBe(Math.ceil((ended.finishedAt ?? 0) / 1000) + 15 * 86_400)
  const list = async () => (await listJobs({ tenant: TENANT, types: ['probe'] }, 10, undefined, world.env)).jobs.length
  await world.clock.advance(15 * DAY_MS - 1)
  expect(await list()).toBe(1)
  await world.clock.advance(1)
  expect(await list()).toBe(0)
  await expect(world.job(waiting.id)).rejects.toThrow(/no job/)
  await expect(retryJob(TENANT, waiting.id, world.env)).rejects.toMatchObject({ code: 'job-not-found' })
  // The store still keeps it: DynamoDB takes up to two days.
  expect(await world.env.store.get(jobKey(TENANT, waiting.id))).toBeDefined()
})

it('an idempotency key whose job has expired makes a new one, also before the store has deleted the old', async () => {
  const world = createWorld({ limits: { historyDays: 15 } })
  const old = await world.submitProbe('app', 'nightly')
  await world.deliver()
  await world.clock.advance(15 * DAY_MS + 1)
  const fresh = await world.submitProbe('app', 'nightly')
  expect([fresh.id, fresh.status]).toEqual([old.id, 'pending'])
  await world.deliver()
  expect(await world.job(fresh.id)).toMatchObject({ status: 'success', fence: 1 })
})

it('a late message of an expired job finds nothing, and goes to the dead letters without end or loop', async () => {
  const world = createWorld({ limits: { historyDays: 15 } })
  const job = await world.submitProbe()
  const [message] = await world.queue.receive('probe', { max: 1, waitSeconds: 0 })
  await world.env.store.delete(jobKey(TENANT, job.id))
  for (let n = 0; n < 5; n++) {
    await world.clock.advance(1_800_000)
    expect(await world.deliver()).toEqual(n < 4 ? ['return'] : [])
  }
  expect(message?.body).toContain(job.id)
  expect(await world.deliver('probe-dlq')).toEqual(['acknowledge'])
  for (const queue of ['probe', 'probe-dlq'])
    expect(await world.queue.depth(queue)).toEqual({ waiting: 0, inFlight: 0, delayed: 0 })
})

it('an execution expires with its children, and not while it is retried', async () => {
  const world = createWorld({ limits: { historyDays: 15 }, registry: tagRegistry({ app: { latest: DIGEST } }) })
  world.runs.unshift(async () => {
    throw new Error('once')
  })
  const id = idOf('old')
  await createExecution({ id, tenant: TENANT, type: 'probe', trigger: 'request', spec: { images: ['app'] } }, world.env)
  await world.deliver('fan-out')
  world.runs.splice(0, 1, async (context) => context.cancel('not today'))
  await world.deliver('probe-bulk')
  await world.clock.advance(61_000)
  await world.sweep()
  expect((await readExecution(TENANT, id, world.env))?.expires).toBeDefined()
  await world.clock.advance(14 * DAY_MS)
  const again = await retryExecution(TENANT, id, 'unsuccessful', world.env)
  expect(again.expires).toBeUndefined()
  await world.deliver('fan-out')
  await world.deliver('probe-bulk')
  await world.clock.advance(61_000)
  await world.sweep()
  await world.clock.advance(2 * DAY_MS)
  expect((await readExecution(TENANT, id, world.env))?.generation).toBe(1)
  await world.clock.advance(14 * DAY_MS)
  expect(await readExecution(TENANT, id, world.env)).toBeUndefined()
})
