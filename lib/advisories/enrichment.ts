/**
 * Facts about CVEs that the records lack: CVSS vectors (CISA Vulnrichment) and known exploitation (CISA KEV), read from
 * the directory of LONGSHORE_ENRICHMENT. What is absent is simply not joined.
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
}

export const NO_ENRICHMENT: Enrichment = { severities: new Map(), kev: new Map() }

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

/** Reads the directory, files in their folders or beside each other. Throws `advisories-invalid` when one is damaged. */
export async function readEnrichment(directory: string, limits: Limits): Promise<Enrichment> {
  const bytesMax = limits.enrichmentBytesMax
  const csv = 'cve-cvss-vulnrichment.csv'
  const severity = await readBounded(directory, [`severity/${csv}.gz`, `${csv}.gz`, `severity/${csv}`, csv], bytesMax)
  const catalogue = 'known_exploited_vulnerabilities.json'
  const kev = await readBounded(directory, [`kev/${catalogue}`, catalogue], bytesMax)
  return {
    severities: severity ? readSeverities(severity.toString('utf8')) : new Map(),
    kev: kev ? readKev(kev.toString('utf8'), directory) : new Map(),
  }
}
