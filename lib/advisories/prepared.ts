/** A record as the build needs it: who it is, what a finding shows, and what decides about versions of each package. */
import { baseEcosystem, fileEcosystem, normalName } from './ecosystem.ts'
import { type AdvisoryMatch, writeMatch } from './model.ts'
import type { OsvRecord } from './osv.ts'

/** Of one package: the ecosystem with its release, the normalised name, the match as JSON. */
export type PreparedMatch = [ecosystem: string, name: string, json: string]

/** Without `affected`; `references` are only those that a finding may show. */
export interface PreparedRecord {
  record: OsvRecord
  /** Empty for a withdrawn record, which only says that an older one of its id does not count. */
  matches: PreparedMatch[]
}

function matchesOf(record: OsvRecord): PreparedMatch[] {
  const byPackage = new Map<string, { ecosystem: string; name: string; match: AdvisoryMatch }>()
  for (const affected of record.affected) {
    const ecosystem = fileEcosystem(affected.ecosystem)
    const name = normalName(ecosystem, affected.name)
    // What is safe limits the ranges beside it and no others.
    const key = `${ecosystem}\n${name}\n${affected.binary}\n${affected.safe.join(';')}`
    let found = byPackage.get(key)
    if (!found) {
      found = { ecosystem, name, match: { id: record.id, ranges: [], versions: [] } }
      if (affected.binary) found.match.binary = true
      if (affected.safe.length > 0) found.match.safe = affected.safe
      byPackage.set(key, found)
    }
    for (const severity of affected.severities) {
      found.match.severities ??= []
      if (!found.match.severities.some(({ type }) => type === severity.type)) found.match.severities.push(severity)
    }
    if (affected.label !== undefined) found.match.label ??= affected.label
    for (const { type, events } of affected.ranges) found.match.ranges.push({ semver: type === 'SEMVER', events })
    for (const version of affected.versions) if (!version.includes('\n')) found.match.versions.push(version)
  }
  return [...byPackage.values()]
    .filter(({ match }) => match.ranges.length > 0 || match.versions.length > 0)
    .map(({ ecosystem, name, match }) => [ecosystem, name, writeMatch(match)])
}

export function prepare(record: OsvRecord): PreparedRecord {
  const page = record.references.find(({ type }) => type === 'ADVISORY') ?? record.references[0]
  return {
    record: { ...record, affected: [], references: page ? [page] : [] },
    matches: record.withdrawn ? [] : matchesOf(record),
  }
}

/** The matches by the ecosystem without its release, which is how files of a revision are made: one at a time. */
export function byBase(matches: readonly PreparedMatch[]): Map<string, PreparedMatch[]> {
  const bases = new Map<string, PreparedMatch[]>()
  for (const match of matches) {
    const base = baseEcosystem(match[0])
    const known = bases.get(base)
    if (known) known.push(match)
    else bases.set(base, [match])
  }
  return bases
}
