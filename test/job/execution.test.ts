import { describe, expect, it } from 'vitest'
import { LongshoreError } from '../../lib/errors.ts'
import { createExecution, stopExecution } from '../../lib/job/execution.ts'
import { countChildren, statusOf } from '../../lib/job/execution-counts.ts'
import { readExecution } from '../../lib/job/execution-record.ts'
import { idOf } from '../../lib/job/id.ts'
import { listJobs } from '../../lib/job/list.ts'
import { createWorld, succeed, TENANT, tagRegistry, type World } from './world.ts'

const digest = (n: number) => `sha256:${String(n).padStart(64, '0')}`
const manyTags = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`v${String(n).padStart(4, '0')}`, digest(n)]))

const start = async (world: World, images = ['app']) => {
  const { execution } = await createExecution(
    {
      id: idOf('test', String(world.clock.now())),
      tenant: TENANT,
      type: 'probe',
      trigger: 'request',
      spec: { images },
    },
    world.env,
  )
  return execution
}
const counts = async (world: World, id: string) => await countChildren({ tenant: TENANT, id }, world.env)

describe('an execution', () => {
  it('submits one job per digest into the bulk lane, and ends as success with exact counts (fault 52)', async () => {
    const world = createWorld({ registry: tagRegistry({ app: { ...manyTags(250), latest: digest(7) } }) })
    const { id } = await start(world)
    await world.deliver('fan-out')
    expect(await counts(world, id)).toMatchObject({ pending: 250, total: 250 })
    await world.deliver('probe-bulk')
    expect(await counts(world, id)).toMatchObject({ success: 250, total: 250 })
    await world.clock.advance(61_000)
    await world.sweep()
    expect(await readExecution(TENANT, id, world.env)).toMatchObject({
      status: 'success',
      fanOut: 'done',
      counts: { success: 250, total: 250 },
    })
  })

  it('goes on from its cursor after a crash, and submits nobody twice', async () => {
    let puts = 0
    const world = createWorld({
      registry: tagRegistry({ app: manyTags(250) }),
      store: (inner) => ({
        ...inner,
        async put(item, condition) {
          if (item.pk.startsWith('J#') && ++puts === 130)
            throw new LongshoreError('store-unavailable', 'crash in the middle of a page')
          await inner.put(item, condition)
        },
      }),
    })
    const { id } = await start(world)
    await world.deliver('fan-out')
    expect(await readExecution(TENANT, id, world.env)).toMatchObject({ fanOut: 'listing', failures: 1 })
    await world.clock.advance(60_000)
    await world.sweep()
    await world.deliver('fan-out')
    expect(await counts(world, id)).toMatchObject({ pending: 250, total: 250 })
    // The page that crashed is put a second time, no other.
    expect(puts).toBeLessThanOrEqual(350)
  })

  it('lists what failed with its reason and ends as error', async () => {
    const world = createWorld({ registry: tagRegistry({ app: manyTags(3) }) })
    const { id } = await start(world)
    await world.deliver('fan-out')
    world.runs.unshift(async () => {
      throw new LongshoreError('layer-invalid', 'layer 2 is cut')
    })
    await world.deliver('probe-bulk')
    const execution = (await readExecution(TENANT, id, world.env))!
    expect(statusOf(execution, await counts(world, id))).toBe('error')
    const failed = await listJobs(
      { tenant: TENANT, types: ['probe'], statuses: ['error'], execution: id },
      10,
      undefined,
      world.env,
    )
    expect(failed.jobs.map((job) => job.error?.message)).toEqual(['layer 2 is cut'])
  })

  it('is stopped by one flag: no child claims after it, and the counts add up (fault 15)', async () => {
    const world = createWorld({ registry: tagRegistry({ app: manyTags(20) }) })
    const { id } = await start(world)
    await world.deliver('fan-out')
    let runs = 0
    world.runs[0] = async () => {
      if (++runs === 3) await stopExecution(TENANT, id, world.env)
      return await succeed()
    }
    await world.deliver('probe-bulk')
    expect(runs).toBe(3)
    expect(await counts(world, id)).toMatchObject({ success: 3, stopped: 17, total: 20 })
    await world.clock.advance(400_000)
    await world.sweep()
    expect(await readExecution(TENANT, id, world.env)).toMatchObject({ status: 'stopped' })
  })

  it.each([
    ['long', 5_000, 1],
    ['short', 500, 4],
  ])('stops a batch of %s jobs within a stop poll: what follows does not start', async (_name, ms, more) => {
    const world = createWorld({ registry: tagRegistry({ app: manyTags(10) }) })
    let started = 0
    const { id } = await start(world)
    world.runs[0] = async () => {
      started++
      await world.clock.sleep(ms)
      if (started === 2) await stopExecution(TENANT, id, world.env)
      return await succeed()
    }
    await world.deliver('fan-out')
    let over = false
    void world.deliver('probe-bulk', { stopFlags: new Map() }).then(() => (over = true))
    while (!over) await world.clock.advance(500)
    expect(started).toBeLessThanOrEqual(2 + more)
    expect(await counts(world, id)).toMatchObject({ total: 10, stopped: 10 - started })
  })

  it('stops while it lists: no page is submitted after the flag', async () => {
    const world = createWorld({ registry: tagRegistry({ app: manyTags(10) }) })
    const { id } = await start(world)
    await stopExecution(TENANT, id, world.env)
    await world.deliver('fan-out')
    expect(await counts(world, id)).toMatchObject({ total: 0 })
  })

  it('ends as error with the reason when the registry refuses for good', async () => {
    const world = createWorld({
      registry: tagRegistry(
        { app: manyTags(2) },
        { fail: () => new LongshoreError('registry-unauthorized', 'wrong password') },
      ),
    })
    const { id } = await start(world, ['app'])
    await world.deliver('fan-out')
    const execution = (await readExecution(TENANT, id, world.env))!
    expect(execution.unresolved).toBe(2)
    expect(statusOf(execution, await counts(world, id))).toBe('error')
  })

  it('recovers a fan-out message that was lost', async () => {
    const world = createWorld({ registry: tagRegistry({ app: manyTags(2) }) })
    const { send } = world.env.queue
    world.env.queue.send = async () => {
      throw new LongshoreError('queue-unavailable', 'down')
    }
    const { id } = await start(world)
    world.env.queue.send = send
    await world.clock.advance(61_000)
    await world.sweep()
    await world.deliver('fan-out')
    expect(await counts(world, id)).toMatchObject({ total: 2 })
  })
})

