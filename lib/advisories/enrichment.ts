/**
 * Facts about CVEs that the records lack: CVSS vectors (CISA Vulnrichment), known exploitation (CISA KEV) and its
 * probability (EPSS of FIRST), read from the directory of LONGSHORE_ENRICHMENT; from an address:
 * `enrichment-address.ts`. What is absent is simply not joined.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { CVE, type JoinedSeverity } from './model.ts'

export interface Enrichment {
  severities: ReadonlyMap<string, JoinedSeverity>
  /** CVE -> name of the vulnerability as the catalogue has it. */
  kev: ReadonlyMap<string, string>
  /** CVE -> probability of exploitation within 30 days, 0.01 to 1. */
  epss: ReadonlyMap<string, number>
}

export const NO_ENRICHMENT: Enrichment = { severities: new Map(), kev: new Map(), epss: new Map() }

/** Lines of `cve,vector,score,severity,source`; no field holds a comma. */
function readSeverities(csv: string): Map<string, JoinedSeverity> {
  const severities = new Map<string, JoinedSeverity>()
  for (const line of csv.split('\n')) {
    const [cve, vector, score, , source] = line.trim().split(',')
    const version = /^CVSS:([34])\.\d\//.exec(vector ?? '')?.[1]
    if (!cve || !vector || !version || !CVE.test(cve) || severities.has(cve)) continue
    const listed = score ? Number(score) : Number.NaN
    severities.set(cve, {
      type: `CVSS_V${version}`,
      score: vector,
      source: `vulnrichment:${source || 'unknown'}`,
      ...(listed >= 0 && listed <= 10 ? { listed } : {}),
    })
  }
  return severities
}

function readKev(text: string, where: string): Map<string, string> {
  const kev = new Map<string, string>()
  let catalogue: unknown
  try {
    catalogue = JSON.parse(text)
  } catch (cause) {
    throw new LongshoreError('advisories-invalid', `The KEV catalogue in ${where} is not JSON; download it again`, {
      cause,
    })
  }
  const rows = (catalogue as { vulnerabilities?: unknown } | null)?.vulnerabilities
  for (const row of Array.isArray(rows) ? (rows as { cveID?: unknown; vulnerabilityName?: unknown }[]) : [])
    if (typeof row?.cveID === 'string' && CVE.test(row.cveID))
      kev.set(row.cveID, typeof row.vulnerabilityName === 'string' ? row.vulnerabilityName : '')
  return kev
}

/**
 * Lines of `cve,epss,percentile` below a comment and a header (https://www.first.org/epss/data_stats). Rounded to
 * hundredths, and what rounds to nothing is left out: the model moves every CVE a little every day, and each change of
 * a CVE judges the images again that have it.
 */
function readEpss(csv: string): Map<string, number> {
  const epss = new Map<string, number>()
  for (const line of csv.split('\n')) {
    const [cve, text] = line.split(',', 2)
    const value = Math.round(Number(text) * 100) / 100
    if (cve && CVE.test(cve) && value > 0 && value <= 1) epss.set(cve, value)
  }
  return epss
}

/** One of the files: what people call it, the names it may have, the best first, and how it is read. */
export interface EnrichmentFile<Key extends keyof Enrichment = keyof Enrichment> {
  key: Key
  what: string
  names: readonly string[]
  /** Throws `advisories-invalid` for what it cannot be. */
  parse(text: string, where: string): Enrichment[Key]
}

/** Plain literals only: what is computed here would stand in the bundle of every worker. */
export const ENRICHMENT_FILES: { [Key in keyof Enrichment]: EnrichmentFile<Key> } = {
  severities: {
    key: 'severities',
    what: 'the list of CVSS vectors',
    names: [
      'severity/cve-cvss-vulnrichment.csv.gz',
      'cve-cvss-vulnrichment.csv.gz',
      'severity/cve-cvss-vulnrichment.csv',
      'cve-cvss-vulnrichment.csv',
    ],
    parse: readSeverities,
  },
  kev: {
    key: 'kev',
    what: 'the KEV catalogue',
    names: ['kev/known_exploited_vulnerabilities.json', 'known_exploited_vulnerabilities.json'],
    parse: readKev,
  },
  epss: {
    key: 'epss',
    what: 'the list of EPSS scores',
    names: [
      'epss/epss_scores-current.csv.gz',
      'epss_scores-current.csv.gz',
      'epss/epss_scores-current.csv',
      'epss_scores-current.csv',
    ],
    parse: readEpss,
  },
}

/** Plain text, whether the file is compressed or a server has inflated it on the way. Throws what zlib throws. */
export const inflated = (bytes: Buffer, bytesMax: number): string =>
  (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes, { maxOutputLength: bytesMax }) : bytes).toString('utf8')

/**
 * Reads a directory, files in their folders or beside each other. Its owner is here to mend it: throws
 * `advisories-invalid` when a file is damaged.
 */
export async function readEnrichment(directory: string, limits: Limits): Promise<Enrichment> {
  // A mistyped folder must not read like one that holds nothing.
  if (!existsSync(directory))
    throw new LongshoreError('config-invalid', `There is no folder ${directory} (LONGSHORE_ENRICHMENT, --enrichment)`)
  const read = async <Key extends keyof Enrichment>({ key, names, parse }: EnrichmentFile<Key>) => {
    const path = names.map((name) => join(directory, name)).find((candidate) => existsSync(candidate))
    if (!path) return NO_ENRICHMENT[key]
    let text: string
    try {
      text = inflated(await readFile(path), limits.enrichmentBytesMax)
    } catch (cause) {
      throw new LongshoreError('advisories-invalid', `The enrichment file ${path} cannot be read; replace it`, {
        cause,
      })
    }
    return parse(text, path)
  }
  return {
    severities: await read(ENRICHMENT_FILES.severities),
    kev: await read(ENRICHMENT_FILES.kev),
    epss: await read(ENRICHMENT_FILES.epss),
  }
}
