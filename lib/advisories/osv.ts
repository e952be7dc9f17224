/**
 * An OSV record (https://ossf.github.io/osv-schema/) as far as matching needs it. Records come from many hands: what is
 * missing or odd is dropped field by field, and only a record without an id or affected packages is refused.
 */

import { type Comparison, readComparison } from './constraints.ts'

export interface OsvEvent {
  kind: 'introduced' | 'fixed' | 'last_affected' | 'limit'
  version: string
}

interface OsvRange {
  type: 'SEMVER' | 'ECOSYSTEM'
  events: OsvEvent[]
}

export interface OsvSeverity {
  /** CVSS_V2, CVSS_V3, CVSS_V4, Ubuntu, ... */
  type: string
  /** A vector, or a word. */
  score: string
}

interface Rating {
  severities: OsvSeverity[]
  /** The publisher's own word (`database_specific.severity`, Debian's urgency). */
  label?: string
}

/** One package of one release. `severities` and `label` are its own, where entries differ. */
interface OsvAffected extends Rating {
  ecosystem: string
  name: string
  ranges: OsvRange[]
  versions: string[]
  /** The name is that of a binary package (`database_specific.names`), in an ecosystem that else names source packages. */
  binary: boolean
  /** Versions that are safe whatever the ranges say (`database_specific.safe`): lists of comparisons that hold together. */
  safe: Comparison[][]
}

export interface OsvRecord extends Rating {
  id: string
  /** Milliseconds; undefined when absent or not a date after 1990. */
  modified?: number
  published?: number
  withdrawn: boolean
  aliases: string[]
  upstream: string[]
  related: string[]
  /** The summary, or the first line of the details. */
  title: string
  references: { type: string; url: string }[]
  affected: OsvAffected[]
}

/** Why a record was refused. */
export interface OsvProblem {
  problem: string
}

type Fields = { [key: string]: unknown }

const fields = (value: unknown): Fields =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Fields) : {}
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Ids, names and versions: bounded, because each becomes part of an index; the longest real ones have 200 characters. */
const WORD_CHARACTERS_MAX = 1_024
const word = (value: unknown): string => {
  const found = text(value).trim()
  return found.length <= WORD_CHARACTERS_MAX ? found : ''
}
const words = (value: unknown): string[] => [...new Set(list(value).map(word).filter(Boolean))]

/** Go's records say year 1 where nothing is known; a date before the first advisories is no date. */
const EARLIEST = Date.UTC(1990, 0, 1)
const date = (value: unknown): number | undefined => {
  const time = Date.parse(text(value))
  return Number.isNaN(time) || time < EARLIEST ? undefined : time
}

const EVENT_KINDS = ['introduced', 'fixed', 'last_affected', 'limit'] as const

function readEvents(value: unknown): OsvEvent[] {
  const events: OsvEvent[] = []
  for (const item of list(value)) {
    const event = fields(item)
    for (const kind of EVENT_KINDS) {
      const version = word(event[kind])
      if (version) events.push({ kind, version })
    }
  }
  return events
}

function readRanges(value: unknown): OsvRange[] {
  const ranges: OsvRange[] = []
  for (const item of list(value)) {
    const range = fields(item)
    // GIT ranges hold commits, which no installed package names.
    if (range.type !== 'SEMVER' && range.type !== 'ECOSYSTEM') continue
    const events = readEvents(range.events)
    if (events.some((event) => event.kind === 'introduced')) ranges.push({ type: range.type, events })
  }
  return ranges
}

/** A list with something that is no comparison holds for nothing: what is safe must be known for sure. */
const readSafe = (lists: unknown[][]): Comparison[][] =>
  lists
    .filter((some) => some.length > 0)
    .map((some) => some.map(word))
    .filter((some) => some.every((one) => readComparison(one) !== undefined))

/** Words that say that nothing is known: they hide no other. */
const NO_WORD = /^(?:not yet assigned|unknown|undetermined|end-of-life)$/i

