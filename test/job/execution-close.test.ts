import { expect, it } from 'vitest'
import { LongshoreError } from '../../lib/errors.ts'
import { createExecution, stopExecution } from '../../lib/job/execution.ts'
import { readExecution } from '../../lib/job/execution-record.ts'
import { sweepExecutions } from '../../lib/job/execution-sweep.ts'
import { idOf, shardOf } from '../../lib/job/id.ts'
import { EXECUTION_SHARDS } from '../../lib/job/keys.ts'
import { listJobs } from '../../lib/job/list.ts'
import type { JobRecord } from '../../lib/job/record.ts'
import { asPort, SimulatedStore } from '../simulation/store.ts'
import { createWorld, DIGEST, START, TENANT, tagRegistry, type World } from './world.ts'

/** An execution of what `app` has, listed. */
async function begin(world: World): Promise<string> {
  const id = '01JD9W3Q4V5X6Y7Z8A9B0C1D2E'
  await createExecution({ id, tenant: TENANT, type: 'probe', trigger: 'request', spec: { images: ['app'] } }, world.env)
  await world.deliver('fan-out')
  return id
}

it('an execution stopped right after its listing failed is not closed before the index shows its children', async () => {
  const tags = { v1: DIGEST, v2: `sha256:${'b'.repeat(64)}` }
  let resolved = 0
  let now = () => START
  // Its second page cannot be listed; the index shows the child of the first one 25 s late: the third item to be shown,
  // after the execution and its claim.
  const lags = [0, 0, 25_000]
  const world = createWorld({
    limits: { fanOutPageItems: 1 },
    registry: tagRegistry(
      { app: tags },
      { fail: () => (++resolved > 1 ? new LongshoreError('registry-unavailable', 'down') : undefined) },
    ),
    store: () => asPort(new SimulatedStore({ now: () => now(), lagMs: () => lags.shift() ?? 0, shared: false })),
  })
  now = () => world.clock.now()
  const id = await begin(world)
  await world.deliver('probe-bulk')
  await stopExecution(TENANT, id, world.env)
  for (let n = 0; n < 4; n++) {
    await world.clock.advance(15_000)
    await world.sweep()
  }
  expect(await readExecution(TENANT, id, world.env)).toMatchObject({
    status: 'stopped',
    counts: { success: 1, total: 1 },
  })
})

/** An execution that is stopped while the worker of its one child is dead. */
async function stopWithDeadChild(world: World): Promise<JobRecord> {
  const id = await begin(world)
  // A run that never comes back.
  world.runs.unshift(() => new Promise(() => {}))
  void world.deliver('probe-bulk')
  await world.clock.advance(0)
  await stopExecution(TENANT, id, world.env)
  const [child] = (await listJobs({ tenant: TENANT, types: ['probe'], execution: id }, 10, undefined, world.env)).jobs
  return child!
}

it('a child whose worker is dead is stopped with its execution at the end of its lease, not tried again', async () => {
  const world = createWorld({ limits: { stopPollMs: 3_600_000 }, registry: tagRegistry({ app: { v1: DIGEST } }) })
  const child = await stopWithDeadChild(world)
  await world.clock.advance(child.lease! - 20_000 - world.clock.now())
  expect(await world.sweep()).toMatchObject({ recovered: 0, foreseen: 1 })
  await world.clock.advance(20_000 + 2 * world.env.limits.clockSkewMsMax)
  await world.deliver('probe-bulk')
  expect(await world.job(child.id)).toMatchObject({ status: 'stopped', failures: 0, fence: 1 })
  expect((await world.job(child.id)).error).toMatchObject({ message: 'its execution was stopped' })
})

it.each([
  ['has attempts left', 5],
  ['had its last attempt', 1],
])(
  'a dead child that %s is stopped with its execution by the sweep, when the message for its lease is lost',
  async (_, most) => {
    const world = createWorld({
      limits: { stopPollMs: 3_600_000, maxAttempts: most },
      registry: tagRegistry({ app: { v1: DIGEST } }),
    })
    const child = await stopWithDeadChild(world)
    await world.clock.advance(child.lease! + 2 * world.env.limits.clockSkewMsMax - world.clock.now())
    expect(await world.sweep()).toMatchObject({ recovered: 0, ended: 1 })
    expect(await world.job(child.id)).toMatchObject({ status: 'stopped', fence: 1 })
    expect((await world.job(child.id)).error).toMatchObject({ message: 'its execution was stopped' })
  },
)

