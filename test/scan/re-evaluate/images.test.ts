import { describe, expect, test } from 'vitest'
import { openAdvisories } from '../../../lib/advisories/open.ts'
import { handleDeadLetter } from '../../../lib/job/dead-letter.ts'
import { imageItemKey, imageItems } from '../../../lib/job/image-items.ts'
import { RE_EVALUATE } from '../../../lib/job/message.ts'
import { judgeImage } from '../../../lib/scan/images/judge.ts'
import { keepScan } from '../../../lib/scan/images/keep.ts'
import { ANALYZER_VERSION, type ImageInventory } from '../../../lib/scan/model.ts'
import { reEvaluate } from '../../../lib/scan/re-evaluate/images.ts'
import type { Store } from '../../../lib/store/port.ts'
import { record } from '../../advisories/dumps.ts'
import { type Fleet, fleetWorld } from './fleet.ts'
import type { Task } from './steps.ts'

const digest = (n: number) => `sha256:${String(n).padStart(64, '0')}`
const imageOf = (n: number, name: string, version: string): ImageInventory => ({
  analyzer: ANALYZER_VERSION,
  digest: digest(n),
  platform: 'linux/amd64',
  packages: [{ kind: 'npm', name, version, path: `${name}/package.json`, layer: digest(100 + n) }],
  layers: [{ digest: digest(200 + n), diffId: digest(100 + n) }],
  gaps: [],
  kind: 'image',
})

/** Images of `left`, `right` and `up`; advisories that know `left`, then another fix for it, then `right` as well. */
async function fleet(
  revisions: Fleet['revisions'] = [
    { npm: [record('GHSA-left', 'npm', 'left', '2.0.0')] },
    { npm: [record('GHSA-left', 'npm', 'left', '0.5.0')] },
    { npm: [record('GHSA-left', 'npm', 'left', '0.5.0'), record('GHSA-right', 'npm', 'right', '2.0.0')] },
  ],
) {
  const world = fleetWorld(
    {
      images: [imageOf(1, 'left', '1.0.0'), imageOf(2, 'right', '1.0.0'), imageOf(3, 'up', '1.0.0')],
      revisions,
    },
    { seed: 1, deathRate: 0 },
  )
  const ends = async (task: Task) => {
    while (await world.turns.step());
    expect(await task.ended).toBe(true)
  }
  await world.prepare()
  await ends(world.flip(0))
  for (const n of [0, 1, 2]) await ends(world.scan(n))
  await world.rest()
  world.events.received.length = 0
  return { world, ends }
}

describe('a new revision', () => {
  test('touches the images that hold what has changed, and no other', async () => {
    const { world, ends } = await fleet()
    const before = await Promise.all([0, 1, 2].map((n) => world.stored(n)))
    await ends(world.flip(1))
    await ends(world.tick())
    const message = await world.consume()
    await ends(message!)
    const after = await Promise.all([0, 1, 2].map((n) => world.stored(n)))
    expect(after[0]).not.toEqual(before[0])
    expect(after.slice(1)).toEqual(before.slice(1))
    expect(after[0]).toMatchObject({ summary: { Unknown: 0 }, scannedAt: before[0]!.scannedAt })
    expect(after[0]!.history).toHaveLength(2)
  })

  test('is told as an event of each image whose findings have changed', async () => {
    const { world, ends } = await fleet()
    await ends(world.flip(1))
    await world.rest()
    expect(world.events.received).toEqual([
      expect.objectContaining({
        type: 'image.findings.changed',
        subject: digest(1),
        tenant: 'main',
        data: expect.objectContaining({
          digest: digest(1),
          names: [world.nameOf(0)],
          counts: { new: 0, gone: 1, changed: 0 },
          gone: ['GHSA-left'],
          severity: 'None',
        }),
      }),
    ])
    await ends(world.flip(2))
    await world.rest()
    expect(world.events.received.slice(1)).toEqual([
      expect.objectContaining({ subject: digest(2), data: expect.objectContaining({ new: ['GHSA-right'] }) }),
    ])
  })

  test('is not undone by a scan that began before it', async () => {
    const { world, ends } = await fleet()
    const old = await openAdvisories(world.blobs)
    const inventory = imageOf(1, 'left', '1.0.0')
    const late = await judgeImage('registry.test/team/late:1', inventory, old, world.plain)
    await ends(world.flip(1))
    await world.rest()
    const before = (await world.stored(0))!
    await keepScan(late, inventory.digest, {
      ...world.plain,
      images: imageItems(world.plain, 'main'),
      tenant: 'main',
    })
    const after = (await world.stored(0))!
    expect(after).toMatchObject({ revision: before.revision, reportKey: before.reportKey, history: before.history })
    expect(Object.keys(after.names)).toContain('registry.test/team/late:1')
  })

  test('that comes and goes between two ticks leaves no verdict of its own behind', async () => {
    const left = (fixed: string) => ({ npm: [record('GHSA-left', 'npm', 'left', fixed)] })
    const { world, ends } = await fleet([left('2.0.0'), left('0.5.0'), left('9.0.0'), left('0.5.0')])
    await ends(world.flip(1))
    await ends(world.tick())
    // The pointer moves on before the image is judged, and back after it: no tick sees it there.
    await ends(world.flip(2))
    await ends((await world.consume())!)
    expect(await world.stored(0)).toMatchObject({ summary: { Unknown: 1 } })
    await ends(world.flip(3))
    await world.rest()
    expect(await world.stored(0)).toMatchObject({ summary: { Unknown: 0 } })
  })

  test('brings nobody back who was forgotten', async () => {
    const { world, ends } = await fleet()
    await ends(world.flip(1))
    await ends(world.tick())
    await world.store.delete(imageItemKey('main', digest(1)))
    await world.rest()
    expect(await world.stored(0)).toBeUndefined()
  })
})