/** How severe the flaw is by a record, or by its entry of one package. */
function readRating(place: Fields): Rating {
  const severities: OsvSeverity[] = []
  for (const item of list(place.severity)) {
    const type = word(fields(item).type)
    const score = word(fields(item).score)
    if (type && score && !severities.some((known) => known.type === type)) severities.push({ type, score })
  }
  const own = fields(place.database_specific)
  // RustSec puts the vector here.
  const vector = word(own.cvss)
  if (/^CVSS:[34]\.\d\//.test(vector) && severities.length === 0)
    severities.push({ type: `CVSS_V${vector[5]}`, score: vector })
  const specific = fields(place.ecosystem_specific)
  const label = [own.severity, specific.severity, specific.urgency].map(word).find((one) => one && !NO_WORD.test(one))
  return label ? { severities, label } : { severities }
}

/**
 * What all entries say alike, and the record itself does not, is the record's: it is kept once, and may serve the CVE
 * elsewhere. What they say differently stays with each of them.
 */
function settle(record: Rating, affected: OsvAffected[]): void {
  const [first] = affected
  const alike = (of: (rating: Rating) => unknown) =>
    affected.every((one) => JSON.stringify(of(one)) === JSON.stringify(of(first!)))
  if (first && record.severities.length === 0 && alike(({ severities }) => severities)) {
    record.severities = first.severities
    for (const one of affected) one.severities = []
  }
  if (first?.label !== undefined && record.label === undefined && alike(({ label }) => label)) {
    record.label = first.label
    for (const one of affected) delete one.label
  }
}

/** A title is shown in one line of a table or a page. */
const TITLE_CHARACTERS_MAX = 200

function firstLine(prose: string): string {
  const lines = prose.slice(0, 4 * TITLE_CHARACTERS_MAX).split('\n')
  const line = lines.map((part) => part.replace(/^#+\s*/, '').trim()).find(Boolean) ?? ''
  return line.length <= TITLE_CHARACTERS_MAX ? line : `${line.slice(0, TITLE_CHARACTERS_MAX - 1).trimEnd()}…`
}

/**
 * Reads one parsed JSON document. `eventsMax` bounds events and listed versions of the whole record, so that one
 * hostile record cannot cost minutes.
 */
export function readOsvRecord(document: unknown, eventsMax: number): OsvRecord | OsvProblem {
  const record = fields(document)
  const id = word(record.id)
  if (!id) return { problem: 'has no id' }
  if (!Array.isArray(record.affected)) {
    // A withdrawn record may be stripped of everything else.
    if (!record.withdrawn) return { problem: 'has no list of affected packages' }
  }
  const places = list(record.affected).map(fields)
  const affected: OsvAffected[] = []
  let size = 0
  for (const place of places) {
    const pack = fields(place.package)
    const ecosystem = word(pack.ecosystem)
    const name = word(pack.name)
    size += list(place.versions).length
    for (const range of list(place.ranges)) size += list(fields(range).events).length
    if (size > eventsMax) return { problem: `has more than ${eventsMax} versions and range events` }
    const own = fields(place.database_specific)
    const safe = list(own.safe).map(list)
    for (const comparisons of safe) size += comparisons.length
    if (size > eventsMax) return { problem: `has more than ${eventsMax} versions and range events` }
    if (ecosystem && name && !name.includes('\n'))
      affected.push({
        ecosystem,
        name,
        ranges: readRanges(place.ranges),
        versions: words(place.versions),
        binary: own.names === 'binary',
        safe: readSafe(safe),
        ...readRating(place),
      })
  }
  const references = list(record.references).flatMap((item) => {
    const reference = fields(item)
    const url = word(reference.url)
    return /^https?:\/\//.test(url) ? [{ type: word(reference.type) || 'WEB', url }] : []
  })
  const rating = readRating(record)
  settle(rating, affected)
  const modified = date(record.modified)
  const published = date(record.published)
  return {
    id,
    ...(modified === undefined ? {} : { modified }),
    ...(published === undefined ? {} : { published }),
    withdrawn: Boolean(record.withdrawn),
    aliases: words(record.aliases),
    upstream: words(record.upstream),
    related: words(record.related),
    title: firstLine(text(record.summary)) || firstLine(text(record.details)),
    ...rating,
    references,
    affected,
  }
}
