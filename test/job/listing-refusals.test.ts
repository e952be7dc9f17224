/** What refuses itself in a listing or a retry: it is told, and keeps nothing else from its job. */
import { describe, expect, it } from 'vitest'
import { type ErrorCode, LongshoreError } from '../../lib/errors.ts'
import { createExecution } from '../../lib/job/execution.ts'
import { countChildren } from '../../lib/job/execution-counts.ts'
import { readExecution } from '../../lib/job/execution-record.ts'
import { retryExecution } from '../../lib/job/execution-retry.ts'
import { idOf } from '../../lib/job/id.ts'
import { listJobs } from '../../lib/job/list.ts'
import type { OpenRegistry, RegistryClient } from '../../lib/oci/types.ts'
import { createWorld, TENANT, tagRegistry, type World } from './world.ts'

const digest = (n: number) => `sha256:${String(n).padStart(64, '0')}`
const tags = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`v${String(n).padStart(4, '0')}`, digest(n)]))

/** A registry in which one thing fails, as long as `error` gives something for it. */
const failing =
  (
    inner: OpenRegistry,
    error: (call: 'tags' | 'resolve', repository: string, tag: string) => LongshoreError | undefined,
  ) =>
  async (host: string): Promise<RegistryClient> => {
    const client = await inner(host)
    const unless = (found: LongshoreError | undefined) => {
      if (found) throw found
    }
    return {
      ...client,
      tags: async (repository, options) => {
        unless(error('tags', repository, ''))
        return client.tags(repository, options)
      },
      resolve: async (repository, tag, options) => {
        unless(error('resolve', repository, tag))
        return client.resolve(repository, tag, options)
      },
    }
  }

async function begin(world: World, images: string[]): Promise<string> {
  const { execution } = await createExecution(
    { id: idOf('test', 'refusals'), tenant: TENANT, type: 'probe', trigger: 'request', spec: { images } },
    world.env,
  )
  return execution.id
}

/** Until the listing has had all its tries, and its children have ended. */
async function settle(world: World) {
  for (let n = 0; n < 40; n++) {
    await world.deliver('fan-out')
    await world.deliver('probe-bulk')
    await world.clock.advance(5 * 60_000)
    await world.sweep()
  }
}

const read = (world: World, id: string) => readExecution(TENANT, id, world.env)
const repositoriesOf = async (world: World, id: string) => {
  const { jobs } = await listJobs({ tenant: TENANT, types: ['probe'], execution: id }, 90, undefined, world.env)
  return [...new Set(jobs.map(({ image }) => image.repository))].sort()
}
const four = Object.fromEntries(
  ['a', 'b', 'c', 'd'].map((name, n) => [name, { latest: digest(n), v1: digest(10 + n) }]),
)

describe('a repository that does not tell its tags', () => {
  it('is empty when the catalog names it and there is none: an abandoned push, or deleted a moment ago', async () => {
    const gone = new LongshoreError('image-not-found', 'no such repository')
    const world = createWorld({
      registry: failing(tagRegistry(four), (call, name) => (call === 'tags' && name === 'b' ? gone : undefined)),
    })
    const id = await begin(world, ['*:*'])
    await settle(world)
    expect(await read(world, id)).toMatchObject({ status: 'success', unresolved: 0 })
    expect(await repositoriesOf(world, id)).toEqual(['a', 'c', 'd'])
  })

  it('is told when it is forbidden, and found by the retry when it no longer is', async () => {
    let refused: LongshoreError | undefined = new LongshoreError('registry-unauthorized', 'no right to pull')
    const world = createWorld({
      registry: failing(tagRegistry(four), (call, name) => (call === 'tags' && name === 'b' ? refused : undefined)),
    })
    const id = await begin(world, ['*:*'])
    await settle(world)
    const first = await read(world, id)
    expect(first).toMatchObject({ status: 'error', unresolved: 1 })
    expect(first?.unresolvedItems).toEqual([
      { item: 'registry.example/b:*', code: 'registry-unauthorized', message: 'no right to pull' },
    ])
    expect(await repositoriesOf(world, id)).toEqual(['a', 'c', 'd'])
    refused = undefined
    await retryExecution(TENANT, id, 'failed', world.env)
    await settle(world)
    expect(await read(world, id)).toMatchObject({ status: 'success', unresolved: 0, counts: { success: 8, total: 8 } })
    expect(await repositoriesOf(world, id)).toEqual(['a', 'b', 'c', 'd'])
  })

  it('ends the listing when the registry is away: nothing behind it could be listed either', async () => {
    const away = new LongshoreError('registry-unavailable', 'answered 503')
    const world = createWorld({ registry: failing(tagRegistry(four), (call) => (call === 'tags' ? away : undefined)) })
    const id = await begin(world, ['*:*'])
    await settle(world)
    expect(await read(world, id)).toMatchObject({ status: 'error', error: { code: 'registry-unavailable' } })
  })
})

