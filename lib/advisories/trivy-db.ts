/**
 * A trivy.db as a source: for who has one and no way to OSV, and for distributions that OSV does not publish, such as
 * Amazon's and Oracle's. Its entries become OSV records, one for each flaw and ecosystem. Red Hat's entries are by CPE
 * and are left out; OSV has them.
 */
import { closeSync, openSync } from 'node:fs'
import { LongshoreError } from '../errors.ts'
import { BoltFile, type Bucket } from './bbolt.ts'
import { type Comparison, comparisonsOf, readComparison } from './constraints.ts'
import { baseEcosystem } from './ecosystem.ts'
import type { AdvisorySource, SourceRecord } from './source.ts'

/**
 * Trivy's name of a distribution, before its release -> OSV's ecosystem, up to the release. `binary`: its packages are
 * binary packages (Trivy's own drivers look them up by `pkg.Name`), where OSV's records are by source package.
 */
const DISTRIBUTIONS: [pattern: RegExp, ecosystem: string, names?: 'binary'][] = [
  [/^debian (\d+)$/, 'Debian:'],
  [/^ubuntu (\d+\.\d+)$/, 'Ubuntu:'],
  [/^alpine (\d+\.\d+)$/, 'Alpine:v'],
  [/^alma (\d+)$/, 'AlmaLinux:', 'binary'],
  [/^rocky (\d+)$/, 'Rocky Linux:', 'binary'],
  [/^Oracle Linux (\d+)$/, 'Oracle Linux:', 'binary'],
  [/^amazon linux (\d+)$/, 'Amazon Linux:', 'binary'],
  [/^Photon OS (\d+\.\d+)$/, 'Photon OS:'],
  [/^(?:CBL-Mariner|Azure Linux) (\d+)(?:\.\d+)?$/, 'Azure Linux:'],
  [/^openSUSE Leap (\d+\.\d+)$/, 'openSUSE:Leap ', 'binary'],
  [/^wolfi()$/, 'Wolfi'],
  [/^chainguard()$/, 'Chainguard'],
]

/** The part before `::` in the name of a language's bucket -> OSV's ecosystem. */
const LANGUAGES: Record<string, string> = {
  npm: 'npm',
  pip: 'PyPI',
  rubygems: 'RubyGems',
  composer: 'Packagist',
  maven: 'Maven',
  nuget: 'NuGet',
  go: 'Go',
  cargo: 'crates.io',
}

/** By the number of an entry; 0 says nothing. */
const LABELS = [undefined, 'LOW', 'MEDIUM', 'HIGH', 'CRITICAL']

interface Platform {
  ecosystem: string
  /** Of a distribution, whose packages have one release's versions; of a language they have ranges. */
  isDistribution: boolean
  names?: 'binary'
}

function platformOf(bucket: string): Platform | undefined {
  const language = bucket.split('::')
  if (language.length === 2)
    return Object.hasOwn(LANGUAGES, language[0]!)
      ? { ecosystem: LANGUAGES[language[0]!]!, isDistribution: false }
      : undefined
  for (const [pattern, ecosystem, names] of DISTRIBUTIONS) {
    const release = pattern.exec(bucket)?.[1]
    if (release !== undefined)
      return { ecosystem: ecosystem + release, isDistribution: true, ...(names ? { names } : {}) }
  }
  return undefined
}

type Fields = { [key: string]: unknown }
const fields = (value: unknown): Fields =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Fields) : {}
const texts = (value: unknown): string[] =>
  (Array.isArray(value) ? value : []).filter((one): one is string => typeof one === 'string')
const text = (value: unknown): string => (typeof value === 'string' ? value : '')

function parse(value: Buffer): Fields {
  try {
    return fields(JSON.parse(value.toString('utf8')))
  } catch {
    return {}
  }
}

/**
 * A constraint as events of a range. `> 1` begins at 1, which OSV cannot leave out: a version too many, never one too few.
 * Undefined for one of another kind: no range is better than a wrong one.
 */