it('a child that starts and ends while its statuses are counted is not left out of the counts', async () => {
  let ended: Promise<unknown> | undefined
  const world = createWorld({
    registry: tagRegistry({ app: { v1: DIGEST } }),
    store: (inner) => ({
      ...inner,
      async count(query) {
        // The answer about who waits comes last, when the child waits no more; who had ended was asked before it had.
        ended ??= end()
        if (query.from === 'p#') await ended
        return await inner.count(query)
      },
    }),
  })
  const end = () => new Promise((resolve) => setImmediate(resolve)).then(() => world.deliver('probe-bulk'))
  const id = await begin(world)
  await world.clock.advance(61_000)
  expect(await sweepExecutions(world.env)).toBe(0)
  expect(await readExecution(TENANT, id, world.env)).toMatchObject({ status: 'running' })
  await world.clock.advance(61_000)
  expect(await sweepExecutions(world.env)).toBe(1)
  expect(await readExecution(TENANT, id, world.env)).toMatchObject({
    status: 'success',
    counts: { success: 1, total: 1 },
  })
})

it('a stop that was acknowledged while the sweep closes is not overwritten by success', async () => {
  let stopped: Promise<unknown> | undefined
  const world = createWorld({
    registry: tagRegistry({ app: { v1: DIGEST } }),
    store: (inner) => ({
      ...inner,
      async update(key, change, condition) {
        // Between what the sweep has counted and what it writes.
        if (change.set?.status === 'success' && key.pk.startsWith('X#')) stopped ??= stop()
        await stopped
        return await inner.update(key, change, condition)
      },
    }),
  })
  const id = '01JD9W3Q4V5X6Y7Z8A9B0C1D2E'
  // As stopExecution does, by whom looked before the last child had ended.
  const stop = () => world.env.store.update({ pk: `X#${TENANT}#${id}`, sk: '#' }, { set: { stop: true } })
  await createExecution({ id, tenant: TENANT, type: 'probe', trigger: 'request', spec: { images: ['app'] } }, world.env)
  await world.deliver('fan-out')
  await world.deliver('probe-bulk')
  for (let minute = 0; minute < 4; minute++) {
    await world.clock.advance(60_000)
    await world.sweep()
  }
  expect(await readExecution(TENANT, id, world.env)).toMatchObject({
    status: 'stopped',
    counts: { success: 1, total: 1 },
  })
})

/** Two executions in one shard of what the sweep looks at; the first has an open child. */
async function openAndEnded(world: World): Promise<string[]> {
  const ids: string[] = []
  for (let n = 0; ids.length < 2; n++) {
    const id = idOf('test', String(n))
    if (shardOf(id, EXECUTION_SHARDS) !== 0) continue
    ids.push(id)
    const spec = { images: [`app-${ids.length}`] }
    await createExecution({ id, tenant: TENANT, type: 'probe', trigger: 'request', spec }, world.env)
    await world.deliver('fan-out')
    await world.clock.advance(1)
  }
  return ids
}

it('an execution whose children are still open does not keep a later one from being closed', async () => {
  const world = createWorld({
    registry: tagRegistry({ 'app-1': { v1: DIGEST }, 'app-2': { v1: DIGEST } }),
    limits: { sweepPageMax: 1 },
  })
  // The child of the first one waits for its message; that of the second has ended.
  const [first, second] = await openAndEnded(world)
  const [message] = await world.queue.receive('probe-bulk', { max: 1, waitSeconds: 0 })
  await world.queue.giveBack('probe-bulk', message!.receipt, 900)
  await world.deliver('probe-bulk')
  for (let minute = 0; minute < 4; minute++) {
    await world.clock.advance(60_000)
    await sweepExecutions(world.env)
  }
  expect(await readExecution(TENANT, second!, world.env)).toMatchObject({ status: 'success' })
  expect(await readExecution(TENANT, first!, world.env)).toMatchObject({ status: 'running' })
})

it('a sweep whose time is short leaves the rest to the next one, which begins elsewhere', async () => {
  const world = createWorld({ registry: tagRegistry({ app: { v1: DIGEST } }) })
  const shards = new Set<string>()
  const { query } = world.env.store
  world.env.store.query = async (asked) => {
    if (asked.pk.startsWith('O#execution')) shards.add(asked.pk)
    return await query(asked)
  }
  for (let minute = 0; minute < EXECUTION_SHARDS; minute++) {
    let looks = 0
    // Enough for a single look.
    await sweepExecutions(world.env, () => (looks++ === 0 ? 60_000 : 0))
    expect(shards.size).toBe(minute + 1)
    await world.clock.advance(60_000)
  }
})
