/**
 * The compactor: merges segments into a new base, moves the pointer, deletes what was merged, in this order. A crash
 * before the pointer moved leaves a file that nobody reads, one after it leaves segments that are merged again and change
 * nothing. Two at once do no harm either: the pointer takes one of them, and only the winner deletes.
 */
import { createHash } from 'node:crypto'
import type { BlobStore } from '../../blobs/port.ts'
import type { Clock } from '../../clock.ts'
import type { Limits } from '../../config.ts'
import { digestOfKey, imageItemKey, seenImage } from '../../job/image-items.ts'
import type { Store } from '../../store/port.ts'
import { recordOf } from '../images/record.ts'
import { type BaseEntry, encodeBase, type IndexBase, mergeIndex } from './base.ts'
import { loadBase } from './open.ts'
import { baseKey, basePrefix, generationOf, type IndexPointer, movePointer, readPointer } from './pointer.ts'
import { listSegments, publishedAt, readSegments } from './segment.ts'

export interface CompactorPorts {
  blobs: BlobStore
  store: Store
  clock: Pick<Clock, 'now'>
  limits: Limits
}

/** How many segments were merged; undefined when it was not the time or another was faster. */
export async function compact(tenant: string, ports: CompactorPorts): Promise<number | undefined> {
  const { blobs, store, clock, limits } = ports
  const keys = (await listSegments(blobs, tenant)).slice(0, limits.indexSegmentsMax)
  const seen = await readPointer(store, tenant)
  const now = clock.now()
  const purges = seen !== undefined && now - seen.purgedAt >= limits.indexPurgeHours * 3_600_000
  if (!purges && !isTime(keys, seen, now, limits)) return undefined
  const segments = await readSegments(blobs, keys)
  const base = await loadBase(tenant, seen?.key, blobs)
  // Two merges have come since the pointer was read.
  if (!base) return undefined
  const gone = purges ? await forgotten(tenant, base, ports) : new Set<BaseEntry>()
  const merged = mergeIndex(base, segments, (entry) => !gone.has(entry))
  const content = encodeBase(merged)
  const next: IndexPointer = {
    generation: (seen?.generation ?? 0) + 1,
    key: '',
    mergedAt: now,
    purgedAt: purges || !seen ? now : seen.purgedAt,
    entries: merged.entries.length,
  }
  // Of its content: a compactor of the same generation that made the same file made the same file.
  next.key = baseKey(tenant, next.generation, createHash('sha256').update(content).digest('hex').slice(0, 16))
  await blobs.put(next.key, content, { contentType: 'application/gzip' })
  if (!(await movePointer(store, tenant, next, seen))) return undefined
  for (const key of keys) await blobs.delete(key)
  // Who read the pointer before it moved still reads the base before; a later one may be another compactor's.
  for (const { key } of await blobs.list(basePrefix(tenant)))
    if (generationOf(key) < next.generation - 1) await blobs.delete(key)
  return keys.length
}

function isTime(keys: readonly string[], seen: IndexPointer | undefined, now: number, limits: Limits): boolean {
  const [oldest] = keys
  if (oldest === undefined) return false
  if (keys.length >= Math.max(limits.indexSegmentsMin, (seen?.entries ?? 0) / 100)) return true
  return now - publishedAt(oldest) >= limits.indexMergeSeconds * 1000
}

/**
 * Entries that no item names any more: the image was deleted or has expired, or holds something else now. One that was
 * published a moment ago is never among them, since its item is written after it.
 */
async function forgotten(
  tenant: string,
  { entries }: IndexBase,
  { store, clock, limits }: CompactorPorts,
): Promise<Set<BaseEntry>> {
  const now = clock.now()
  const old = entries.filter(({ at }) => now - at >= limits.indexGraceSeconds * 1000)
  const digests = [...new Set(old.map(({ digest }) => digest))]
  const sets = new Map<string, string>()
  for (let from = 0; from < digests.length; from += 1_000) {
    const items = await store.getMany(digests.slice(from, from + 1_000).map((digest) => imageItemKey(tenant, digest)))
    for (const item of items) {
      const record = recordOf(seenImage(item, now).fields)
      if (record) sets.set(digestOfKey(item), record.set)
    }
  }
  return new Set(old.filter(({ digest, set }) => sets.get(digest) !== set))
}