export function eventsOf(expression: string, ecosystem = ''): Fields[] | undefined {
  const comparisons = comparisonsOf(expression, ecosystem)
  if (!comparisons) return undefined
  let introduced = '0'
  const ends: Fields[] = []
  for (const { operator, version } of comparisons.map((one) => readComparison(one)!)) {
    if (operator === '<') ends.push({ fixed: version })
    else if (operator === '<=') ends.push({ last_affected: version })
    else introduced = version
    if (operator === '=') ends.push({ last_affected: version })
  }
  return [{ introduced }, ...ends]
}

const range = (events: Fields[]): Fields => ({ type: 'ECOSYSTEM', events })

/** What an entry of one package and one flaw says, and what of it cannot be said in comparisons. */
interface Said {
  ranges: Fields[]
  safe: Comparison[][]
  lost: string[]
}

/** An entry of a distribution: what fixed it, if anything did. */
function distributionEntry(entry: Fields): Said {
  // Status 1 is "not affected".
  if (entry.Status === 1) return { ranges: [], safe: [], lost: [] }
  const fixes = Array.isArray(entry.Entries) ? entry.Entries.map((one) => text(fields(one).FixedVersion)) : []
  // Of several, by architecture, the highest cannot be told here; each is a range, and any of them counts.
  const ranges = (fixes.length ? fixes : [text(entry.FixedVersion)]).map((fixed) =>
    range([{ introduced: '0' }, ...(fixed ? [{ fixed }] : [])]),
  )
  return { ranges, safe: [], lost: [] }
}

/**
 * An entry of a language, as Trivy reads it: affected are the vulnerable versions, or all when none are named, without the
 * patched and the unaffected ones.
 */
function languageEntry(entry: Fields, ecosystem: string): Said {
  const lost: string[] = []
  const read = <T>(value: unknown, how: (expression: string, ecosystem: string) => T | undefined): T[] =>
    texts(value)
      .flatMap((one) => one.split('||'))
      .flatMap((expression) => {
        const found = how(expression, ecosystem)
        if (found === undefined) lost.push(expression.trim())
        return found === undefined ? [] : [found]
      })
  const vulnerable = read(entry.VulnerableVersions, eventsOf)
  // One that holds for every version would say that nothing is affected; nobody means that.
  const safe = [entry.PatchedVersions, entry.UnaffectedVersions]
    .flatMap((value) => read(value, comparisonsOf))
    .filter((one) => one.length > 0)
  if (vulnerable.length > 0) return { ranges: vulnerable.map(range), safe, lost }
  const isKnown = safe.length > 0 || lost.length === 0
  return { ranges: isKnown ? [range([{ introduced: '0' }])] : [], safe, lost }
}

/** What trivy.db says of a flaw wherever it is. */
function aboutFlaw(flaw: Fields): Fields {
  const vectors = Object.entries(fields(flaw.CVSS)).sort(([a], [b]) =>
    a === 'nvd' ? -1 : b === 'nvd' ? 1 : a < b ? -1 : 1,
  )
  const severity = ['V40Vector', 'V3Vector', 'V2Vector'].flatMap((name) => {
    const vector = vectors.map(([, one]) => text(fields(one)[name])).find(Boolean)
    return vector ? [{ type: `CVSS_V${name[1]}`, score: vector }] : []
  })
  return {
    summary: text(flaw.Title),
    details: text(flaw.Description).slice(0, 1_000),
    modified: flaw.LastModifiedDate,
    published: flaw.PublishedDate,
    severity,
    references: texts(flaw.References)
      .slice(0, 5)
      .map((url) => ({ type: 'WEB', url })),
    ...(text(flaw.Severity) ? { database_specific: { severity: flaw.Severity } } : {}),
  }
}

/** What one flaw affects in every release of an ecosystem. */
interface Flaw {
  /** JSON: of a distribution with ten thousands of flaws, text takes a fifth of what objects do. */
  affected: string[]
  problems: string[]
}

