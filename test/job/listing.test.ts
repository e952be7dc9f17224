/** The walk over registries: it comes to its end however little matches, and it stops when it is told to. */
import { describe, expect, it } from 'vitest'
import { LongshoreError } from '../../lib/errors.ts'
import { createExecution, stopExecution } from '../../lib/job/execution.ts'
import { countChildren } from '../../lib/job/execution-counts.ts'
import { readExecution } from '../../lib/job/execution-record.ts'
import { fanOut } from '../../lib/job/fan-out.ts'
import { idOf } from '../../lib/job/id.ts'
import { type WalkCursor, walk } from '../../lib/job/selector.ts'
import type { OpenRegistry } from '../../lib/oci/types.ts'
import { createWorld, DIGEST, seededRandom, TENANT, TIMEOUT_MS, tagRegistry, type World } from './world.ts'

const repositories = (count: number, tags: Record<string, string>) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`team/app-${String(n).padStart(4, '0')}`, tags]))

/** Every request takes so long on the world's clock, and ends at once when it is aborted. */
function slowly(inner: OpenRegistry, ms: () => number, world: () => World): OpenRegistry {
  return async (host) => {
    const client = await inner(host)
    const late =
      <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> => {
        const { signal } = (args.at(-1) ?? {}) as { signal?: AbortSignal }
        await world().clock.sleep(ms(), signal)
        if (signal?.aborted) throw signal.reason
        return await call(...args)
      }
    return { ...client, tags: late(client.tags), repositories: late(client.repositories) }
  }
}

async function start(world: World, images: string[]): Promise<string> {
  const { execution } = await createExecution(
    { id: idOf('test', 'listing'), tenant: TENANT, type: 'probe', trigger: 'request', spec: { images } },
    world.env,
  )
  return execution.id
}

/** One invocation after the other, each for the message before it, killed at the end of its time. */
async function invocations(world: World, most: number): Promise<number> {
  for (let n = 0; n < most; n++) {
    const [message] = await world.queue.receive('fan-out', { max: 1, waitSeconds: 0 })
    if (!message) return n
    const until = world.clock.now() + TIMEOUT_MS
    const invocation = {
      requestId: `fan-out-${n}`,
      remainingMs: () => until - world.clock.now(),
      timeoutMs: TIMEOUT_MS,
      stopFlags: new Map(),
    }
    let over = false
    void fanOut(message.body, world.env, invocation).then(() => (over = true))
    while (!over && invocation.remainingMs() > 0) await world.clock.advance(1_000)
    if (!over) return most
    await world.queue.remove('fan-out', message.receipt)
  }
  return most
}

const seen = async (world: World, id: string) => (await readExecution(TENANT, id, world.env))!

describe('a listing', () => {
  it.each([
    ['of repositories without a match', '**', 'nothing-matches'],
    ['of which a single one matches', 'team/app-4999', 'release'],
  ])('%s hands over in time and ends', async (_name, _pattern, tag) => {
    const registry = tagRegistry({
      ...repositories(5_000, { latest: DIGEST }),
      'team/app-4999': { [tag === 'release' ? 'release-1' : 'latest']: DIGEST },
    })
    const world: World = createWorld({
      registry: slowly(
        registry,
        () => 100,
        () => world,
      ),
    })
    const id = await start(world, ['**:release-*'])
    // 5,000 x 100 ms are 500 s; an invocation has 240 before it hands over.
    expect(await invocations(world, 10)).toBeLessThanOrEqual(4)
    expect(await seen(world, id)).toMatchObject({ fanOut: 'done', failures: 0 })
    expect(await countChildren({ tenant: TENANT, id }, world.env)).toMatchObject({ total: tag === 'release' ? 1 : 0 })
  })

  it('of which an invocation gets nothing at all counts as failed, and ends', async () => {
    const world: World = createWorld({
      registry: slowly(
        tagRegistry(repositories(3, { latest: DIGEST })),
        () => 3_600_000,
        () => world,
      ),
    })
    const id = await start(world, ['**:release-*'])
    expect(await invocations(world, 1)).toBe(1)
    expect(await seen(world, id)).toMatchObject({ fanOut: 'listing', failures: 1, lease: 0 })
  })

  it('keeps what it found before an error', async () => {
    let asked = 0
    const inner = tagRegistry(repositories(20, { 'release-1': DIGEST }))
    const registry: OpenRegistry = async (host) => {
      const client = await inner(host)
      const tags: typeof client.tags = async (...args) => {
        if (++asked === 11) throw new LongshoreError('registry-unavailable', 'down')
        return await client.tags(...args)
      }
      return { ...client, tags }
    }
    const world = createWorld({ registry })
    const id = await start(world, ['**:release-*'])
    await invocations(world, 1)
    expect(await seen(world, id)).toMatchObject({
      fanOut: 'listing',
      failures: 1,
      cursor: { repository: 'team/app-0009' },
    })
    await world.clock.advance(60_000)
    await invocations(world, 1)
    expect(await seen(world, id)).toMatchObject({ fanOut: 'done' })
    expect(asked).toBe(21)
  })

  it('ends within five seconds after a stop of its execution, also when nothing matches', async () => {
    const world: World = createWorld({
      registry: slowly(
        tagRegistry(repositories(5_000, { latest: DIGEST })),
        () => 100,
        () => world,
      ),
    })
    const id = await start(world, ['**:release-*'])
    const [message] = await world.queue.receive('fan-out', { max: 1, waitSeconds: 0 })
    const until = world.clock.now() + TIMEOUT_MS
    const remainingMs = () => until - world.clock.now()
    let over = false
    void fanOut(message!.body, world.env, {
      requestId: 'r',
      remainingMs,
      timeoutMs: TIMEOUT_MS,
      stopFlags: new Map(),
    }).then(() => (over = true))
    await world.clock.advance(20_000)
    expect(over).toBe(false)
    await stopExecution(TENANT, id, world.env)
    await world.clock.advance(5_000)
    expect(over).toBe(true)
    await world.clock.awake()
  })
})

