/**
 * What one run tells the next: counts, the rate it saw, and the uploads that are open. Which blobs are done is asked of
 * the target itself.
 */
import type { Json } from '../glossary.ts'
import { isDigest } from '../oci/digest.ts'
import type { SavedUpload } from '../oci/uploads-saved.ts'

const COUNTS = ['copied', 'mounted', 'bytes', 'sourceRequests', 'targetRequests', 'sent', 'rate', 'stuck'] as const

export interface Checkpoint extends Record<(typeof COUNTS)[number], number> {
  copied: number
  mounted: number
  /** Of the copied blobs. */
  bytes: number
  sourceRequests: number
  targetRequests: number
  /** Bytes sent to the target in all, those sent twice and those of open uploads too. */
  sent: number
  /** Bytes per second of the last run; 0: unknown. */
  rate: number
  /** Runs in a row that brought nothing. */
  stuck: number
  /** By the digest of the blob. */
  uploads: Map<string, SavedUpload>
}

/** Reads what a former run left. Counts that are missing or strange are 0; an upload that is, is begun anew. */
export function readCheckpoint(value: Json | undefined): Checkpoint {
  const fields = isObject(value) ? value : {}
  const counts = Object.fromEntries(COUNTS.map((name) => [name, count(fields[name])])) as Record<
    (typeof COUNTS)[number],
    number
  >
  const uploads = Array.isArray(fields.uploads) ? fields.uploads.flatMap(readUpload) : []
  return { ...counts, uploads: new Map(uploads) }
}

/** The same as JSON. Uploads beyond `bytesMax` are left out, those with the fewest bytes first. */
export function writeCheckpoint({ uploads, ...counts }: Checkpoint, bytesMax: number): Json {
  const kept: Json[] = []
  let size = 0
  for (const [digest, upload] of [...uploads].sort(([, a], [, b]) => b.offset - a.offset)) {
    const entry = { digest, ...upload }
    size += Buffer.byteLength(JSON.stringify(entry)) + 1
    if (size <= bytesMax) kept.push(entry)
  }
  return { ...counts, ...(kept.length > 0 && { uploads: kept }) }
}

/** Characters of a Location; docker-registry's, with its signed state, has about 600. */
const LOCATION_MAX = 4_096
const HASH = /^[A-Za-z0-9+/]{1,400}={0,2}$/

function readUpload(value: Json): [string, SavedUpload][] {
  if (!isObject(value)) return []
  const { digest, location, offset, hash, doubted } = value
  if (typeof digest !== 'string' || !isDigest(digest)) return []
  if (typeof location !== 'string' || location.length > LOCATION_MAX || !URL.canParse(location)) return []
  if (typeof offset !== 'number' || !Number.isSafeInteger(offset) || offset < 0) return []
  if (typeof hash !== 'string' || !HASH.test(hash)) return []
  const chunkBytesMin = count(value.chunkBytesMin)
  const upload = {
    location,
    offset,
    hash,
    restarts: count(value.restarts),
    ...(doubted === true && { doubted }),
    ...(chunkBytesMin > 0 && { chunkBytesMin }),
  }
  return [[digest, upload]]
}

const isObject = (value: Json | undefined): value is { [name: string]: Json | undefined } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const count = (found: Json | undefined): number =>
  typeof found === 'number' && Number.isSafeInteger(found) && found > 0 ? found : 0
