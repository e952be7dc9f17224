/**
 * Facts about CVEs that the records lack: CVSS vectors (CISA Vulnrichment), known exploitation (CISA KEV) and its
 * probability (EPSS of FIRST), read from the directory of LONGSHORE_ENRICHMENT. What is absent is simply not joined.
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

async function readBounded(directory: string, paths: string[], bytesMax: number): Promise<Buffer | undefined> {
  const path = paths.map((name) => join(directory, name)).find((candidate) => existsSync(candidate))
  if (!path) return undefined
  try {
    const bytes = await readFile(path)
    return path.endsWith('.gz') ? gunzipSync(bytes, { maxOutputLength: bytesMax }) : bytes
  } catch (cause) {
    throw new LongshoreError('advisories-invalid', `The enrichment file ${path} cannot be read; replace it`, { cause })
  }
}

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

function readKev(text: string, path: string): Map<string, string> {
  const kev = new Map<string, string>()
  let catalogue: unknown
  try {
    catalogue = JSON.parse(text)
  } catch (cause) {
    throw new LongshoreError('advisories-invalid', `The KEV catalogue in ${path} is not JSON; download it again`, {
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

/** Reads the directory, files in their folders or beside each other. Throws `advisories-invalid` when one is damaged. */
export async function readEnrichment(directory: string, limits: Limits): Promise<Enrichment> {
  const bytesMax = limits.enrichmentBytesMax
  const csv = 'cve-cvss-vulnrichment.csv'
  const severity = await readBounded(directory, [`severity/${csv}.gz`, `${csv}.gz`, `severity/${csv}`, csv], bytesMax)
  const catalogue = 'known_exploited_vulnerabilities.json'
  const kev = await readBounded(directory, [`kev/${catalogue}`, catalogue], bytesMax)
  const scores = 'epss_scores-current.csv'
  const epss = await readBounded(directory, [`epss/${scores}.gz`, `${scores}.gz`, `epss/${scores}`, scores], bytesMax)
  return {
    epss: epss ? readEpss(epss.toString('utf8')) : new Map(),
    severities: severity ? readSeverities(severity.toString('utf8')) : new Map(),
    kev: kev ? readKev(kev.toString('utf8'), directory) : new Map(),
  }
}
