/** What one record says about a CVE serves another: Debian's records carry no severity, GitHub's of the same CVE do. */
import type { Enrichment } from './enrichment.ts'
import { type AdvisoryDetails, CVE, type JoinedSeverity } from './model.ts'
import type { OsvRecord } from './osv.ts'

/** CVEs that stand for the record's own flaw or flaws; `ALPINE-CVE-2020-1` and its kin name theirs in the id. */
function cvesOf(record: Pick<OsvRecord, 'id' | 'aliases' | 'upstream' | 'related'>): string[] {
  const found = new Set<string>()
  for (const id of [record.id, ...record.aliases, ...record.upstream, ...record.related]) {
    const cve = CVE.exec(id)?.[0] ?? /-(CVE-\d{4}-\d{4,})$/.exec(id)?.[1]
    if (cve) found.add(cve)
  }
  return [...found]
}

/** CVEs the record is about and nothing else: only then its severity and title are the CVE's too. */
function onlyCve(record: OsvRecord): string | undefined {
  const cves = cvesOf({ ...record, related: [] })
  return cves.length === 1 ? cves[0] : undefined
}

const VECTOR = /^(CVSS:[34]\.\d\/|AV:[LAN]\/AC:)/

/** Collects what all records say about CVEs, then writes each record's details with what it lacks. */
export class CveJoin {
  readonly #enrichment: Enrichment
  readonly #severities = new Map<string, JoinedSeverity[]>()
  readonly #titles = new Map<string, { title: string; source: string }>()

  constructor(enrichment: Enrichment) {
    this.#enrichment = enrichment
  }

  /** The result does not depend on the order of the calls. */
  add(record: OsvRecord): void {
    const cve = onlyCve(record)
    if (!cve) return
    const vectors = record.severities.filter(({ score }) => VECTOR.test(score))
    if (vectors.length) {
      const known = this.#severities.get(cve)
      // Of several records the one with the lowest id speaks.
      if (!known || record.id < known[0]!.source)
        this.#severities.set(
          cve,
          vectors.map((severity) => ({ ...severity, source: record.id })),
        )
    }
    const { title } = record
    const told = this.#titles.get(cve)
    if (title && (!told || record.id < told.source)) this.#titles.set(cve, { title, source: record.id })
  }

  details(record: OsvRecord): AdvisoryDetails {
    const joined: AdvisoryDetails['joined'] = {}
    for (const cve of cvesOf(record).sort()) {
      const enriched = this.#enrichment.severities.get(cve)
      const severities = enriched ? [enriched] : (this.#severities.get(cve) ?? [])
      const elsewhere = severities.filter(({ source }) => source !== record.id)
      const kev = this.#enrichment.kev.get(cve)
      // Only for records that have no title of their own, as Debian's.
      const title = record.title ? undefined : kev || this.#titles.get(cve)?.title
      if (elsewhere.length === 0 && kev === undefined && !title) continue
      joined[cve] = {
        severities: elsewhere,
        ...(title ? { title } : {}),
        ...(kev === undefined ? {} : { kev: true }),
      }
    }
    const url = (record.references.find(({ type }) => type === 'ADVISORY') ?? record.references[0])?.url
    return {
      id: record.id,
      aliases: record.aliases,
      upstream: record.upstream,
      related: record.related,
      title: record.title,
      severities: record.severities,
      ...(record.label ? { label: record.label } : {}),
      ...(url ? { url } : {}),
      ...(record.published === undefined ? {} : { published: new Date(record.published).toISOString() }),
      joined,
    }
  }
}