/** Reads the file as it is now. Throws `advisories-invalid` when it is no trivy.db. */
export function trivyDbSource(path: string): AdvisorySource {
  function open(): { file: BoltFile; close(): void } {
    let fd: number
    try {
      fd = openSync(path, 'r')
    } catch (cause) {
      throw new LongshoreError('advisories-invalid', `${path} cannot be opened`, { cause })
    }
    try {
      return { file: new BoltFile(fd, path), close: () => closeSync(fd) }
    } catch (error) {
      closeSync(fd)
      throw error
    }
  }

  function* platforms(file: BoltFile): Generator<[platform: Platform, bucket: Bucket]> {
    for (const { key, bucket } of file.entries(file.root)) {
      const platform = bucket === undefined ? undefined : platformOf(key.toString('utf8'))
      if (platform !== undefined && bucket !== undefined) yield [platform, bucket]
    }
  }

  /** By the flaw's id. The file goes by package, a record by flaw, so all of an ecosystem is collected. */
  function flawsIn(file: BoltFile, base: string): Map<string, Flaw> {
    const flaws = new Map<string, Flaw>()
    for (const [{ ecosystem, isDistribution, names }, bucket] of platforms(file)) {
      if (baseEcosystem(ecosystem) !== base) continue
      for (const { key, bucket: entries } of file.entries(bucket)) {
        if (entries === undefined) continue
        const name = key.toString('utf8')
        for (const entry of file.entries(entries)) {
          if (entry.bucket !== undefined) continue
          const told = parse(entry.value)
          const { ranges, safe, lost } = isDistribution ? distributionEntry(told) : languageEntry(told, ecosystem)
          const id = entry.key.toString('utf8')
          const flaw = flaws.get(id) ?? { affected: [], problems: [] }
          flaws.set(id, flaw)
          const own = { ...(names ? { names } : {}), ...(safe.length ? { safe } : {}) }
          const label = LABELS[Number(told.Severity ?? 0)]
          const more = {
            ...(Object.keys(own).length ? { database_specific: own } : {}),
            ...(label ? { ecosystem_specific: { severity: label } } : {}),
          }
          if (ranges.length) flaw.affected.push(JSON.stringify({ package: { ecosystem, name }, ranges, ...more }))
          for (const expression of lost)
            flaw.problems.push(`of ${name} says "${expression.slice(0, 200)}", which cannot be converted`)
        }
      }
    }
    return flaws
  }

  function* records(file: BoltFile, base: string): Generator<SourceRecord> {
    const about = file.get(file.root, 'vulnerability')?.bucket
    const prefix = base.replace(/[^A-Za-z]/g, '').toUpperCase()
    for (const [id, { affected, problems }] of flawsIn(file, base)) {
      for (const problem of problems) yield { name: `${base}: ${id}`, problem }
      if (affected.length === 0) continue
      const entry = about === undefined ? undefined : file.get(about, id)
      const flaw = aboutFlaw(entry && entry.bucket === undefined ? parse(entry.value) : {})
      // The prefix keeps the records of one flaw in several ecosystems apart, as OSV's DEBIAN-CVE-... does.
      const record = JSON.stringify({ ...flaw, id: `${prefix}-${id}`, aliases: [id] })
      const bytes = Buffer.from(`${record.slice(0, -1)},"affected":[${affected.join(',')}]}`)
      yield { name: `${prefix}-${id}.json`, bytes }
    }
  }

  return {
    name: path,
    async ecosystems() {
      const { file, close } = open()
      try {
        const found = new Set([...platforms(file)].map(([{ ecosystem }]) => baseEcosystem(ecosystem)))
        if (found.size > 0) return [...found].sort()
      } finally {
        close()
      }
      throw new LongshoreError('advisories-invalid', `${path} holds no distribution or language that is known here`)
    },
    async *records(ecosystem) {
      const { file, close } = open()
      try {
        yield* records(file, ecosystem)
      } finally {
        close()
      }
    },
  }
}