describe('a throttled listing', () => {
  const throttledWorld = (times: number) => {
    let left = times
    const world = createWorld({
      registry: tagRegistry(
        { app: { latest: DIGEST } },
        {
          fail: () =>
            left-- > 0 ? new LongshoreError('registry-throttled', 'slow down', { retryAfterMs: 300_000 }) : undefined,
        },
      ),
    })
    return world
  }

  it('waits for as long as was asked, as often as was asked, and fails for it never', async () => {
    const world = throttledWorld(20)
    const id = await start(world, ['app:latest'])
    for (let n = 0; n < 20; n++) {
      await invocations(world, 1)
      expect(await seen(world, id)).toMatchObject({ fanOut: 'listing', failures: 0, throttles: n + 1 })
      await world.clock.advance(330_000)
    }
    await invocations(world, 1)
    expect(await seen(world, id)).toMatchObject({ fanOut: 'done' })
    expect(await countChildren({ tenant: TENANT, id }, world.env)).toMatchObject({ total: 1 })
  })

  it('is not sent a second time by the sweep while its delayed message is on its way', async () => {
    const world = throttledWorld(1)
    await start(world, ['app:latest'])
    await invocations(world, 1)
    const depth = async () => {
      const { waiting, delayed } = (await world.queue.depth('fan-out'))!
      return waiting + delayed
    }
    for (let minute = 0; minute < 5; minute++) {
      expect(await depth()).toBe(1)
      await world.clock.advance(65_000)
      await world.sweep()
    }
    expect(await depth()).toBe(1)
  })

  it('ends when it is throttled beyond all measure', async () => {
    const world = throttledWorld(1_000)
    world.env.limits = { ...world.env.limits, throttlesMax: 3 }
    const id = await start(world, ['app:latest'])
    for (let n = 0; n < 4; n++) {
      await invocations(world, 1)
      await world.clock.advance(330_000)
    }
    expect(await seen(world, id)).toMatchObject({ fanOut: 'done', error: { code: 'registry-throttled' } })
  })
})

describe('a walk', () => {
  const shelf = {
    ...repositories(7, { 'release-1': DIGEST, 'release-2': DIGEST, b: DIGEST, 'release-9': DIGEST }),
    'team/other': { latest: DIGEST },
    zoo: { a: DIGEST, b: DIGEST, 'release-3': DIGEST },
  }
  const selectors = [
    { registry: 'registry.example', repository: 'team/*', tag: 'release-*' },
    { registry: 'registry.example', repository: 'zoo', tag: '*' },
    { registry: 'registry.example', repository: '**', tag: 'latest' },
    { registry: 'registry.example', repository: 'zoo', tag: 'a' },
  ]
  const steps = async (start: WalkCursor, pageItems: number) => {
    const all = []
    const options = { pageItems, signal: new AbortController().signal }
    for await (const step of walk(selectors, start, tagRegistry(shelf), options)) all.push(step)
    return all
  }
  const named = (all: Awaited<ReturnType<typeof steps>>) =>
    all.flatMap(({ found }) => (found ? [`${found.repository}:${found.tag}`] : []))

  it.each([1, 2, 3, 100])(
    'goes on from each of its cursors with exactly what follows (%i a page)',
    async (pageItems) => {
      const all = await steps({ selector: 0 }, pageItems)
      expect(named(all)).toHaveLength(7 * 3 + 3 + 9 + 1)
      const random = seededRandom(pageItems)
      for (let n = 0; n < 40; n++) {
        const at = Math.floor(random.next() * all.length)
        expect(named(await steps(all[at]!.cursor, pageItems))).toEqual(named(all.slice(at + 1)))
      }
    },
  )
})
