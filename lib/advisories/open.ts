/** Reading a revision: files are loaded when first needed, verified by digest, and kept as long as the database is. */
import { createHash } from 'node:crypto'
import type { BlobStore } from '../blobs/port.ts'
import { type Clock, systemClock } from '../clock.ts'
import { LongshoreError } from '../errors.ts'
import { baseEcosystem, fileEcosystem, normalName } from './ecosystem.ts'
import { IndexFile } from './index-file.ts'
import {
  type AdvisoryDetails,
  type AdvisoryMatch,
  CURRENT_KEY,
  fileKey,
  REVISION_FORMATS_READ,
  type RevisionFile,
  type RevisionManifest,
  readMatches,
  revisionKey,
} from './model.ts'

/** One revision. Immutable: two lookups of one database never mix revisions. */
export interface AdvisoryDatabase {
  readonly revision: string
  /** The newest change of the data in it, ISO 8601. */
  readonly createdAt: string
  readonly sources: readonly { ecosystem: string; modified: string }[]
  /** See `RevisionManifest`. */
  readonly onlyFor?: string
  /** Whether the revision was built from data of this ecosystem and release (`Debian:12`, `npm`). */
  covers(ecosystem: string): boolean
  /** Every record about a package, by the name of its ecosystem (for OS packages: the source package). */
  lookup(ecosystem: string, name: string): Promise<AdvisoryMatch[]>
  /** What a finding shows about a record that `lookup` returned for this ecosystem. */
  details(ecosystem: string, id: string): Promise<AdvisoryDetails | undefined>
}

function parseJson<T>(bytes: Uint8Array, key: string): T {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as T
  } catch (cause) {
    throw new LongshoreError('advisories-invalid', `${key} is not JSON; build the advisories again`, { cause })
  }
}

/** What the pointer names, undefined before the first build. One read: who only asks whether it moved asks this. */
export async function pointedRevision(blobs: BlobStore): Promise<string | undefined> {
  const bytes = await blobs.get(CURRENT_KEY)
  return bytes ? parseJson<{ revision?: string }>(bytes, CURRENT_KEY).revision : undefined
}

/** The revision that is current now. Throws `advisories-missing` when none was built yet. */
async function currentRevision(blobs: BlobStore): Promise<string> {
  const revision = await pointedRevision(blobs)
  if (!revision)
    throw new LongshoreError(
      'advisories-missing',
      'No advisory revision has been built yet; run "longshore advisories update" or wait for the first one',
    )
  return revision
}

/** Throws `advisories-missing` when the revision is gone or has another format. */
export async function readManifest(blobs: BlobStore, revision: string): Promise<RevisionManifest> {
  const key = revisionKey(revision)
  const bytes = await blobs.get(key)
  if (!bytes) throw new LongshoreError('advisories-missing', `${key} is gone; build the advisories again`)
  const manifest = parseJson<RevisionManifest>(bytes, key)
  if (!REVISION_FORMATS_READ.includes(manifest.format))
    throw new LongshoreError(
      'advisories-missing',
      `The advisory revision ${revision} has format ${manifest.format}, this version reads ${REVISION_FORMATS_READ.join(' and ')}; build the advisories again`,
    )
  return manifest
}

/** Of one revision; an SBOM may name any release of a distribution. */
const ASKED_MAX = 1_000

/** One revision by its name, whether it is the current one or not. Throws `advisories-missing` when it is gone. */
export async function openRevision(blobs: BlobStore, revision: string): Promise<AdvisoryDatabase> {
  const manifest = await readManifest(blobs, revision)
  const files = new Map(manifest.files.map((file) => [`${file.kind} ${file.ecosystem}`, file]))
  const bases = new Set(manifest.sources.map(({ ecosystem }) => ecosystem))
  const opened = new Map<string, Promise<IndexFile | undefined>>()

  async function load(file: RevisionFile): Promise<IndexFile> {
    const content = await blobs.get(fileKey(file.sha256))
    if (!content)
      throw new LongshoreError('advisories-missing', `${fileKey(file.sha256)} is gone; build the advisories again`)
    if (createHash('sha256').update(content).digest('hex') !== file.sha256)
      throw new LongshoreError(
        'advisories-invalid',
        `${fileKey(file.sha256)} does not match its digest; build the advisories again`,
      )
    return new IndexFile(content)
  }

  function index(kind: RevisionFile['kind'], ecosystem: string): Promise<IndexFile | undefined> {
    const name = `${kind} ${ecosystem}`
    let found = opened.get(name)
    if (!found) {
      const file = files.get(name)
      if (!file) return Promise.resolve(undefined)
      found = load(file)
      opened.set(name, found)
      // A failed load is tried again by the next reader, not remembered.
      found.catch(() => opened.delete(name))
    }
    return found
  }

  /** Ecosystems as they are asked for, thousands of times for an image. */
  const asked = new Map<string, { file: string; index: IndexFile | undefined }>()
  async function ask(ecosystem: string) {
    const file = fileEcosystem(ecosystem)
    const answer = { file, index: await index('match', file) }
    if (asked.size >= ASKED_MAX) asked.clear()
    asked.set(ecosystem, answer)
    return answer
  }

  return {
    revision: manifest.revision,
    createdAt: manifest.createdAt,
    ...(manifest.onlyFor === undefined ? {} : { onlyFor: manifest.onlyFor }),
    sources: manifest.sources,
    covers(ecosystem) {
      const name = fileEcosystem(ecosystem)
      const base = baseEcosystem(name)
      return bases.has(base) && (name === base || files.has(`match ${name}`))
    },
    async lookup(ecosystem, name) {
      const { file, index } = asked.get(ecosystem) ?? (await ask(ecosystem))
      const value = index?.get(normalName(file, name))
      return value === undefined ? [] : readMatches(value)
    },
    async details(ecosystem, id) {
      const value = (await index('details', baseEcosystem(ecosystem)))?.get(id)
      return value === undefined ? undefined : (JSON.parse(value) as AdvisoryDetails)
    },
  }
}

/** The current revision, opened for one use; a warm worker keeps it with `createAdvisories`. Throws `advisories-missing`. */
export async function openAdvisories(blobs: BlobStore): Promise<AdvisoryDatabase> {
  return openRevision(blobs, await currentRevision(blobs))
}

export interface Advisories {
  /** The current revision; between two looks at the pointer the one already in memory. */
  open(): Promise<AdvisoryDatabase>
}

/**
 * Keeps one revision in memory across scans of a warm worker. The pointer is read again at most every
 * `revalidateSeconds`; while it does not move, nothing else is read. When the pointer cannot be read, the revision in
 * memory goes on serving: stale data is told in the report, a scan never fails for it.
 */
export function createAdvisories(options: { blobs: BlobStore; revalidateSeconds: number; clock?: Clock }): Advisories {
  const { blobs, revalidateSeconds, clock = systemClock } = options
  let current: AdvisoryDatabase | undefined
  let checkedAt = Number.NEGATIVE_INFINITY
  let pending: Promise<AdvisoryDatabase> | undefined

  async function revalidate(): Promise<AdvisoryDatabase> {
    const now = clock.now()
    try {
      const revision = await currentRevision(blobs)
      if (current?.revision !== revision) current = await openRevision(blobs, revision)
    } catch (error) {
      if (!current) throw error
    }
    checkedAt = now
    return current
  }

  return {
    async open() {
      if (current && clock.now() - checkedAt < revalidateSeconds * 1000) return current
      // Scans that start together share one read.
      pending ??= revalidate().finally(() => {
        pending = undefined
      })
      return pending
    },
  }
}
