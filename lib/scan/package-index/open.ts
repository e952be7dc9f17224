/**
 * Asking the package index: base and segments together. The order of reading is what makes it whole: segments are listed
 * and read first, the pointer after them. A segment that is gone by then was merged, and the base that is read next has it.
 */
import type { BlobStore } from '../../blobs/port.ts'
import { LongshoreError } from '../../errors.ts'
import type { Store } from '../../store/port.ts'
import { decodeBase, EMPTY_BASE, entriesWith, type IndexBase } from './base.ts'
import { readPointer } from './pointer.ts'
import { listSegments, readSegments } from './segment.ts'

export interface PackageIndex {
  /** Digests of the images that have one of these keys, sorted. One or the other may have lost it since. */
  imagesWith(keys: Iterable<string>): string[]
  /** Digests of all images, sorted. */
  images(): string[]
  /** Ecosystems in it, sorted: those images are judged by. */
  ecosystems(): string[]
}

/** How often a base is gone by the time it is read: two merges must have come between. */
const TRIES = 3

/** A warm worker keeps the newest base of each tenant; a map of weak keys keeps no store alive. */
const warm = new WeakMap<BlobStore, Map<string, { key: string; base: IndexBase }>>()

export async function openPackageIndex(
  tenant: string,
  { blobs, store }: { blobs: BlobStore; store: Store },
): Promise<PackageIndex> {
  for (let n = 0; n < TRIES; n++) {
    const segments = await readSegments(blobs, await listSegments(blobs, tenant))
    const base = await loadBase(tenant, (await readPointer(store, tenant))?.key, blobs)
    if (!base) continue
    return {
      imagesWith(keys) {
        const wanted = new Set(keys)
        const found = new Set(entriesWith(base, wanted).map(({ digest }) => digest))
        for (const { digest, groups } of segments)
          if (groups.some((group) => group.keys.some((key) => wanted.has(key)))) found.add(digest)
        return [...found].sort()
      },
      images: () => [...new Set([...base.entries, ...segments].map(({ digest }) => digest))].sort(),
      ecosystems() {
        const all = [...base.keys, ...segments.flatMap(({ groups }) => groups.flatMap((group) => group.keys))]
        return [...new Set(all.filter((key) => key.endsWith('\n*')).map((key) => key.slice(0, -2)))].sort()
      },
    }
  }
  throw new LongshoreError(
    'store-throttled',
    `the package index of ${tenant} moved on ${TRIES} times while it was read`,
  )
}

/** Undefined when the blob is gone. */
export async function loadBase(
  tenant: string,
  key: string | undefined,
  blobs: BlobStore,
): Promise<IndexBase | undefined> {
  if (key === undefined) return EMPTY_BASE
  const kept = warm.get(blobs) ?? new Map<string, { key: string; base: IndexBase }>()
  warm.set(blobs, kept)
  const known = kept.get(tenant)
  if (known?.key === key) return known.base
  const content = await blobs.get(key)
  if (!content) return undefined
  const base = decodeBase(content)
  kept.set(tenant, { key, base })
  return base
}
