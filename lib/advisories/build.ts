/**
 * OSV records in, one revision out: a match file per ecosystem and release, a details file per ecosystem, a manifest,
 * and last of all the pointer. Everything before the pointer is content-addressed, so a build that breaks half-way or
 * runs twice changes nothing a reader can see. Equal input gives an equal revision.
 */
import { createHash } from 'node:crypto'
import type { BlobStore } from '../blobs/port.ts'
import { type Clock, systemClock } from '../clock.ts'
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { writeChangedKeys } from './changes.ts'
import { baseEcosystem, fileEcosystem, normalName } from './ecosystem.ts'
import { type Enrichment, NO_ENRICHMENT, readEnrichment } from './enrichment.ts'
import { contentHash, encodeHashes } from './hashes.ts'
import { encodeIndex } from './index-file.ts'
import { CveJoin } from './join.ts'
import {
  type AdvisoryMatch,
  CURRENT_KEY,
  fileKey,
  REVISION_FORMAT,
  type RevisionFile,
  type RevisionManifest,
  revisionKey,
  writeMatch,
} from './model.ts'
import { pointedRevision } from './open.ts'
import { type OsvProblem, type OsvRecord, readOsvRecord } from './osv.ts'
import type { AdvisorySource } from './source.ts'

export interface BuildOptions {
  source: AdvisorySource
  blobs: BlobStore
  /** Directory with KEV and CVSS files (LONGSHORE_ENRICHMENT). */
  enrichment?: string
  limits: Limits
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

/** Sentences kept about bad records; the rest is counted. */
const EXAMPLES_MAX = 20

/** A record ready to be written; the parsed document is not kept. */
interface Kept {
  record: OsvRecord
  /** [file ecosystem, normalised name, match as JSON] */
  matches: [ecosystem: string, name: string, json: string][]
}

function matchesOf(record: OsvRecord): Kept['matches'] {
  const byPackage = new Map<string, { ecosystem: string; name: string; match: AdvisoryMatch }>()
  for (const affected of record.affected) {
    const ecosystem = fileEcosystem(affected.ecosystem)
    const name = normalName(ecosystem, affected.name)
    const key = `${ecosystem}\n${name}`
    let found = byPackage.get(key)
    if (!found) {
      found = { ecosystem, name, match: { id: record.id, ranges: [], versions: [] } }
      byPackage.set(key, found)
    }
    for (const { type, events } of affected.ranges) found.match.ranges.push({ semver: type === 'SEMVER', events })
    found.match.versions.push(...affected.versions.filter((version) => !version.includes('\n')))
  }
  return [...byPackage.values()]
    .filter(({ match }) => match.ranges.length > 0 || match.versions.length > 0)
    .map(({ ecosystem, name, match }) => [ecosystem, name, writeMatch(match)])
}

/** Reads everything; newest `modified` wins where an id comes several times, then the one that came first. */
class Collector {
  readonly kept = new Map<string, Kept>()
  readonly modified = new Map<string, number>()
  readonly skipped: BuildResult['skipped'] = { count: 0, examples: [] }
  readonly #limits: Limits
  readonly #now: number

  constructor(limits: Limits, now: number) {
    this.#limits = limits
    this.#now = now
  }

  skip(where: string, problem: string): void {
    this.skipped.count++
    if (this.skipped.examples.length < EXAMPLES_MAX) this.skipped.examples.push(`${where} ${problem}`)
  }

  #read(bytes: Buffer): OsvRecord | OsvProblem {
    let document: unknown
    try {
      document = JSON.parse(bytes.toString('utf8'))
    } catch {
      return { problem: 'is not JSON' }
    }
    return readOsvRecord(document, this.#limits.advisoryEventsMax)
  }

