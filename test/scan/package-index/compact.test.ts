import { describe, expect, test } from 'vitest'
import { memoryBlobs } from '../../../lib/blobs/memory.ts'
import type { BlobStore } from '../../../lib/blobs/port.ts'
import { defaultLimits } from '../../../lib/config.ts'
import { compact } from '../../../lib/scan/package-index/compact.ts'
import { openPackageIndex } from '../../../lib/scan/package-index/open.ts'
import { publishSegment } from '../../../lib/scan/package-index/segment.ts'
import { memoryStore } from '../../../lib/store/memory.ts'
import type { Store } from '../../../lib/store/port.ts'
import { virtualClock } from '../../queue/virtual-clock.ts'

const HOUR = 3_600_000

function indexWorld() {
  const clock = virtualClock(Date.UTC(2026, 10, 22, 12))
  const ports = {
    clock,
    store: memoryStore(),
    blobs: memoryBlobs() as BlobStore,
    limits: { ...defaultLimits, indexSegmentsMin: 1 },
  }
  const publish = (n: number) =>
    publishSegment(
      {
        digest: `sha256:${n}`,
        set: 's',
        groups: [{ id: String(n).padStart(32, '0'), keys: ['npm\na', `npm\n${n}`] }],
      },
      { blobs: ports.blobs, clock, tenant: 'main' },
    )
  const found = async (from: { blobs: BlobStore; store: Store } = ports) =>
    (await openPackageIndex('main', from)).imagesWith(['npm\na'])
  return { ...ports, ports, publish, found }
}

describe('merging the package index', () => {
  test('hides no image from who reads at the same time, whenever it happens', async () => {
    for (let moment = 0; moment < 8; moment++) {
      const { ports, publish, found } = indexWorld()
      await publish(1)
      await compact('main', ports)
      await publish(2)
      let calls = 0
      // The whole merge happens before the so many-th call of the reader.
      const interrupted =
        <Args extends unknown[], Answer>(call: (...args: Args) => Promise<Answer>) =>
        async (...args: Args) => {
          if (calls++ === moment) await compact('main', ports)
          return call(...args)
        }
      const blobs = { ...ports.blobs, get: interrupted(ports.blobs.get), list: interrupted(ports.blobs.list) }
      const store = { ...ports.store, get: interrupted(ports.store.get) }
      expect([moment, await found({ blobs, store })]).toEqual([moment, ['sha256:1', 'sha256:2']])
    }
  })

  test('by two at once loses nothing, and only one of them deletes', async () => {
    const { ports, publish, found, blobs } = indexWorld()
    await publish(1)
    await publish(2)
    const merged = await Promise.all([compact('main', ports), compact('main', ports)])
    expect(merged.filter((count) => count !== undefined)).toEqual([2])
    expect(await found()).toEqual(['sha256:1', 'sha256:2'])
    expect(await blobs.list('index/segments/')).toEqual([])
  })

  test('again, after a crash between the pointer and the deletion, changes nothing', async () => {
    const { ports, publish, found } = indexWorld()
    await publish(1)
    const blobs = {
      ...ports.blobs,
      delete: async () => {
        throw new Error('killed')
      },
    }
    await expect(compact('main', { ...ports, blobs })).rejects.toThrow('killed')
    expect(await compact('main', ports)).toBe(1)
    expect(await found()).toEqual(['sha256:1'])
  })

  test('keeps the base that a reader may still hold, and no older one', async () => {
    const { ports, publish, blobs } = indexWorld()
    for (let n = 0; n < 4; n++) {
      await publish(n)
      await compact('main', ports)
    }
    expect(await blobs.list('index/base/')).toHaveLength(2)
  })

  test('drops what no item names any more, but nothing whose item may still be on its way', async () => {
    const { ports, publish, found, clock } = indexWorld()
    await publish(1)
    await compact('main', ports)
    await clock.advance(25 * HOUR)
    await publish(2)
    // The first of these purges, and has only the old one in its base.
    await compact('main', ports)
    expect(await found()).toEqual(['sha256:2'])
    await clock.advance(24 * HOUR - ports.limits.indexGraceSeconds * 500)
    await publish(3)
    await compact('main', ports)
    expect(await found()).toEqual(['sha256:2', 'sha256:3'])
    await clock.advance(ports.limits.indexGraceSeconds * 500)
    await compact('main', ports)
    expect(await found()).toEqual(['sha256:3'])
  })

  test('waits until there is enough of it, or until it is old', async () => {
    const { ports, publish, clock } = indexWorld()
    const patient = { ...ports, limits: { ...defaultLimits, indexSegmentsMin: 3 } }
    await publish(1)
    await publish(2)
    expect(await compact('main', patient)).toBeUndefined()
    await clock.advance(defaultLimits.indexMergeSeconds * 1000)
    expect(await compact('main', patient)).toBe(2)
  })
})
