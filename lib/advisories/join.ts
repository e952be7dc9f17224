/** What one record says about a CVE serves another: Debian's records carry no severity, GitHub's of the same CVE do. */
import type { Enrichment } from './enrichment.ts'
import { type AdvisoryDetails, CVE, type JoinedSeverity } from './model.ts'
import type { OsvRecord, OsvSeverity } from './osv.ts'

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

/** What one record says of the CVE it is about. */
interface Told {
  source: string
  /** Of the record among all that were read: one that was replaced later says nothing. */
  sequence: number
  severities: OsvSeverity[]
  title: string
}

/** Collects what all records say about CVEs, then writes each record's details with what it lacks. */
export class CveJoin {
  readonly #enrichment: Enrichment
  readonly #counts: (id: string, sequence: number) => boolean
  readonly #told = new Map<string, Told[]>()

  /** @param counts whether a record is the one of its id that is in the revision; asked when all are read */
  constructor(enrichment: Enrichment, counts: (id: string, sequence: number) => boolean) {
    this.#enrichment = enrichment
    this.#counts = counts
  }

  add(record: OsvRecord, sequence: number): void {
    const cve = onlyCve(record)
    if (!cve) return
    const severities = record.severities.filter(({ score }) => VECTOR.test(score))
    if (severities.length === 0 && !record.title) return
    const told = { source: record.id, sequence, severities, title: record.title }
    const known = this.#told.get(cve)
    if (known) known.push(told)
    else this.#told.set(cve, [told])
  }

  /** Of several records the one with the lowest id speaks, whatever order they came in. */
  #speaker(cve: string, says: (told: Told) => boolean): Told | undefined {
    let speaker: Told | undefined
    for (const told of this.#told.get(cve) ?? [])
      if (says(told) && (!speaker || told.source < speaker.source) && this.#counts(told.source, told.sequence))
        speaker = told
    return speaker
  }

  #severities(cve: string): JoinedSeverity[] {
    const enriched = this.#enrichment.severities.get(cve)
    if (enriched) return [enriched]
    const speaker = this.#speaker(cve, ({ severities }) => severities.length > 0)
    return (speaker?.severities ?? []).map((severity) => ({ ...severity, source: speaker!.source }))
  }

  details(record: OsvRecord): AdvisoryDetails {
    const joined: AdvisoryDetails['joined'] = {}
    for (const cve of cvesOf(record).sort()) {
      const elsewhere = this.#severities(cve).filter(({ source }) => source !== record.id)
      const kev = this.#enrichment.kev.get(cve)
      const epss = this.#enrichment.epss.get(cve)
      // Only for records that have no title of their own, as Debian's.
      const title = record.title ? undefined : kev || this.#speaker(cve, (told) => told.title !== '')?.title
      if (elsewhere.length === 0 && kev === undefined && epss === undefined && !title) continue
      joined[cve] = {
        severities: elsewhere,
        ...(title ? { title } : {}),
        ...(kev === undefined ? {} : { kev: true }),
        ...(epss === undefined ? {} : { epss }),
      }
    }
    const url = record.references[0]?.url
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
