/** What a revision holds and how it is written: shared by the builder and the reader. */
import type { Comparison } from './constraints.ts'
import type { OsvEvent, OsvSeverity } from './osv.ts'

/** Of one record and one package: all it needs to decide about a version. */
export interface AdvisoryMatch {
  /** OSV record id. */
  id: string
  ranges: { semver: boolean; events: OsvEvent[] }[]
  /** Versions listed one by one. */
  versions: string[]
  /** The record is filed by the name of a binary package, in an ecosystem that else goes by source packages. */
  binary?: true
  /** Versions that are safe although a range holds them: all comparisons of any of these lists hold (`>=1.2`, `<2`). */
  safe?: Comparison[][]
  /** How severe it is in this package of this release, where the record says different things of several. */
  severities?: OsvSeverity[]
  label?: string
}

/** What a CVE is known to be worth, from another place than the record itself. */
export interface JoinedSeverity extends OsvSeverity {
  /** Who says so: a record id, or `vulnrichment:cna`. */
  source: string
  /** The base score as published beside the vector; some publishers' differs from the formula's by a tenth. */
  listed?: number
}

/** Of one record: what a finding shows. */
export interface AdvisoryDetails {
  id: string
  aliases: string[]
  upstream: string[]
  related: string[]
  title: string
  severities: OsvSeverity[]
  label?: string
  url?: string
  /** ISO 8601, UTC. */
  published?: string
  /**
   * By CVE, of those this record names: severity from elsewhere, whether CISA lists it as exploited, and the
   * probability that it will be within 30 days (EPSS, in steps of 0.01).
   */
  joined: { [cve: string]: { severities: JoinedSeverity[]; title?: string; kev?: boolean; epss?: number } }
}

export interface RevisionFile {
  kind: 'match' | 'details' | 'hashes'
  /** Of `match` and `hashes` with release (`Debian:12`), of `details` without (`Debian`). */
  ecosystem: string
  sha256: string
  bytes: number
  keys: number
}

/** `advisories/revisions/<revision>.json` */
export interface RevisionManifest {
  format: number
  revision: string
  /** The newest `modified` of the sources: equal input gives an equal manifest. */
  createdAt: string
  sources: { ecosystem: string; modified: string }[]
  records: number
  files: RevisionFile[]
  /** The one repository that the records know anything of; a report of another tells that. */
  onlyFor?: string
}

/**
 * Rises when the files of a revision change their meaning, so that older code does not misread them. 2: every
 * distribution is filed by its release.
 */
export const REVISION_FORMAT = 2
/** Those that this version reads too: an upgrade goes on with the revision it finds until the next one is built. */
export const REVISION_FORMATS_READ: readonly number[] = [1, REVISION_FORMAT]

/** What the bundled records are for. */
export const DEMO_REPOSITORY = 'demo/shop'

export const CURRENT_KEY = 'advisories/current.json'
/** Locally: what the current revision was built from, a fingerprint of the folder or JSON of the command. */
export const BUILT_FROM_KEY = 'advisories/built-from.json'
export const revisionKey = (revision: string): string => `advisories/revisions/${revision}.json`
export const fileKey = (sha256: string): string => `advisories/${sha256}.idx`
/** What differs between a revision and the one that was current when it was built. */
export const changesKey = (before: string, after: string): string =>
  `advisories/revisions/${after}/changed-from-${before}.json`

const EVENT_LETTERS = { introduced: 'i', fixed: 'f', last_affected: 'l', limit: 'm' } as const
const EVENT_KINDS: Record<string, OsvEvent['kind']> = { i: 'introduced', f: 'fixed', l: 'last_affected', m: 'limit' }

/** What few matches have, by one letter each. */
interface More {
  b?: 1
  s?: Comparison[][]
  v?: [type: string, score: string][]
  l?: string
}

function moreOf({ binary, safe, severities, label }: AdvisoryMatch): More {
  const more: More = {}
  if (binary) more.b = 1
  if (safe) more.s = safe
  if (severities) more.v = severities.map(({ type, score }) => [type, score])
  if (label !== undefined) more.l = label
  return more
}

function readMore({ b, s, v, l }: More): Partial<AdvisoryMatch> {
  return {
    ...(b ? { binary: true } : {}),
    ...(s ? { safe: s } : {}),
    ...(v ? { severities: v.map(([type, score]) => ({ type, score })) } : {}),
    ...(l === undefined ? {} : { label: l }),
  }
}

/** A match as compact JSON: `[id, [["i0","f1.2"]], "1.0\n1.1", more]`; a leading "S" in a range marks SEMVER. */
export function writeMatch(match: AdvisoryMatch): string {
  const ranges = match.ranges.map(({ semver, events }) => [
    ...(semver ? ['S'] : []),
    ...events.map(({ kind, version }) => EVENT_LETTERS[kind] + version),
  ])
  // One string parses many times faster than a list: some records list thousands of versions.
  const versions = match.versions.join('\n')
  const more = moreOf(match)
  if (Object.keys(more).length > 0) return JSON.stringify([match.id, ranges, versions, more])
  return JSON.stringify(versions ? [match.id, ranges, versions] : [match.id, ranges])
}

/** The matches of one package: the value of a key in a match file. */
export function readMatches(value: string): AdvisoryMatch[] {
  const stored = JSON.parse(value) as [id: string, ranges: string[][], versions?: string, more?: More][]
  return stored.map(([id, ranges, versions, more]) => {
    const match: AdvisoryMatch = { id, ranges: ranges.map(readRange), versions: versions ? versions.split('\n') : [] }
    // Read a hundred thousand times a second: few have more, and an object that is spread is slow for all.
    return more ? Object.assign(match, readMore(more)) : match
  })
}

function readRange(items: string[]): AdvisoryMatch['ranges'][number] {
  const semver = items[0] === 'S'
  const events: OsvEvent[] = []
  for (let i = semver ? 1 : 0; i < items.length; i++) {
    const item = items[i]!
    events.push({ kind: EVENT_KINDS[item[0]!]!, version: item.slice(1) })
  }
  return { semver, events }
}

/** CVE ids in the order people expect: by year, then by number. */
export const CVE = /^CVE-\d{4}-\d{4,}$/
