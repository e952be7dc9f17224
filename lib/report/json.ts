/** The report as JSON (design section 5), keys always in one order, so that equal reports are equal bytes. */
import { SEVERITIES } from '../glossary.ts'
import type { Finding, PackageEntry, Report, SuppressedFinding } from './model.ts'

const packageEntry = ({ name, version, purl, path, layer, source }: PackageEntry): PackageEntry => ({
  name,
  version,
  purl,
  path,
  layer,
  ...(source ? { source: { name: source.name, version: source.version } } : {}),
})

const finding = (found: Finding): Finding => ({
  id: found.id,
  aliases: [...found.aliases],
  package: found.package,
  version: found.version,
  purl: found.purl,
  path: found.path,
  layer: found.layer,
  severity: found.severity,
  ...(found.score === undefined ? {} : { score: found.score }),
  ...(found.vector === undefined ? {} : { vector: found.vector }),
  ...(found.severitySource === undefined ? {} : { severitySource: found.severitySource }),
  ...(found.fixedVersion === undefined ? {} : { fixedVersion: found.fixedVersion }),
  status: found.status,
  title: found.title,
  url: found.url,
  kev: found.kev,
  ...(found.epss === undefined ? {} : { epss: found.epss }),
  ...(found.publishedAt === undefined ? {} : { publishedAt: found.publishedAt }),
})

const suppressed = ({ suppression, ...found }: SuppressedFinding): SuppressedFinding => ({
  ...finding(found),
  // What is undefined is not written.
  suppression: {
    status: suppression.status,
    reason: suppression.reason,
    justification: suppression.justification,
    author: suppression.author,
    expires: suppression.expires,
    source: suppression.source,
  } as SuppressedFinding['suppression'],
})

/** The report with every key in its place. */
function orderedReport(report: Report): Report {
  return {
    image: report.image,
    digest: report.digest,
    platform: report.platform,
    ...(report.os ? { os: { id: report.os.id, version: report.os.version } } : {}),
    createdAt: report.createdAt,
    revision: report.revision,
    sources: report.sources.map(({ ecosystem, modified }) => ({ ecosystem, modified })),
    ...(report.advisoriesAgeDays === undefined ? {} : { advisoriesAgeDays: report.advisoriesAgeDays }),
    coverage: report.coverage,
    gaps: [...report.gaps],
    summary: Object.fromEntries(SEVERITIES.map((name) => [name, report.summary[name]])) as Report['summary'],
    fixable: report.fixable,
    ...(report.layers ? { layers: report.layers.map(({ digest, diffId }) => ({ digest, diffId })) } : {}),
    packages: report.packages.map(packageEntry),
    findings: report.findings.map(finding),
    ...(report.suppressed ? { suppressed: report.suppressed.map(suppressed) } : {}),
    ...(report.filter ? { filter: report.filter } : {}),
  }
}

/** Ends with a newline. */
export const writeJson = (report: Report): string => `${JSON.stringify(orderedReport(report), null, 2)}\n`
