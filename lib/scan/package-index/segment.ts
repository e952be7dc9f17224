/**
 * A segment: one image as it goes into the package index, written once and never changed. It is found by listing; the
 * compactor merges segments into the base and deletes them then.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import type { BlobStore } from '../../blobs/port.ts'
import type { Clock } from '../../clock.ts'
import type { IndexEntry } from './entry.ts'

export interface Segment extends IndexEntry {
  /** When it was published, milliseconds since the epoch. */
  at: number
}

const FOLDER = 'index/segments/'

/** An image of 20,000 packages has 2 MB of keys; a segment of ours is never larger. */
const SEGMENT_BYTES_MAX = 67_108_864

export const segmentPrefix = (tenant: string): string => `${FOLDER}${tenant}/`

const segmentKey = (tenant: string, { digest, set }: IndexEntry): string =>
  `${segmentPrefix(tenant)}${digest.replace(':', '-')}-${set}.json.gz`

/** Published twice it is the same segment, with the later time. */
export async function publishSegment(
  entry: IndexEntry,
  { blobs, clock, tenant }: { blobs: BlobStore; clock: Pick<Clock, 'now'>; tenant: string },
): Promise<void> {
  const segment: Segment = { ...entry, at: clock.now() }
  await blobs.put(segmentKey(tenant, entry), gzipSync(JSON.stringify(segment)), { contentType: 'application/gzip' })
}

/** Undefined when it is gone: then it was merged. A damaged one throws: what is lost would be lost unseen. */
export async function readSegment(blobs: BlobStore, key: string): Promise<Segment | undefined> {
  const bytes = await blobs.get(key)
  if (!bytes) return undefined
  return JSON.parse(gunzipSync(bytes, { maxOutputLength: SEGMENT_BYTES_MAX }).toString('utf8')) as Segment
}

/** Tenants that have segments. */
export async function tenantsWithSegments(blobs: BlobStore): Promise<string[]> {
  const keys = await blobs.list(FOLDER)
  return [...new Set(keys.map(({ key }) => key.slice(FOLDER.length).split('/')[0] ?? ''))]
}