describe('a message of many images', () => {
  const invocation = { remainingMs: () => 300_000, timeoutMs: 300_000 }
  const body = JSON.stringify({ tenant: 'main', digests: [digest(1), digest(2), digest(3)] })

  test('that comes twice writes nothing the second time', async () => {
    const { world, ends } = await fleet()
    await ends(world.flip(1))
    await ends(world.tick())
    const writes: string[] = []
    const store: Store = {
      ...world.store,
      update: (key, ...rest) => {
        writes.push(key.pk)
        return world.store.update(key, ...rest)
      },
    }
    expect(await reEvaluate(body, { ...world.plain, store }, invocation)).toBe('acknowledge')
    expect(writes.length).toBe(3)
    expect(await reEvaluate(body, { ...world.plain, store }, invocation)).toBe('acknowledge')
    expect(writes.length).toBe(3)
  })

  test('comes again for the one that failed', async () => {
    const { world, ends } = await fleet()
    await ends(world.flip(1))
    await ends(world.tick())
    let isDown = true
    const blobs = {
      ...world.blobs,
      put: async (key: string, ...rest: [string]) => {
        if (isDown && key.startsWith('reports/') && rest[0].includes('app1:')) throw new Error('the bucket is down')
        return world.blobs.put(key, ...rest)
      },
    }
    expect(await reEvaluate(body, { ...world.plain, blobs }, invocation)).toBe('return')
    expect((await world.stored(0))!.history).toHaveLength(2)
    expect((await world.stored(1))!.history).toHaveLength(1)
    isDown = false
    expect(await reEvaluate(body, { ...world.plain, blobs }, invocation)).toBe('acknowledge')
    expect((await world.stored(1))!.history).toHaveLength(2)
  })

  test('hands the rest on when its time is nearly used', async () => {
    const { world } = await fleet()
    const digests = Array.from({ length: 250 }, (_, n) => digest(1_000 + n))
    const late = { remainingMs: () => 10, timeoutMs: 300_000 }
    expect(await reEvaluate(JSON.stringify({ tenant: 'main', digests }), world.plain, late)).toBe('acknowledge')
    const [rest] = await world.plain.queue.receive(RE_EVALUATE, { max: 1, waitSeconds: 0 })
    expect(JSON.parse(rest!.body).digests).toEqual(digests.slice(100))
  })

  test('that died is sent again later, three times at most', async () => {
    const { world } = await fleet()
    let letter = body
    for (const delay of [60_000, 120_000]) {
      expect(await handleDeadLetter(letter, world.plain)).toBe('acknowledge')
      await world.clock.advance(delay)
      const [message] = await world.plain.queue.receive(RE_EVALUATE, { max: 1, waitSeconds: 0 })
      await world.plain.queue.remove(RE_EVALUATE, message!.receipt)
      letter = message!.body
    }
    expect(JSON.parse(letter)).toMatchObject({ deaths: 2, digests: [digest(1), digest(2), digest(3)] })
    expect(await handleDeadLetter(letter, world.plain)).toBe('acknowledge')
    await world.clock.advance(900_000)
    expect(await world.plain.queue.receive(RE_EVALUATE, { max: 1, waitSeconds: 0 })).toEqual([])
  })
})
