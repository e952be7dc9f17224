/** LONGSHORE_EXECUTION_ITEMS_MAX bounds the children of an execution, and nothing but them. */
import { expect, it } from 'vitest'
import { LongshoreError } from '../../lib/errors.ts'
import { createExecution } from '../../lib/job/execution.ts'
import { countChildren } from '../../lib/job/execution-counts.ts'
import { readExecution } from '../../lib/job/execution-record.ts'
import { retryExecution } from '../../lib/job/execution-retry.ts'
import { idOf } from '../../lib/job/id.ts'
import type { Change, Store } from '../../lib/store/port.ts'
import { createWorld, TENANT, tagRegistry, type World } from './world.ts'

const digestOf = (n: number) => `sha256:${String(n).padStart(64, '0')}`
/** So many tags in one repository, each `perDigest` of them with one digest. */
const tags = (count: number, perDigest = 1) =>
  Object.fromEntries(
    Array.from({ length: count }, (_, n) => [`t${String(n).padStart(3, '0')}`, digestOf(Math.floor(n / perDigest))]),
  )
const id = idOf('test', 'execution-limit')
const execution = { tenant: TENANT, id }
const seen = async (world: World) => (await readExecution(TENANT, id, world.env))!

async function start(world: World, images = ['app']): Promise<void> {
  await createExecution({ ...execution, type: 'probe', trigger: 'request', spec: { images } }, world.env)
  await world.deliver('fan-out')
}

/** The execution as it is closed. */
async function closed(world: World) {
  await world.deliver('probe-bulk')
  await world.clock.advance(61_000)
  await world.sweep()
  return await seen(world)
}

const tooMany = (made: number, more: number, most: number) => ({
  code: 'invalid-value',
  retryable: false,
  message: `execution ${id} has ${made} jobs, and its listing found at least ${more} more; at most ${most} are made of one (LONGSHORE_EXECUTION_ITEMS_MAX): name fewer images, or raise the limit and retry it`,
})

it.each([
  [1, 0, 2],
  [5, 4, 2],
  [6, 6, 2],
  [11, 10, 2],
])('with at most %i children an execution over twelve images ends as error after %i', async (most, made, more) => {
  const limits = { executionItemsMax: most, fanOutPageItems: 2 }
  const world = createWorld({ limits, registry: tagRegistry({ app: tags(12) }) })
  await start(world)
  expect(await closed(world)).toMatchObject({
    status: 'error',
    fanOut: 'done',
    error: tooMany(made, more, most),
    counts: { success: made, total: made },
  })
})

it('as many children as the limit allows are made, of however many tags', async () => {
  const limits = { executionItemsMax: 12, fanOutPageItems: 5 }
  const world = createWorld({ limits, registry: tagRegistry({ app: tags(36, 3) }) })
  await start(world)
  const done = await closed(world)
  expect(done).toMatchObject({ status: 'success', counts: { success: 12, total: 12 } })
  expect(done.error).toBeUndefined()
})

it('counts are whole where there are more children than the limit allows now', async () => {
  const world = createWorld({ registry: tagRegistry({ app: tags(12) }) })
  await start(world)
  const env = { ...world.env, limits: { ...world.env.limits, executionItemsMax: 1 } }
  expect(await countChildren(execution, env)).toMatchObject({ pending: 12, total: 12 })
})

/** The write of the cursor after this page does not come through: `how` says what the run hears of it. */
const losingCheckpoint = (page: number, how: () => Promise<never>) => (inner: Store) => {
  let checkpoints = 0
  const isCheckpoint = ({ set }: Change) => set?.cursor !== undefined
  return {
    ...inner,
    update: async (...[key, change, condition]: Parameters<Store['update']>) =>
      isCheckpoint(change) && ++checkpoints === page ? await how() : await inner.update(key, change, condition),
  }
}
const never = () => new Promise<never>(() => {})
const fails = async () => {
  throw new LongshoreError('store-unavailable', 'down')
}

it.each([
  ['was killed', 12, never, 'success', 12],
  ['failed', 12, fails, 'success', 12],
  ['was killed', 11, never, 'error', 10],
  ['failed', 11, fails, 'error', 10],
])('a fan-out that %s goes on and counts each child once, of at most %i', async (_what, most, how, status, total) => {
  const limits = { executionItemsMax: most, fanOutPageItems: 2 }
  const registry = tagRegistry({ app: tags(12) })
  const world = createWorld({ limits, registry, store: losingCheckpoint(3, how) })
  void start(world)
  for (let minute = 0; minute < 60 && (await seen(world))?.fanOut !== 'done'; minute++) {
    await world.clock.advance(60_000)
    await world.sweep()
    if (minute % 2 === 0) void world.deliver('fan-out')
  }
  expect(await closed(world)).toMatchObject({ status, counts: { success: total, total } })
})

it('children are counted over all invocations of a listing', async () => {
  const limits = { executionItemsMax: 7, fanOutPageItems: 2 }
  const world = createWorld({ limits, registry: tagRegistry({ app: tags(12) }) })
  await createExecution({ ...execution, type: 'probe', trigger: 'request', spec: { images: ['app'] } }, world.env)
  // Each has time for a single image.
  await world.deliver('fan-out', { remainingMs: () => 1 })
  expect(await closed(world)).toMatchObject({ status: 'error', error: tooMany(7, 1, 7), counts: { total: 7 } })
})

it('a retry of such an execution ends the same way, and goes on when the limit was raised', async () => {
  const limits = { executionItemsMax: 5, fanOutPageItems: 2 }
  const world = createWorld({ limits, registry: tagRegistry({ app: tags(12) }) })
  world.runs.unshift(async () => {
    throw new LongshoreError('source-gone', 'gone')
  })
  await start(world)
  expect(await closed(world)).toMatchObject({ counts: { error: 1, success: 3, total: 4 } })
  await retryExecution(TENANT, id, 'unsuccessful', world.env)
  await world.deliver('fan-out')
  expect(await closed(world)).toMatchObject({
    status: 'error',
    error: tooMany(4, 2, 5),
    counts: { success: 4, total: 4 },
  })
  Object.assign(world.env.limits, { executionItemsMax: 12 })
  await retryExecution(TENANT, id, 'unsuccessful', world.env)
  await world.deliver('fan-out')
  expect(await closed(world)).toMatchObject({ status: 'success', counts: { success: 12, total: 12 } })
})

it('children are retried at the limit, also when a tag that was missing has come meanwhile', async () => {
  const repositories: Record<string, Record<string, string>> = { app: tags(2), late: {} }
  const world = createWorld({ limits: { executionItemsMax: 2 }, registry: tagRegistry(repositories) })
  world.runs.unshift(async () => {
    throw new LongshoreError('source-gone', 'gone')
  })
  await start(world, ['app:t000', 'app:t001', 'late:z'])
  expect(await closed(world)).toMatchObject({ counts: { success: 1, error: 1 }, unresolved: 1 })
  repositories.late = { z: digestOf(9) }
  await retryExecution(TENANT, id, 'failed', world.env)
  await world.deliver('fan-out')
  expect(await closed(world)).toMatchObject({ counts: { success: 2, error: 0, total: 2 }, unresolved: 1 })
})
