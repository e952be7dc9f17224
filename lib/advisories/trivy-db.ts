/**
 * A trivy.db as a source: for who has one and no way to OSV, and for distributions that OSV does not publish, such as
 * Amazon's and Oracle's. Its entries become OSV records, one for each flaw and ecosystem. Red Hat's entries are by CPE
 * and are left out; OSV has them.
 */
import { closeSync, openSync } from 'node:fs'
import { LongshoreError } from '../errors.ts'
import { BoltFile, type Bucket } from './bbolt.ts'
import { baseEcosystem } from './ecosystem.ts'
import type { AdvisorySource } from './source.ts'
import type { ZipMember } from './zip.ts'

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

const LABELS = ['UNKNOWN', 'LOW', 'MEDIUM', 'HIGH', 'CRITICAL']

interface Platform {
  ecosystem: string
  names?: 'binary'
}

function platformOf(bucket: string): Platform | undefined {
  const language = bucket.split('::')
  if (language.length === 2)
    return Object.hasOwn(LANGUAGES, language[0]!) ? { ecosystem: LANGUAGES[language[0]!]! } : undefined
  for (const [pattern, ecosystem, names] of DISTRIBUTIONS) {
    const release = pattern.exec(bucket)?.[1]
    if (release !== undefined) return { ecosystem: ecosystem + release, ...(names ? { names } : {}) }
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

const COMPARATOR = /^(>=|<=|==|=|>|<)?\s*([^\s<>=,|^~]+)$/

/**
 * `>= 1.0.0, < 1.2.3` as events of a range. `> 1` begins at 1, which OSV cannot leave out. Undefined for an expression
 * of another kind: no range is better than a wrong one.
 */
export function eventsOf(expression: string): Fields[] | undefined {
  let introduced = '0'
  const ends: Fields[] = []
  for (const part of expression.replace(/([<>=]=?|=)\s+/g, '$1').split(/[\s,]+/)) {
    if (part === '') continue
    const [, operator = '=', version] = COMPARATOR.exec(part) ?? []
    if (version === undefined) return undefined
    if (operator === '<') ends.push({ fixed: version })
    else if (operator === '<=') ends.push({ last_affected: version })
    else introduced = version
    if (operator === '=' || operator === '==') ends.push({ last_affected: version })
  }
  return [{ introduced }, ...ends]
}

/** What an entry of one package and one flaw says, as `ranges` of OSV. */
function rangesOf(entry: Fields): Fields[] {
  const vulnerable = texts(entry.VulnerableVersions).flatMap((one) => one.split('||'))
  if (vulnerable.length)
    return vulnerable.flatMap((expression) => {
      const events = eventsOf(expression)
      return events ? [{ type: 'ECOSYSTEM', events }] : []
    })
  if (Array.isArray(entry.PatchedVersions)) return []
  const fixes = Array.isArray(entry.Entries) ? entry.Entries.map((one) => text(fields(one).FixedVersion)) : []
  // Of several, by architecture, the highest cannot be told here; each is a range, and any of them counts.
  return (fixes.length ? fixes : [text(entry.FixedVersion)]).map((fixed) => ({
    type: 'ECOSYSTEM',
    events: [{ introduced: '0' }, ...(fixed ? [{ fixed }] : [])],
  }))
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

/** Reads the file as it is now. Throws `advisories-invalid` when it is no trivy.db. */
export function trivyDbSource(path: string): AdvisorySource {
  function withFile<T>(use: (file: BoltFile) => T): T {
    let fd: number
    try {
      fd = openSync(path, 'r')
    } catch (cause) {
      throw new LongshoreError('advisories-invalid', `${path} cannot be opened`, { cause })
    }
    try {
      return use(new BoltFile(fd, path))
    } finally {
      closeSync(fd)
    }
  }

  function* platforms(file: BoltFile): Generator<[platform: Platform, bucket: Bucket]> {
    for (const { key, bucket } of file.entries(file.root)) {
      const platform = bucket === undefined ? undefined : platformOf(key.toString('utf8'))
      if (platform !== undefined && bucket !== undefined) yield [platform, bucket]
    }
  }

  /** Per flaw, what is affected in every release of the ecosystem. */
  function affectedIn(file: BoltFile, base: string): Map<string, { affected: Fields[]; label: string }> {
    const flaws = new Map<string, { affected: Fields[]; label: string }>()
    for (const [{ ecosystem, names }, bucket] of platforms(file)) {
      if (baseEcosystem(ecosystem) !== base) continue
      const more = names ? { database_specific: { names } } : {}
      for (const { key: name, bucket: entries } of file.entries(bucket)) {
        if (entries === undefined) continue
        for (const entry of file.entries(entries)) {
          if (entry.bucket !== undefined) continue
          const said = parse(entry.value)
          const id = entry.key.toString('utf8')
          const flaw = flaws.get(id) ?? { affected: [], label: '' }
          flaws.set(id, flaw)
          flaw.affected.push({ package: { ecosystem, name: name.toString('utf8') }, ranges: rangesOf(said), ...more })
          flaw.label ||= LABELS[Number(said.Severity ?? 0)] ?? ''
        }
      }
    }
    return flaws
  }

  function* records(file: BoltFile, base: string): Generator<ZipMember> {
    const about = file.get(file.root, 'vulnerability')?.bucket
    const prefix = base.replace(/[^A-Za-z]/g, '').toUpperCase()
    for (const [id, { affected, label }] of affectedIn(file, base)) {
      const entry = about === undefined ? undefined : file.get(about, id)
      const flaw = aboutFlaw(entry && entry.bucket === undefined ? parse(entry.value) : {})
      const own = label && label !== 'UNKNOWN' ? { database_specific: { severity: label } } : {}
      // The prefix keeps the records of one flaw in several ecosystems apart, as OSV's DEBIAN-CVE-... does.
      const record = { ...flaw, ...own, id: `${prefix}-${id}`, aliases: [id], affected }
      yield { name: `${record.id}.json`, bytes: Buffer.from(JSON.stringify(record)) }
    }
  }

  return {
    name: path,
    async ecosystems() {
      const found = withFile((file) => new Set([...platforms(file)].map(([{ ecosystem }]) => baseEcosystem(ecosystem))))
      if (found.size === 0)
        throw new LongshoreError('advisories-invalid', `${path} holds no distribution or language that is known here`)
      return [...found].sort()
    },
    async *records(ecosystem) {
      yield* withFile((file) => [...records(file, ecosystem)])
    },
  }
}
