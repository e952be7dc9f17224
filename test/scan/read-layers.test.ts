import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { defaultLimits } from '../../lib/config.ts'
import { LongshoreError } from '../../lib/errors.ts'
import type { JobContext } from '../../lib/job/define.ts'
import { type BuiltImage, image, layer } from '../../lib/local/demo/build.ts'
import { loadLayer } from '../../lib/scan/inventories.ts'
import { readLayers } from '../../lib/scan/read-layers.ts'
import { Ended, type ScanWorld, scanWorld } from './world.ts'

const npmLayer = (name: string) =>
  layer([{ path: `node_modules/${name}/package.json`, content: JSON.stringify({ name, version: '1.0.0' }) }])

describe('reading the layers of an image', () => {
  let world: ScanWorld
  beforeEach(async () => {
    world = await scanWorld()
  })
  afterEach(() => world.close())

  const read = async (built: BuiltImage, changes: Partial<JobContext> = {}) => {
    const digest = await world.push(built)
    world.registry.requests.length = 0
    const context = world.context(digest, changes)
    const wanted = built.layers.map(({ descriptor, diffId }) => ({ descriptor, diffId }))
    const client = await world.open(world.registry.host)
    const run = readLayers(wanted, client, 'team/app', context, defaultLimits)
    return { context, run }
  }

  test('reads each layer once, in the order of the image, and never again', async () => {
    const [a, b] = [npmLayer('a'), npmLayer('b')]
    const first = await read(image({ layers: [a, b, a] }))
    const { layers, reused } = await first.run
    expect(layers.map((one) => one.packages[0]!.name)).toEqual(['a', 'b', 'a'])
    expect(reused).toBe(0)
    expect(world.count('blobs')).toBe(2)
    expect(first.context.seen).toMatchObject({ items: { done: 3, total: 3 } })
    expect(first.context.seen.bytes.done).toBe(first.context.seen.bytes.total)

    const second = await read(image({ layers: [a, npmLayer('c')] }))
    expect((await second.run).reused).toBe(1)
    expect(world.count('blobs')).toBe(1)
    expect(second.context.lines[0]).toMatch(/^layer sha256:\w+ reused: 1 packages in 1 entries$/)
    expect(second.context.lines[1]).toMatch(/^layer sha256:\w+ read: \d+ bytes in [\d.]+ s, 1 packages in 1 entries$/)
  })

  test('keeps nothing of a layer that is not what the config says', async () => {
    const honest = npmLayer('a')
    const lie = { ...npmLayer('evil'), diffId: `sha256:${'1'.repeat(64)}` }
    const { run } = await read(image({ layers: [lie] }))
    await expect(run).rejects.toMatchObject({ code: 'digest-mismatch' })
    expect(await loadLayer(world.blobs, lie.diffId)).toBeUndefined()
    await (await read(image({ layers: [honest] }))).run
    expect(await loadLayer(world.blobs, honest.diffId)).toMatchObject({ diffId: honest.diffId })
  })

  test('reads a layer anew when its stored inventory is damaged', async () => {
    const one = npmLayer('a')
    await (await read(image({ layers: [one] }))).run
    for (const { key } of await world.blobs.list('inventories/layers/')) await world.blobs.put(key, 'damaged')
    expect((await (await read(image({ layers: [one] }))).run).reused).toBe(0)
  })

  test('ends at once when the job is stopped', async () => {
    const stop = new AbortController()
    const reason = new Error('stopped')
    stop.abort(reason)
    const { run } = await read(image({ layers: [npmLayer('a')] }), { signal: stop.signal })
    await expect(run).rejects.toBe(reason)
  })

  test('hands over when the time is used, and gives up when no run gets a layer through', async () => {
    // The time of this run is used before the first byte arrives.
    const clock: JobContext['clock'] = { now: () => 0, sleep: async () => {} }
    const first = await read(image({ layers: [npmLayer('a')] }), { clock, remainingMs: () => 0 })
    const ended = await first.run.catch((error) => error)
    expect(ended).toBeInstanceOf(Ended)
    expect(ended.ending).toEqual({ handedOver: { stuck: 1 } })
    const second = await read(image({ layers: [npmLayer('a')] }), {
      clock,
      remainingMs: () => 0,
      checkpoint: { stuck: 1 },
    })
    const error = await second.run.catch((thrown) => thrown)
    expect(error).toBeInstanceOf(LongshoreError)
    expect(error).toMatchObject({ code: 'layer-too-large', retryable: false })
  })
})
