import { describe, expect, it } from 'vitest'
import { LongshoreError } from '../../lib/errors.ts'
import { readJob } from '../../lib/job/apply.ts'
import { createExecution, stopExecution } from '../../lib/job/execution.ts'
import { countChildren, statusOf } from '../../lib/job/execution-counts.ts'
import { type ExecutionRecord, readExecution } from '../../lib/job/execution-record.ts'
import { retryExecution } from '../../lib/job/execution-retry.ts'
import { idOf } from '../../lib/job/id.ts'
import { listJobs } from '../../lib/job/list.ts'
import type { JobRecord } from '../../lib/job/record.ts'
import type { Store } from '../../lib/store/port.ts'
import { createWorld, seededRandom, succeed, TENANT, tagRegistry, type World } from './world.ts'

const digest = (n: number) => `sha256:${String(n).padStart(64, '0')}`
const tags = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`v${String(n).padStart(4, '0')}`, digest(n)]))

const begin = async (world: World, images = ['app']): Promise<string> => {
  const id = idOf('test', String(world.clock.now()))
  await createExecution({ id, tenant: TENANT, type: 'probe', trigger: 'request', spec: { images } }, world.env)
  return id
}
const counts = (world: World, id: string) => countChildren({ tenant: TENANT, id }, world.env)
const read = async (world: World, id: string): Promise<ExecutionRecord> =>
  (await readExecution(TENANT, id, world.env)) as ExecutionRecord
const close = async (world: World) => {
  await world.clock.advance(61_000)
  await world.sweep()
}
/** Every child, also those that were retried. */
async function children(world: World, id: string): Promise<JobRecord[]> {
  const all: JobRecord[] = []
  let after: string | undefined
  do {
    const page = await listJobs({ tenant: TENANT, types: ['probe'], execution: id }, 100, after, world.env)
    all.push(...page.jobs)
    after = page.next
  } while (after)
  return all
}
/** The next `failing` runs end as error, then all succeed. */
const fail = (world: World, failing: number) => {
  for (let n = 0; n < failing; n++)
    world.runs.unshift(async () => {
      throw new LongshoreError('layer-invalid', 'layer 2 is cut')
    })
}
/** An execution of so many children, some of which failed, closed. */
async function failed(world: World, failing: number): Promise<string> {
  fail(world, failing)
  const id = await begin(world)
  await world.deliver('fan-out')
  await world.deliver('probe-bulk')
  await close(world)
  return id
}

