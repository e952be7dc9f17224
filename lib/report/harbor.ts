/**
 * Harbor's vulnerability report, `application/vnd.security.vulnerability.report; version=1.1`, of the pluggable scanner
 * API. Suppressed findings are left out: Harbor keeps allowlists of its own. The API has no word for a report that is
 * not whole; its schema takes further fields, and `vendor_attributes` is the name it has for them elsewhere.
 */
import { SEVERITIES } from '../glossary.ts'
import { VERSION } from '../version.ts'
import type { Finding, Report } from './model.ts'
import { blobsOf, cvssVersion, imageParts, jsonText, pageOf } from './subject.ts'
import { cvss } from './trivy.ts'

export function writeHarbor(report: Report): string {
  const { repository, tag } = imageParts(report.image)
  const blobOf = blobsOf(report)
  return jsonText({
    generated_at: report.createdAt,
    artifact: { repository, digest: report.digest, tag: tag || undefined },
    scanner: { name: 'Longshore', vendor: 'Longshore', version: VERSION },
    severity: SEVERITIES.find((level) => report.summary[level] > 0) ?? 'Unknown',
    vulnerabilities: report.findings.map((found) => vulnerability(found, blobOf(found.layer))),
    vendor_attributes: { revision: report.revision, coverage: report.coverage, gaps: report.gaps },
  })
}

function vulnerability(found: Finding, blob: string | undefined) {
  const { vector, score } = found
  const version = vector === undefined ? undefined : cvssVersion(vector)
  const three = version === 3 || version === 3.1
  return {
    id: found.id,
    package: found.package,
    version: found.version,
    fix_version: found.fixedVersion ?? '',
    severity: found.severity,
    status: found.status,
    description: found.title,
    links: [pageOf(found)],
    layer: { digest: blob, diff_id: found.layer },
    // Of CVSS 2 and 3 only; a vector of another version stands with the vendor's attributes.
    preferred_cvss:
      three || version === 2
        ? { [three ? 'score_v3' : 'score_v2']: score, [three ? 'vector_v3' : 'vector_v2']: vector }
        : undefined,
    cwe_ids: [],
    vendor_attributes: {
      CVSS: vector === undefined ? undefined : { [found.severitySource ?? 'unknown']: cvss(vector, score) },
      path: found.path,
      purl: found.purl,
      aliases: found.aliases,
      kev: found.kev,
    },
  }
}
