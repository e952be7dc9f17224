/**
 * Which flaws records speak of. Records of one flaw (a GHSA, a CVE, a PYSEC) are one finding; an erratum that fixes
 * several CVEs (a DSA, an ALSA) is one finding for each of them.
 */
import type { AdvisoryDetails } from '../advisories/index.ts'

const CVE = /^CVE-\d{4}-\d{4,}$/
const DERIVED_CVE = /^[A-Z0-9]+-(CVE-\d{4}-\d{4,})$/
/** Errata that name their CVEs as `related` only, as AlmaLinux's do. */
const ERRATUM = /^(AL[SB]A|RL[SB]A|RH[SB]A|RX?SA|ELSA|SUSE|openSUSE|DSA|DLA|USN)-/

/** `ALPINE-CVE-2020-1` is the distribution's record of CVE-2020-1. */
const canonical = (id: string): string => DERIVED_CVE.exec(id)?.[1] ?? id

const unique = (ids: string[]): string[] => [...new Set(ids)]

/** One matched record with what it found. */
export interface Hit {
  details: AdvisoryDetails
  /** What the record says of the package itself; else it is what it says of the flaw. */
  severities?: AdvisoryDetails['severities']
  label?: string
  fixedVersion?: string
}

export interface Flaw {
  /** CVE first, then GHSA, then the record's own. */
  id: string
  /** All other names of the flaw and the ids of all records that matched, sorted. */
  aliases: string[]
  /** Sorted by record id. */
  hits: Hit[]
}

/** The flaws of one record, each as the set of its names. */
function namesOf(details: AdvisoryDetails): string[][] {
  const own = unique([details.id, ...details.aliases].map(canonical))
  if (own.some((id) => CVE.test(id))) return [own]
  const upstream = unique(details.upstream.map(canonical)).filter((id) => CVE.test(id))
  const related = ERRATUM.test(details.id) ? unique(details.related).filter((id) => CVE.test(id)) : []
  const cves = upstream.length ? upstream : related
  if (cves.length > 1) return cves.map((cve) => [cve])
  return [unique([...own, ...details.upstream.map(canonical), ...cves])]
}

const RANKS = [/^CVE-/, /^GHSA-/]
const rank = (id: string): number => {
  const found = RANKS.findIndex((pattern) => pattern.test(id))
  return found < 0 ? RANKS.length : found
}
const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const byRank = (a: string, b: string): number => rank(a) - rank(b) || byText(a, b)

/** Groups the records that matched one package into flaws, by every name they share. Deterministic. */
export function flawsOf(hits: readonly Hit[]): Flaw[] {
  const groups: { names: Set<string>; hits: Hit[] }[] = []
  const sorted = [...hits].sort((a, b) => byText(a.details.id, b.details.id))
  for (const hit of sorted) {
    for (const names of namesOf(hit.details)) {
      const merged = { names: new Set(names), hits: [hit] }
      for (let i = groups.length - 1; i >= 0; i--) {
        const group = groups[i]!
        if (!names.some((name) => group.names.has(name))) continue
        for (const name of group.names) merged.names.add(name)
        merged.hits.unshift(...group.hits)
        groups.splice(i, 1)
      }
      groups.push(merged)
    }
  }
  return groups.map(({ names, hits: found }) => {
    const id = [...names].sort(byRank)[0]!
    // A record may say two things of one package; the one that knows a fix says more.
    const byId = new Map<string, Hit>()
    for (const hit of found) if (byId.get(hit.details.id)?.fixedVersion === undefined) byId.set(hit.details.id, hit)
    const ordered = [...byId.values()].sort((a, b) => byText(a.details.id, b.details.id))
    const aliases = unique([...names, ...ordered.map((hit) => hit.details.id)]).filter((name) => name !== id)
    return { id, aliases: aliases.sort(byText), hits: ordered }
  })
}
