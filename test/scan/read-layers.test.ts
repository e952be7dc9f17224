import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { defaultLimits } from '../../lib/config.ts'
import { LongshoreError } from '../../lib/errors.ts'
import type { JobContext } from '../../lib/job/define.ts'
import { leasesOf } from '../../lib/job/leases.ts'
import { type BuiltImage, image, layer } from '../../lib/local/demo/build.ts'
import type { RegistryClient } from '../../lib/oci/types.ts'
import { loadLayer } from '../../lib/scan/inventories.ts'
import { ANALYZER_VERSION } from '../../lib/scan/model.ts'
import { readLayers } from '../../lib/scan/read-layers.ts'
import type { Store } from '../../lib/store/port.ts'
import { Ended, type ScanWorld, scanWorld } from './world.ts'

const npmLayer = (name: string) =>
  layer([{ path: `node_modules/${name}/package.json`, content: JSON.stringify({ name, version: '1.0.0' }) }])

describe('reading the layers of an image', () => {
  let world: ScanWorld
  beforeEach(async () => {
    world = await scanWorld()
  })
  afterEach(() => world.close())

  const read = async (built: BuiltImage, changes: Partial<JobContext> = {}, limits = defaultLimits) => {
    const digest = await world.push(built)
    world.registry.requests.length = 0
    const context = world.context(digest, changes)
    const wanted = built.layers.map(({ descriptor, diffId }) => ({ descriptor, diffId }))
    const client = await world.open(world.registry.host)
    const run = readLayers(wanted, client, 'team/app', context, limits)
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

  test('ends by a limit when what the layers tell is too much to hold, whether it is read or known', async () => {
    const crowded = (name: string) =>
      layer(
        Array.from({ length: 200 }, (_, n) => ({
          path: `${name}${n}/node_modules/a/package.json`,
          content: JSON.stringify({ name: 'a', version: '1.0.0' }),
        })),
      )
    const built = image({ layers: [crowded('x'), crowded('y'), crowded('z')] })
    const limits = { ...defaultLimits, layerInventoriesBytesMax: 150_000 }
    const tooMuch = { code: 'layer-too-large', message: expect.stringContaining('layerInventoriesBytesMax') }
    await expect((await read(built, {}, limits)).run).rejects.toMatchObject(tooMuch)
    expect((await (await read(built)).run).layers).toHaveLength(3)
    await expect((await read(built, {}, limits)).run).rejects.toMatchObject(tooMuch)
    // A layer that is there twice is held once.
    const [one] = built.layers
    await (await read(image({ layers: Array.from({ length: 9 }, () => one!) }), {}, limits)).run
  })

  test('ends at once when the job is stopped', async () => {
    const stop = new AbortController()
    const reason = new Error('stopped')
    stop.abort(reason)
    const { run } = await read(image({ layers: [npmLayer('a')] }), { signal: stop.signal })
    await expect(run).rejects.toBe(reason)
  })
})

describe('a layer that several scans need at once', () => {
  const base = npmLayer('base')
  let world: ScanWorld
  /** Resolves when somebody asks for a blob; the registry hears of it after `letGo`. */
  let asked: Promise<void>
  let tell: () => void
  let gate: Promise<void>
  let letGo: () => void
  beforeEach(async () => {
    asked = new Promise((resolve) => {
      tell = resolve
    })
    gate = new Promise((resolve) => {
      letGo = resolve
    })
    world = await scanWorld()
    await world.push(image({ layers: [base] }))
  })
  afterEach(async () => {
    letGo()
    await world.close()
  })

  /** One run of a job; how it ended. */
  const scan = async (jobId: string, layers = [base], changes: Partial<JobContext> = {}) => {
    const client = await world.open(world.registry.host)
    const gated: RegistryClient = Object.assign(Object.create(client), {
      blob: async (...args: Parameters<RegistryClient['blob']>) => {
        tell()
        await gate
        return client.blob(...args)
      },
    })
    const context = world.context('sha256:0', { jobId, ...changes })
    const wanted = layers.map(({ descriptor, diffId }) => ({ descriptor, diffId }))
    return readLayers(wanted, gated, 'team/app', context, defaultLimits).catch((thrown) =>
      thrown instanceof Ended ? (thrown.ending as object) : Promise.reject(thrown),
    )
  }
  const gets = () => world.registry.requests.filter(({ method, path }) => method === 'GET' && path.includes('/blobs/'))
  const leaseUntil = (until: number, jobId: string, now = Date.now()) =>
    leasesOf(
      { id: jobId, fence: 1, lease: until },
      { store: world.store, clock: { now: () => now }, workersDeadBefore: 0 },
    )

  test('is read once by ten of them: the others are put off, and find it then', async () => {
    const first = scan('first')
    await asked
    const others = Array.from({ length: 9 }, (_, n) => scan(`other${n}`))
    expect(await Promise.all(others)).toEqual(others.map(() => ({ snoozed: 5, checkpoint: expect.anything() })))
    letGo()
    expect(await first).toMatchObject({ reused: 0 })
    for (let n = 0; n < 9; n++) expect(await scan(`other${n}`)).toMatchObject({ reused: 1 })
    expect(gets()).toHaveLength(1)
  })

  test('is waited for only when all others are read: nobody holds one while waiting for another', async () => {
    const [mine, theirs] = [npmLayer('mine'), npmLayer('theirs')]
    await world.push(image({ layers: [base, mine, theirs] }))
    const held = leaseUntil(Date.now() + 60_000, 'holder')
    expect(await held.take(`${base.diffId}#${ANALYZER_VERSION}`)).toBeUndefined()
    letGo()
    expect(await scan('other', [base, mine, theirs])).toMatchObject({ snoozed: 5 })
    for (const { diffId } of [mine, theirs]) expect(await loadLayer(world.blobs, diffId)).toBeDefined()
    expect(await loadLayer(world.blobs, base.diffId)).toBeUndefined()
  })

  test('is taken over when its reader is dead', async () => {
    const past = Date.now() - 400_000
    await leaseUntil(past + 360_000, 'dead', past).take(`${base.diffId}#${ANALYZER_VERSION}`)
    letGo()
    expect(await scan('heir')).toMatchObject({ reused: 0 })
  })

  test('comes out the same when a reader who was taken for dead goes on', async () => {
    const first = scan('slow')
    await asked
    const later = Date.now() + 400_000
    const second = scan('heir', [base], { leases: leaseUntil(later + 60_000, 'heir', later) })
    letGo()
    const [slow, heir] = await Promise.all([first, second])
    expect(slow).toEqual(heir)
    expect(gets()).toHaveLength(2)
  })

  test('is free at once when its reader fails', async () => {
    const lie = { ...npmLayer('evil'), diffId: base.diffId }
    await world.push(image({ layers: [lie] }))
    letGo()
    await expect(scan('liar', [lie])).rejects.toMatchObject({ code: 'digest-mismatch' })
    expect(await scan('honest')).toMatchObject({ reused: 0 })
  })

  test('is read by who waited longer than a lease lasts, whoever holds it', async () => {
    await leaseUntil(Date.now() + 60_000, 'holder').take(`${base.diffId}#${ANALYZER_VERSION}`)
    letGo()
    const waits = defaultLimits.layerWaitsMax
    expect(await scan('other', [base], { checkpoint: { waits: waits - 1 } })).toMatchObject({
      snoozed: 5,
      checkpoint: { waits },
    })
    expect(await scan('other', [base], { checkpoint: { waits } })).toMatchObject({ reused: 0 })
  })

  test('costs one write, and a layer that is known none', async () => {
    letGo()
    const writes: string[] = []
    const store: Store = {
      ...world.store,
      update: (key, ...rest) => {
        writes.push(key.pk)
        return world.store.update(key, ...rest)
      },
    }
    const leases = leasesOf(
      { id: 'one', fence: 1, lease: Date.now() + 60_000 },
      { store, clock: { now: () => Date.now() }, workersDeadBefore: 0 },
    )
    await scan('one', [base], { leases })
    expect(writes).toEqual([`L#${base.diffId}#${ANALYZER_VERSION}`])
    await scan('one', [base], { leases })
    expect(writes).toHaveLength(1)
  })
})

describe('layers longer than a run of the worker', () => {
  const RUN_MS = 300_000
  let world: ScanWorld
  let slow: Set<string>
  let opened: number
  /** Asked whenever something has happened. */
  let look: () => void
  beforeEach(async () => {
    slow = new Set()
    look = () => {}
    // A slow registry as a run sees it: the layer does not end before the run does.
    world = await scanWorld({
      hooks: ({ method, path }) => {
        if (method !== 'GET' || !path.includes('/blobs/')) return undefined
        opened++
        setImmediate(() => look())
        return slow.has(path.split('/').at(-1) ?? '') ? { stallAfterBytes: 20 } : undefined
      },
    })
  })
  afterEach(() => world.close())

  /**
   * One run of an invocation of RUN_MS, of which so much is left; its time is over when all that is not slow was read and
   * so many layers were asked for. Tells how it ended.
   */
  const run = async (built: BuiltImage, asked: number, checkpoint: unknown = undefined, leftMs = RUN_MS) => {
    const digest = await world.push(built)
    opened = 0
    let now = 1_000_000
    const until = now + leftMs
    let over = () => {}
    const time = new Promise<void>((resolve) => {
      over = resolve
    })
    const quick = new Set(built.layers.map(({ descriptor }) => descriptor.digest).filter((digest) => !slow.has(digest)))
    look = () => {
      if (opened < asked || context.seen.items.done < quick.size) return
      now = until
      over()
    }
    const context = world.context(digest, {
      checkpoint: checkpoint as never,
      remainingMs: () => until - now,
      clock: { now: () => now, sleep: () => time },
      wholeRunMs: RUN_MS,
    })
    const { progress } = context
    context.progress = (update) => {
      progress(update)
      look()
    }
    const wanted = built.layers.map(({ descriptor, diffId }) => ({ descriptor, diffId }))
    const client = await world.open(world.registry.host)
    const thrown = await readLayers(wanted, client, 'team/app', context, defaultLimits).catch((error) => error)
    const ended = thrown instanceof Ended ? (thrown.ending as { handedOver: unknown }) : undefined
    return { thrown, handedOver: ended?.handedOver, read: opened }
  }

  test('what was read is kept, and the next run goes on with the others', async () => {
    const [a, b, big] = [npmLayer('a'), npmLayer('b'), npmLayer('big')]
    slow.add(big.descriptor.digest)
    const first = await run(image({ layers: [a, big, b] }), 3)
    expect(first).toMatchObject({ handedOver: { alone: false, shortRuns: 0 }, read: 3 })
    // The registry has recovered.
    slow.clear()
    const second = await run(image({ layers: [a, big, b] }), 99, first.handedOver)
    expect(second.thrown).toMatchObject({ reused: 2 })
    expect(second.read).toBe(1)
  })

  test('one that does not end in a whole run, alone, ends the job and is named with its bytes and the time', async () => {
    const [a, big] = [npmLayer('a'), npmLayer('big')]
    slow.add(big.descriptor.digest)
    const first = await run(image({ layers: [a, big] }), 2)
    const { thrown, read } = await run(image({ layers: [a, big] }), 1, first.handedOver)
    expect(thrown).toBeInstanceOf(LongshoreError)
    expect(thrown).toMatchObject({ code: 'layer-too-large', retryable: false })
    const { digest, size } = big.descriptor
    expect(thrown.message).toMatch(
      new RegExp(
        `^layer ${digest} does not fit into one run of the worker: \\d+ of its ${size} bytes were read in 300\\.0 s`,
      ),
    )
    expect(read).toBe(1)
  })

  test('after a run that finished none, the largest has the next one to itself', async () => {
    const [one, two] = [npmLayer('one'), npmLayer('a-longer-name-makes-a-larger-layer')]
    for (const { descriptor } of [one, two]) slow.add(descriptor.digest)
    const first = await run(image({ layers: [one, two] }), 2)
    expect(first).toMatchObject({ handedOver: { alone: true, shortRuns: 0 }, read: 2 })
    const second = await run(image({ layers: [one, two] }), 1, first.handedOver)
    expect(second.read).toBe(1)
    expect(second.thrown).toMatchObject({ code: 'layer-too-large' })
    const larger = two.descriptor.size > one.descriptor.size ? two : one
    expect(second.thrown.message).toContain(larger.descriptor.digest)
  })

  test('a run that began late proves nothing, but for the third', async () => {
    const big = npmLayer('big')
    slow.add(big.descriptor.digest)
    const first = await run(image({ layers: [big] }), 1, undefined, 60_000)
    expect(first.handedOver).toEqual({ alone: true, shortRuns: 1, waits: 0 })
    const second = await run(image({ layers: [big] }), 1, first.handedOver, 60_000)
    expect(second.handedOver).toEqual({ alone: true, shortRuns: 2, waits: 0 })
    const third = await run(image({ layers: [big] }), 1, second.handedOver, 60_000)
    expect(third.thrown).toMatchObject({ code: 'layer-too-large' })
  })
})