describe('a registry that is away', () => {
  it('hides no other of the same execution, and is listed again by a retry', async () => {
    let isAway = true
    const inner = tagRegistry(four)
    const away = new LongshoreError('registry-unavailable', 'has no address')
    const world = createWorld({
      registry: async (host) => {
        if (host === 'away.example' && isAway) throw away
        return inner(host)
      },
    })
    const id = await begin(world, ['away.example//*:v1', '*:latest'])
    await settle(world)
    const found = await read(world, id)
    expect(found).toMatchObject({ status: 'error', unresolved: 1, counts: { success: 4 } })
    expect(found?.unresolvedItems[0]).toMatchObject({ item: 'away.example/*:v1', code: 'registry-unavailable' })
    isAway = false
    await retryExecution(TENANT, id, 'failed', world.env)
    await settle(world)
    expect(await read(world, id)).toMatchObject({ status: 'success', unresolved: 0, counts: { success: 8 } })
  })
})

describe('a tag that fails each time', () => {
  const broken = (code: ErrorCode, only: () => string) => {
    const error = new LongshoreError(code, `answered 500 to "password=hunter2"`)
    return failing(tagRegistry({ app: tags(30) }), (call, _, tag) =>
      call === 'resolve' && tag === only() ? error : undefined,
    )
  }

  it('is left out by the last try of its page, without what the registry quoted, and all others get their jobs', async () => {
    const world = createWorld({ registry: broken('registry-unavailable', () => 'v0007') })
    const id = await begin(world, ['app'])
    await settle(world)
    const found = await read(world, id)
    expect(found).toMatchObject({ status: 'error', unresolved: 1, counts: { success: 29, total: 29 } })
    expect(found?.error).toBeUndefined()
    expect(found?.unresolvedItems[0]).toMatchObject({
      item: 'registry.example/app:v0007',
      code: 'registry-unavailable',
    })
    expect(JSON.stringify(found)).not.toContain('hunter2')
  })

  it('keeps its child as it is in a retry, and all others are retried', async () => {
    let bad = ''
    const world = createWorld({ registry: broken('registry-unavailable', () => bad) })
    world.runs[0] = async () => {
      throw new LongshoreError('layer-invalid', 'cut')
    }
    const id = await begin(world, ['app'])
    await settle(world)
    expect(await countChildren({ tenant: TENANT, id }, world.env)).toMatchObject({ error: 30, total: 30 })
    bad = 'v0007'
    world.runs[0] = async () => ({ result: {} })
    await retryExecution(TENANT, id, 'failed', world.env)
    await settle(world)
    expect(await countChildren({ tenant: TENANT, id }, world.env)).toMatchObject({ success: 29, error: 1, total: 30 })
    bad = ''
    await retryExecution(TENANT, id, 'failed', world.env)
    await settle(world)
    expect(await countChildren({ tenant: TENANT, id }, world.env)).toMatchObject({ success: 30, error: 0, total: 30 })
  })
})

describe('tags that were named in vain', () => {
  it('are all looked up again by a retry, also those of which no more than their number was kept', async () => {
    let refused: LongshoreError | undefined = new LongshoreError('registry-unauthorized', 'wrong password')
    const world = createWorld({
      registry: failing(tagRegistry({ app: tags(120) }), (call) => (call === 'resolve' ? refused : undefined)),
    })
    const id = await begin(world, ['app'])
    await settle(world)
    expect(await read(world, id)).toMatchObject({ status: 'error', unresolved: 120 })
    refused = undefined
    await retryExecution(TENANT, id, 'failed', world.env)
    await settle(world)
    expect(await read(world, id)).toMatchObject({
      status: 'success',
      unresolved: 0,
      counts: { success: 120, total: 120 },
    })
  })

  it('are counted once, however many retries ended before they were found', async () => {
    const away = new LongshoreError('registry-unavailable', 'answered 503')
    let isAway = false
    const world = createWorld({
      registry: failing(tagRegistry({ app: tags(3) }), (call) => (call === 'resolve' && isAway ? away : undefined)),
    })
    const id = await begin(world, ['app:v0000', 'app:v0001', 'app:missing1', 'app:missing2'])
    await settle(world)
    expect(await read(world, id)).toMatchObject({ status: 'error', unresolved: 2 })
    isAway = true
    await retryExecution(TENANT, id, 'unsuccessful', world.env)
    await settle(world)
    isAway = false
    await retryExecution(TENANT, id, 'unsuccessful', world.env)
    await settle(world)
    const found = await read(world, id)
    expect([found?.unresolved, found?.unresolvedItems.map(({ item }) => item.split(':')[1])]).toEqual([
      2,
      ['missing1', 'missing2'],
    ])
  })
})