describe('the retry of an execution', () => {
  it('gives each child that failed one successor, and counts that in its place', async () => {
    const world = createWorld({ registry: tagRegistry({ app: tags(250) }) })
    const id = await failed(world, 120)
    expect(await read(world, id)).toMatchObject({ status: 'error', counts: { error: 120, success: 130, total: 250 } })

    const again = await retryExecution(TENANT, id, 'failed', world.env)
    expect(again).toMatchObject({ status: 'running', fanOut: 'retrying', generation: 1 })
    for (const gone of ['finishedAt', 'expires', 'counts']) expect(again).not.toHaveProperty(gone)
    await world.deliver('fan-out')
    expect(await counts(world, id)).toMatchObject({ error: 0, pending: 120, success: 130, total: 250 })
    await world.deliver('probe-bulk')
    await close(world)
    expect(await read(world, id)).toMatchObject({
      status: 'success',
      fanOut: 'done',
      counts: { error: 0, success: 250, total: 250 },
    })

    const all = await children(world, id)
    expect(all).toHaveLength(370)
    const byId = new Map(all.map((job) => [job.id, job]))
    for (const job of all.filter(({ status }) => status === 'error')) {
      const successor = byId.get(job.retriedBy ?? '')
      expect(successor).toMatchObject({ retryOf: job.id, generation: 1, lane: 'bulk', image: job.image })
    }
    const newest = await listJobs(
      { tenant: TENANT, types: ['probe'], statuses: ['error'], execution: id, newest: true },
      10,
      undefined,
      world.env,
    )
    expect(newest.jobs).toEqual([])
  })

  it('is refused while it runs, and when nothing failed, with what to do', async () => {
    const world = createWorld({ registry: tagRegistry({ app: tags(3) }) })
    const id = await begin(world)
    const retry = (mode: 'failed' | 'unsuccessful' = 'failed') => retryExecution(TENANT, id, mode, world.env)
    await expect(retry()).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('still running') })
    await world.deliver('fan-out')
    await world.deliver('probe-bulk')
    // The index may show a child up to a minute after it was listed; who had failed unseen would be left out for good.
    await world.clock.advance(1_000)
    await expect(retry()).rejects.toMatchObject({
      message: expect.stringMatching(/is success, but not all its jobs may be shown yet; ask again in 59 s$/),
      retryAfterMs: 59_000,
    })
    await world.clock.advance(59_000)
    await expect(retry()).rejects.toMatchObject({ message: expect.stringContaining('nothing to retry') })
    await close(world)
    await expect(retry('unsuccessful')).rejects.toMatchObject({ message: expect.stringContaining('nothing to retry') })
    await expect(retryExecution(TENANT, idOf('none'), 'failed', world.env)).rejects.toMatchObject({
      code: 'execution-not-found',
    })
  })

  it('asked twice begins once; a second failure can be retried again', async () => {
    const world = createWorld({ registry: tagRegistry({ app: tags(5) }) })
    const id = await failed(world, 2)
    const answers = await Promise.allSettled([
      retryExecution(TENANT, id, 'failed', world.env),
      retryExecution(TENANT, id, 'failed', world.env),
    ])
    expect(answers.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    await world.deliver('fan-out')
    fail(world, 1)
    await world.deliver('probe-bulk')
    await world.clock.advance(60_000)
    // Shown as ended before the sweep has closed it: that is enough.
    expect(statusOf(await read(world, id), await counts(world, id))).toBe('error')
    await retryExecution(TENANT, id, 'failed', world.env)
    await world.deliver('fan-out')
    await world.deliver('probe-bulk')
    await close(world)
    expect(await read(world, id)).toMatchObject({ status: 'success', generation: 2, counts: { success: 5, total: 5 } })
    expect(await children(world, id)).toHaveLength(8)
  })

  it('goes on from its cursor wherever it is killed, and submits nobody twice', async () => {
    for (let seed = 1; seed <= 25; seed++) {
      const random = seededRandom(seed)
      const faults = { left: 0, armed: false }
      const flaky = (inner: Store): Store => {
        const call = async <T>(effect: () => Promise<T>): Promise<T> => {
          if (!faults.armed || faults.left <= 0 || random.next() > 0.03) return await effect()
          faults.left--
          // Half of them after it was applied.
          if (random.next() < 0.5) await effect().catch(() => {})
          throw new LongshoreError('store-unavailable', 'killed')
        }
        return {
          ...inner,
          put: (item, condition) => call(() => inner.put(item, condition)),
          update: (key, change, condition) => call(() => inner.update(key, change, condition)),
          getMany: (keys) => call(() => inner.getMany(keys)),
        }
      }
      const world = createWorld({
        registry: tagRegistry({ app: tags(40) }),
        limits: { fanOutPageItems: 7 },
        store: flaky,
        seed,
      })
      const id = await failed(world, 30)
      await retryExecution(TENANT, id, 'failed', world.env)
      Object.assign(faults, { armed: true, left: 4 })
      for (let round = 0; round < 12; round++) {
        await world.deliver('fan-out')
        await world.clock.advance(600_000)
        await world.sweep().catch(() => {})
      }
      faults.armed = false
      await world.deliver('fan-out')
      const story = `seed ${seed}`
      expect(await counts(world, id), story).toMatchObject({ error: 0, pending: 30, success: 10, total: 40 })
      expect((await children(world, id)).length, story).toBe(70)
      await world.deliver('probe-bulk')
      await close(world)
      expect((await read(world, id)).status, story).toBe('success')
    }
  })

  it('that is stopped between a successor and the end of its page counts each item once', async () => {
    let puts = 0
    let world: World
    const store = (inner: Store): Store => ({
      ...inner,
      put: async (item, condition) => {
        if (item.generation === 1 && ++puts === 5) throw new LongshoreError('store-unavailable', 'killed in the page')
        await inner.put(item, condition)
      },
    })
    world = createWorld({ registry: tagRegistry({ app: tags(20) }), limits: { fanOutPageItems: 20 }, store })
    const id = await failed(world, 12)
    await retryExecution(TENANT, id, 'failed', world.env)
    await world.deliver('fan-out')
    expect((await counts(world, id)).total).toBeGreaterThan(20)
    await stopExecution(TENANT, id, world.env)
    for (let minute = 0; minute < 15; minute++) {
      await world.clock.advance(60_000)
      await world.sweep()
      await world.deliver('fan-out')
      await world.deliver('probe-bulk')
    }
    const ended = await read(world, id)
    expect(ended).toMatchObject({ status: 'stopped', counts: { success: 8, total: 20 } })
    expect((ended.counts?.error ?? 0) + (ended.counts?.stopped ?? 0)).toBe(12)
    // And nothing more was submitted after the stop.
    expect((await children(world, id)).filter(({ generation }) => generation === 1).length).toBeLessThanOrEqual(11)

    await retryExecution(TENANT, id, 'unsuccessful', world.env)
    await world.deliver('fan-out')
    await world.deliver('probe-bulk')
    await close(world)
    expect(await read(world, id)).toMatchObject({ status: 'success', counts: { success: 20, total: 20 } })
  })

  // Found by the simulator (seed 275 of that day).
  it('that fails for the last time in the middle of a page counts each item once', async () => {
    let puts = 0
    const store = (inner: Store): Store => ({
      ...inner,
      put: async (item, condition) => {
        if (item.generation === 1 && ++puts >= 12) throw new LongshoreError('store-unavailable', 'down in the page')
        await inner.put(item, condition)
      },
    })
    const limits = { fanOutPageItems: 5, maxAttempts: 1 }
    const world = createWorld({ registry: tagRegistry({ app: tags(60) }), limits, store })
    const id = await failed(world, 50)
    await retryExecution(TENANT, id, 'failed', world.env)
    await world.deliver('fan-out')
    expect(await read(world, id)).toMatchObject({ fanOut: 'done', error: { code: 'store-unavailable' } })
    expect((await counts(world, id)).total).toBe(60)
  })

  it('does not retry a successor that fails while it still goes on', async () => {
    const world = createWorld({ registry: tagRegistry({ app: tags(10) }), limits: { fanOutPageItems: 2 } })
    const id = await failed(world, 10)
    fail(world, 30)
    const { send } = world.env.queue
    world.env.queue.send = async (queue, messages) => {
      if (queue === 'fan-out') await world.deliver('probe-bulk')
      await send(queue, messages)
    }
    await retryExecution(TENANT, id, 'failed', world.env)
    // Time for one page an invocation.
    await world.deliver('fan-out', { remainingMs: () => 1_000 })
    await world.deliver('probe-bulk')
    await close(world)
    expect(await read(world, id)).toMatchObject({ status: 'error', counts: { error: 10, total: 10 } })
    expect(await children(world, id)).toHaveLength(20)
  })

  it('of a stopped one goes on listing where it was cut, unless only what failed is asked for', async () => {
    const world = createWorld({ registry: tagRegistry({ app: tags(30) }), limits: { fanOutPageItems: 10 } })
    const id = await begin(world)
    let remaining = 300_000
    // Time for one page.
    await world.deliver('fan-out', { remainingMs: () => (remaining -= 260_000 / 10) })
    const listed = (await counts(world, id)).total
    expect(listed).toBeGreaterThan(0)
    await stopExecution(TENANT, id, world.env)
    await world.deliver('fan-out')
    await world.deliver('probe-bulk')
    await world.clock.advance(400_000)
    await world.sweep()
    expect(await read(world, id)).toMatchObject({ status: 'stopped', counts: { stopped: listed, total: listed } })
    await expect(retryExecution(TENANT, id, 'failed', world.env)).rejects.toMatchObject({
      message: expect.stringContaining('without failed=only'),
    })
    await retryExecution(TENANT, id, 'unsuccessful', world.env)
    await world.deliver('fan-out')
    await world.deliver('probe-bulk')
    await close(world)
    expect(await read(world, id)).toMatchObject({ status: 'success', counts: { success: 30, total: 30 } })
  })

  // Found by the simulator (seed 5583 of that day).
  it('of what failed only does not call a listing complete that was cut', async () => {
    let id = ''
    let stops = true
    const shelf = tagRegistry({ app: tags(30) })
    // When the second page is asked for, the jobs of the first have failed, and the execution is stopped.
    const registry: typeof shelf = async (host) => {
      const client = await shelf(host)
      const listTags: typeof client.tags = async (repository, options) => {
        if (options?.last && stops) {
          stops = false
          await world.deliver('probe-bulk')
          await stopExecution(TENANT, id, world.env)
        }
        return await client.tags(repository, options)
      }
      return { ...client, tags: listTags }
    }
    const world: World = createWorld({ registry, limits: { fanOutPageItems: 10 } })
    world.runs[0] = async () => {
      throw new LongshoreError('source-gone', 'gone')
    }
    id = await begin(world)
    await world.deliver('fan-out')
    await world.deliver('probe-bulk')
    world.runs[0] = succeed
    // The run that was cut still holds its lease.
    await world.clock.advance(400_000)
    await close(world)
    const stopped = await read(world, id)
    expect(stopped).toMatchObject({ status: 'stopped', counts: { error: 10 } })
    expect(stopped.counts?.total).toBeLessThan(30)
    await retryExecution(TENANT, id, 'failed', world.env)
    await world.deliver('fan-out')
    await world.deliver('probe-bulk')
    await close(world)
    expect(await read(world, id)).toMatchObject({
      status: 'error',
      error: { message: expect.stringContaining('listing') },
    })
    await retryExecution(TENANT, id, 'unsuccessful', world.env)
    await world.deliver('fan-out')
    await world.deliver('probe-bulk')
    await close(world)
    const whole = await read(world, id)
    expect(whole).toMatchObject({ status: 'success', counts: { success: 30, total: 30 } })
    expect(whole.error).toBeUndefined()
  })

  it('looks up again the tags that were named in vain, and goes on with a listing that had failed', async () => {
    let down: LongshoreError | undefined = new LongshoreError('registry-unauthorized', 'wrong password')
    const world = createWorld({ registry: tagRegistry({ app: tags(4) }, { fail: () => down }) })
    const id = await begin(world)
    await world.deliver('fan-out')
    await close(world)
    expect(await read(world, id)).toMatchObject({ status: 'error', unresolved: 4 })
    down = undefined
    await retryExecution(TENANT, id, 'failed', world.env)
    await world.deliver('fan-out')
    await world.deliver('probe-bulk')
    await close(world)
    expect(await read(world, id)).toMatchObject({
      status: 'success',
      unresolved: 0,
      unresolvedItems: [],
      counts: { success: 4, total: 4 },
    })
  })

  it('resolves the tag anew, so that a target is never set back to an older image', async () => {
    const content = { app: { latest: digest(1) } }
    const world = createWorld({ registry: tagRegistry(content) })
    const id = await failed(world, 1)
    content.app.latest = digest(2)
    await retryExecution(TENANT, id, 'failed', world.env)
    await world.deliver('fan-out')
    const successor = (await children(world, id)).find(({ retryOf }) => retryOf)
    expect(successor?.image.digest).toBe(digest(2))
    expect((await readJob(world.env.store, TENANT, successor?.retryOf ?? '', world.clock.now()))?.image.digest).toBe(
      digest(1),
    )
  })

  it('hands its children the same stop flag: none of them starts after it', async () => {
    const world = createWorld({ registry: tagRegistry({ app: tags(10) }) })
    const id = await failed(world, 10)
    await retryExecution(TENANT, id, 'failed', world.env)
    await world.deliver('fan-out')
    let runs = 0
    world.runs.splice(0, world.runs.length, async () => {
      runs++
      return await succeed()
    })
    await stopExecution(TENANT, id, world.env)
    await world.deliver('probe-bulk')
    expect(runs).toBe(0)
    await world.clock.advance(400_000)
    await world.sweep()
    expect(await read(world, id)).toMatchObject({ status: 'stopped', counts: { stopped: 10, total: 10 } })
  })
})