describe('listing jobs', () => {
  it('shows the newest first and pages through all of them once', async () => {
    const world = createWorld()
    const ids: string[] = []
    for (let i = 0; i < 25; i++) {
      ids.unshift((await world.submitProbe()).id)
      await world.clock.advance(3_600_000)
    }
    const seen: string[] = []
    let after: string | undefined
    do {
      const page = await listJobs({ tenant: TENANT, types: ['probe'] }, 10, after, world.env)
      seen.push(...page.jobs.map((job) => job.id))
      after = page.next
    } while (after)
    expect(seen).toEqual(ids)
  })

  it('filters by status and image, and shows no other tenant', async () => {
    const world = createWorld({ registry: tagRegistry({ app: { latest: digest(1) }, web: { latest: digest(2) } }) })
    await world.submitProbe('app')
    await world.submitProbe('web')
    await world.deliver()
    await world.submitProbe('web')
    const list = async (filter: object, tenant = TENANT) =>
      (await listJobs({ tenant, types: ['probe'], ...filter }, 10, undefined, world.env)).jobs.length
    expect(await list({ statuses: ['success'] })).toBe(2)
    expect(await list({ statuses: ['pending'] })).toBe(1)
    expect(await list({ image: { registry: 'registry.example', repository: 'web' } })).toBe(2)
    expect(await list({ image: { registry: 'registry.example', repository: 'web', tag: 'v9' } })).toBe(0)
    expect(await list({}, 'second')).toBe(0)
  })
})
