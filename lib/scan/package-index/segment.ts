/**
 * A segment: one image as it enters the package index, written once and never changed. It is found by listing; the
 * compactor merges segments into the base and deletes them then.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import type { BlobStore } from '../../blobs/port.ts'
import type { Clock } from '../../clock.ts'
import { stamp } from '../../job/keys.ts'
import type { IndexEntry } from './entry.ts'

export interface Segment extends IndexEntry {
  /** When it was published, milliseconds since the epoch. */
  at: number
}

const FOLDER = 'index/segments/'

/** An image of 20,000 packages has 2 MB of keys; a segment of ours is never larger. */
const SEGMENT_BYTES_MAX = 67_108_864
/** Segments read at once: one socket each. */
const IN_PARALLEL = 32

/** The time stands first, so that a listing gives the oldest first; and each is its own blob, so that none is overwritten. */
const segmentKey = (tenant: string, { digest, set, at }: Segment): string =>
  `${FOLDER}${tenant}/${stamp(at)}-${digest.replace(':', '-')}-${set}.json.gz`

/** Published twice, by a run that crashed and came again, an image is merged to one. */
export async function publishSegment(
  entry: IndexEntry,
  { blobs, clock, tenant }: { blobs: BlobStore; clock: Pick<Clock, 'now'>; tenant: string },
): Promise<void> {
  const segment: Segment = { ...entry, at: clock.now() }
  await blobs.put(segmentKey(tenant, segment), gzipSync(JSON.stringify(segment)), { contentType: 'application/gzip' })
}

/** Keys of a tenant's segments, the oldest first. */
export const listSegments = async (blobs: BlobStore, tenant: string): Promise<string[]> =>
  (await blobs.list(`${FOLDER}${tenant}/`)).map(({ key }) => key)

/** When the segment of a key was published. */
export const publishedAt = (key: string): number => Number(key.slice(key.lastIndexOf('/') + 1).slice(0, 13))

/** Tenants that have segments. */
export async function tenantsWithSegments(blobs: BlobStore): Promise<string[]> {
  const keys = await blobs.list(FOLDER)
  return [...new Set(keys.map(({ key }) => key.slice(FOLDER.length).split('/')[0] ?? ''))]
}

/** Those that are gone were merged since they were listed, and are left out. */
export async function readSegments(blobs: BlobStore, keys: readonly string[]): Promise<Segment[]> {
  const segments: Segment[] = []
  for (let from = 0; from < keys.length; from += IN_PARALLEL) {
    const contents = await Promise.all(keys.slice(from, from + IN_PARALLEL).map((key) => blobs.get(key)))
    for (const content of contents)
      if (content)
        segments.push(JSON.parse(gunzipSync(content, { maxOutputLength: SEGMENT_BYTES_MAX }).toString('utf8')))
  }
  return segments
}