  add(ecosystem: string, member: string, bytes: Buffer): void {
    const where = `${ecosystem}/all.zip: ${member.slice(0, 200)}`
    const record = this.#read(bytes)
    if ('problem' in record) {
      this.skip(where, record.problem)
      return
    }
    const base = baseEcosystem(ecosystem)
    const dated = record.modified ?? record.published
    if (dated !== undefined && dated <= this.#now) {
      const newest = this.modified.get(base)
      if (newest === undefined || dated > newest) this.modified.set(base, dated)
    }
    const known = this.kept.get(record.id)
    if (known && (known.record.modified ?? 0) >= (record.modified ?? 0)) return
    this.kept.set(record.id, {
      record: { ...record, affected: [] },
      matches: record.withdrawn ? [] : matchesOf(record),
    })
  }
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function nested<K, V>(map: Map<string, Map<K, V>>, key: string): Map<K, V> {
  let inner = map.get(key)
  if (!inner) {
    inner = new Map()
    map.set(key, inner)
  }
  return inner
}

/** The index files of what was collected, in the order they are listed in the manifest. */
function* encodeFiles(kept: Map<string, Kept>, enrichment: Enrichment): Generator<[RevisionFile, Buffer]> {
  const matches = new Map<string, Map<string, string[]>>()
  const details = new Map<string, Map<string, string>>()
  const hashes = new Map<string, Map<string, string>>()
  const join = new CveJoin(enrichment)
  const live = [...kept.values()].filter((entry) => entry.matches.length > 0)
  live.sort((a, b) => byText(a.record.id, b.record.id))
  for (const { record } of live) join.add(record)
  for (const { record, matches: found } of live) {
    const text = JSON.stringify(join.details(record))
    const shown = contentHash(text)
    for (const [ecosystem, name, json] of found) {
      const names = nested(matches, ecosystem)
      const values = names.get(name)
      if (values) values.push(json)
      else names.set(name, [json])
      nested(details, baseEcosystem(ecosystem)).set(record.id, text)
      const shownOf = nested(hashes, ecosystem)
      shownOf.set(name, (shownOf.get(name) ?? '') + shown)
    }
  }
  const file = (kind: RevisionFile['kind'], ecosystem: string, keys: number, bytes: Buffer): [RevisionFile, Buffer] => {
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    return [{ kind, ecosystem, sha256, bytes: bytes.length, keys }, bytes]
  }
  for (const [ecosystem, names] of [...matches].sort((a, b) => byText(a[0], b[0]))) {
    const entries = [...names].map(([name, values]): [string, string] => [name, `[${values.join(',')}]`])
    yield file('match', ecosystem, names.size, encodeIndex(entries))
    const shown = hashes.get(ecosystem)!
    const hashed = entries.map(([name, value]): [string, string] => [name, contentHash(value + shown.get(name)!)])
    yield file('hashes', ecosystem, names.size, encodeHashes(hashed))
  }
  for (const [ecosystem, entries] of [...details].sort((a, b) => byText(a[0], b[0])))
    yield file('details', ecosystem, entries.size, encodeIndex(entries))
}

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

/** Dates a source whose records carry no date at all. */
const UNDATED = new Date(0).toISOString()
const iso = (time: number | undefined): string => (time === undefined ? UNDATED : new Date(time).toISOString())

/**
 * Builds a revision and makes it current. Bad records are counted and named, not fatal. Throws `advisories-invalid`
 * when an archive is damaged or no record is left; the pointer then still names the revision before.
 */
export async function buildRevision(options: BuildOptions): Promise<BuildResult> {
  const { source, blobs, limits, clock = systemClock, log = () => {} } = options
  const collector = new Collector(limits, clock.now())
  const ecosystems = await source.ecosystems()
  for (const ecosystem of ecosystems) {
    const before = collector.kept.size
    for await (const { name, bytes } of source.records(ecosystem))
      if (name.endsWith('.json')) collector.add(ecosystem, name, bytes)
    log(`${ecosystem}: ${collector.kept.size - before} records read`)
  }
  const { kept, skipped } = collector
  const records = [...kept.values()].filter((entry) => entry.matches.length > 0).length
  for (const example of skipped.examples) log(`skipped ${example}`)
  if (records === 0)
    throw new LongshoreError(
      'advisories-invalid',
      `${source.name} gave no usable advisory record (${skipped.count} could not be read); the current revision stays`,
    )
  const enrichment = options.enrichment ? await readEnrichment(options.enrichment, limits) : NO_ENRICHMENT
  const files: RevisionFile[] = []
  for (const [file, bytes] of encodeFiles(kept, enrichment)) {
    await blobs.put(fileKey(file.sha256), bytes, { contentType: 'application/octet-stream' })
    files.push(file)
  }
  const bases = [...new Set(ecosystems.map(baseEcosystem))]
  const newest = Math.max(...bases.map((base) => collector.modified.get(base) ?? 0))
  const content: Omit<RevisionManifest, 'revision'> = {
    format: REVISION_FORMAT,
    createdAt: iso(newest),
    sources: bases.map((base) => ({ ecosystem: base, modified: iso(collector.modified.get(base)) })),
    records,
    files,
  }
  // The date in front lets people and prefix listings see which revision is newer.
  const digest = createHash('sha256').update(JSON.stringify(content)).digest('hex')
  const revision = `${content.createdAt.slice(0, 10).replaceAll('-', '')}-${digest.slice(0, 16)}`
  const manifest: RevisionManifest = { ...content, revision }
  await blobs.put(revisionKey(revision), JSON.stringify(manifest), { contentType: 'application/json' })
  await tellChanges(blobs, revision, log)
  await blobs.put(CURRENT_KEY, JSON.stringify({ revision }), { contentType: 'application/json' })
  log(`revision ${revision}: ${records} records, ${files.length} files, ${skipped.count} records skipped`)
  return { revision, records, ecosystems: bases, skipped }
}
