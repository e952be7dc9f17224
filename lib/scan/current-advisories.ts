/** The revision in use, kept warm. */
import { type Advisories, type AdvisoryDatabase, createAdvisories, openRevision } from '../advisories/open.ts'
import type { BlobStore } from '../blobs/port.ts'

/** A warm worker keeps the revision in memory, by the store it came from; a map of weak keys keeps no store alive. */
const warm = new WeakMap<BlobStore, Advisories>()

/**
 * The pointer is read anew at every `open`: one small read, and nothing that begins after an update uses the revision
 * before.
 */
export function currentAdvisories(blobs: BlobStore): Advisories {
  let advisories = warm.get(blobs)
  if (!advisories) {
    advisories = createAdvisories({ blobs, revalidateSeconds: 0 })
    warm.set(blobs, advisories)
  }
  return advisories
}

const opened = new WeakMap<BlobStore, { revision: string; database: Promise<AdvisoryDatabase> }>()

/** This revision and no other: for who must never go back to an older one. The last that was asked for stays in memory. */
export function revisionOf(blobs: BlobStore, revision: string): Promise<AdvisoryDatabase> {
  const known = opened.get(blobs)
  if (known?.revision === revision) return known.database
  const database = openRevision(blobs, revision)
  opened.set(blobs, { revision, database })
  // A failed opening is tried again by the next, not remembered.
  database.catch(() => opened.get(blobs)?.database === database && opened.delete(blobs))
  return database
}
