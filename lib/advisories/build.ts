/**
 * OSV records in, one revision out: a match file per ecosystem and release, a details file per ecosystem, a manifest,
 * and last of all the pointer. Everything before the pointer is content-addressed, so a build that breaks half-way or
 * runs twice changes nothing a reader can see. Equal input gives an equal revision. All records are read first, one
 * archive at a time, then the files are made, one ecosystem at a time: memory is that of the largest, not of all.
 */
import { createHash } from 'node:crypto'
import type { BlobStore } from '../blobs/port.ts'
import { type Clock, systemClock } from '../clock.ts'
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { writeChangedKeys } from './changes.ts'
import { baseEcosystem } from './ecosystem.ts'
import { enrichmentOf } from './enrichment-address.ts'
import { filesOf } from './files.ts'
import { Intake } from './intake.ts'
import { CveJoin } from './join.ts'
import { SourceMemory } from './memory.ts'
import {
  CURRENT_KEY,
  fileKey,
  REVISION_FORMAT,
  type RevisionFile,
  type RevisionManifest,
  revisionKey,
} from './model.ts'
import { pointedRevision } from './open.ts'
import { readArchive } from './read-archive.ts'
import { retireRevisions } from './retire.ts'
import type { AdvisorySource } from './source.ts'
import { Spool } from './spool.ts'

export interface BuildOptions {
  source: AdvisorySource
  blobs: BlobStore
  /** Directory or addresses with KEV, CVSS and EPSS files (LONGSHORE_ENRICHMENT). */
  enrichment?: string
  limits: Limits
  /** See `RevisionManifest`. */
  onlyFor?: string
  /** Dates after its now are upstream typos and do not date the revision. */
  clock?: Clock
  log?: (line: string) => void
}

export interface BuildResult {
  revision: string
  /** Records in the revision, withdrawn ones not counted. */
  records: number
  ecosystems: string[]
  skipped: {
    /** Records that could not be read. */
    count: number
    /** The first of them, each a sentence with its archive and member. */
    examples: string[]
  }
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Leaves the difference to the revision in use beside the new one. Who needs it can also compute it: no reason to fail. */
async function tellChanges(blobs: BlobStore, revision: string, log: (line: string) => void): Promise<void> {
  try {
    const before = await pointedRevision(blobs)
    if (before === undefined || before === revision) return
    const changed = await writeChangedKeys(blobs, before, revision)
    log(`${changed} packages are told otherwise than by revision ${before}`)
  } catch (error) {
    log(`revision ${revision} was not compared to the one before: ${error instanceof Error ? error.message : error}`)
  }
}

/** What is deleted another day costs storage, not this build its result. */
async function retire(blobs: BlobStore, asked: Parameters<typeof retireRevisions>[1], log: (line: string) => void) {
  try {
    const count = await retireRevisions(blobs, asked)
    if (count > 0) log(`${count} files of revisions that were replaced long ago were deleted`)
  } catch (error) {
    log(`old revisions were not deleted: ${error instanceof Error ? error.message : error}`)
  }
}

/** Dates a source whose records carry no date at all. */
const UNDATED = new Date(0).toISOString()
const iso = (time: number | undefined): string => (time === undefined ? UNDATED : new Date(time).toISOString())

/**
 * Builds a revision and makes it current. Bad records are counted and named, not fatal. Throws `advisories-invalid`
 * when an archive is damaged or no record is left; the pointer then still names the revision before.
 */
export async function buildRevision(options: BuildOptions): Promise<BuildResult> {
  const { source, blobs, limits, clock = systemClock, log = () => {} } = options
  using spool = new Spool()
  const intake = new Intake(spool, clock.now())
  const enrichment = await enrichmentOf(options.enrichment, { blobs, limits, clock, log })
  const join = new CveJoin(enrichment, intake.counts)
  using memory = new SourceMemory(source, blobs, log)
  const ecosystems = await source.ecosystems()
  for (const ecosystem of ecosystems) {
    let read = 0
    for await (const { where, prepared, problem } of readArchive({ source, ecosystem, memory, limits, log })) {
      if (problem !== undefined) {
        intake.skip(where, { problem })
        continue
      }
      memory.keep(ecosystem, prepared)
      const sequence = intake.add(ecosystem, prepared)
      if (sequence !== undefined) join.add(prepared.record, sequence)
      read++
    }
    log(`${ecosystem}: ${read} records read`)
  }
  const { skipped } = intake
  const records = intake.size()
  for (const example of skipped.examples) log(`skipped ${example}`)
  if (records === 0)
    throw new LongshoreError(
      'advisories-invalid',
      `${source.name} gave no usable advisory record (${skipped.count} could not be read); the current revision stays`,
    )
  const files: RevisionFile[] = []
  for (const ecosystem of intake.ecosystems())
    for (const [file, bytes] of filesOf(ecosystem, intake.take(ecosystem), join)) {
      await blobs.put(fileKey(file.sha256), bytes, { contentType: 'application/octet-stream' })
      files.push(file)
    }
  files.sort((a, b) => byText(a.kind, b.kind) || byText(a.ecosystem, b.ecosystem))
  const bases = [...new Set(ecosystems.map(baseEcosystem))]
  const newest = Math.max(...bases.map((base) => intake.newest.get(base) ?? 0))
  const content: Omit<RevisionManifest, 'revision'> = {
    format: REVISION_FORMAT,
    createdAt: iso(newest),
    sources: bases.map((base) => ({ ecosystem: base, modified: iso(intake.newest.get(base)) })),
    records,
    files,
  }
  // The date in front lets people and prefix listings see which revision is newer.
  const digest = createHash('sha256').update(JSON.stringify(content)).digest('hex')
  const revision = `${content.createdAt.slice(0, 10).replaceAll('-', '')}-${digest.slice(0, 16)}`
  const { onlyFor } = options
  const manifest: RevisionManifest = { ...content, revision, ...(onlyFor === undefined ? {} : { onlyFor }) }
  await blobs.put(revisionKey(revision), JSON.stringify(manifest), { contentType: 'application/json' })
  await tellChanges(blobs, revision, log)
  await blobs.put(CURRENT_KEY, JSON.stringify({ revision }), { contentType: 'application/json' })
  await memory.save()
  await retire(blobs, { current: revision, now: clock.now(), limits }, log)
  log(`revision ${revision}: ${records} records, ${files.length} files, ${skipped.count} records skipped`)
  return { revision, records, ecosystems: bases, skipped }
}
