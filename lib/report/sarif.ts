/**
 * SARIF 2.1.0 (https://docs.oasis-open.org/sarif/sarif/v2.1.0/), for code scanning pages: a flaw is a rule, a finding a
 * result at the file of the image that told of the package.
 */
import type { Severity } from '../glossary.ts'
import { VERSION } from '../version.ts'
import type { Finding, Report, SuppressedFinding } from './model.ts'
import { blobsOf, jsonText, pageOf, uriPart, uuidOf } from './subject.ts'

const LEVELS: Record<Severity, 'error' | 'warning' | 'note'> = {
  Critical: 'error',
  High: 'error',
  Medium: 'warning',
  Low: 'note',
  Negligible: 'note',
  Unknown: 'note',
}

/** GitHub sorts by `security-severity`, a score; for findings without one, the middle of the severity's range. */
const SCORES: Record<Severity, number> = { Critical: 9.5, High: 8, Medium: 5.5, Low: 2, Negligible: 0.1, Unknown: 0 }

export function writeSarif(report: Report): string {
  const results: (Finding | SuppressedFinding)[] = [...report.findings, ...(report.suppressed ?? [])]
  const rules = new Map<string, { index: number; worst: Finding }>()
  for (const found of results) {
    const rule = rules.get(found.id)
    if (!rule) rules.set(found.id, { index: rules.size, worst: found })
    else if (scoreOf(found) > scoreOf(rule.worst)) rule.worst = found
  }
  const blobOf = blobsOf(report)
  return jsonText({
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'Longshore',
            version: VERSION,
            semanticVersion: VERSION,
            rules: [...rules.values()].map(({ worst }) => ruleOf(worst)),
          },
        },
        automationDetails: { id: `${report.image.replaceAll(/[^\w.:/@-]/g, '_')}/` },
        invocations: [
          {
            executionSuccessful: true,
            toolExecutionNotifications: report.gaps.map((gap) => ({ level: 'warning', message: { text: plain(gap) } })),
          },
        ],
        originalUriBaseIds: { ROOT: { uri: 'file:///', description: { text: 'The root of the image' } } },
        columnKind: 'utf16CodeUnits',
        results: results.map((found) => resultOf(found, rules.get(found.id)!.index, blobOf(found.layer))),
        properties: {
          image: report.image,
          digest: report.digest,
          platform: report.platform,
          revision: report.revision,
          coverage: report.coverage,
          filter: report.filter,
        },
      },
    ],
  })
}

const scoreOf = ({ score, severity }: Finding): number => score ?? SCORES[severity]

/** Braces and brackets mean something in messages (3.11.5, 3.11.6); what advisories say must not. */
const plain = (text: string): string => text.replace(/[\\[\]]/g, '\\$&').replace(/[{}]/g, '$&$&')

function ruleOf(worst: Finding) {
  const { id, severity, title, aliases } = worst
  return {
    id,
    name: 'VulnerablePackage',
    shortDescription: { text: title },
    fullDescription: { text: title },
    helpUri: pageOf(worst),
    help: { text: `${id}${aliases.length ? ` (${aliases.join(', ')})` : ''}: ${pageOf(worst)}` },
    defaultConfiguration: { level: LEVELS[severity] },
    properties: {
      precision: 'very-high',
      'security-severity': scoreOf(worst).toFixed(1),
      tags: ['security', 'vulnerability', severity.toUpperCase(), ...(worst.kev ? ['exploited'] : [])],
    },
  }
}

function resultOf(found: Finding | SuppressedFinding, ruleIndex: number, layerDigest: string | undefined) {
  const fix = found.fixedVersion === undefined ? 'No fixed version is known' : `Fixed in ${found.fixedVersion}`
  const exploited = found.kev ? ' Known to be exploited (CISA KEV).' : ''
  return {
    ruleId: found.id,
    ruleIndex,
    level: LEVELS[found.severity],
    message: {
      text: plain(`${found.package} ${found.version}: ${found.title} (${found.severity}). ${fix}.${exploited}`),
    },
    locations: [
      {
        physicalLocation: {
          artifactLocation: { uri: found.path.split('/').map(uriPart).join('/'), uriBaseId: 'ROOT' },
          region: { startLine: 1 },
        },
        logicalLocations: [{ fullyQualifiedName: found.purl, kind: 'package' }],
      },
    ],
    // Without the version: an update that does not help is the same finding as before.
    partialFingerprints: {
      'longshore/v1': uuidOf([found.id, found.package, found.purl.replace(/@[^@]*$/, ''), found.path].join('\n')),
    },
    suppressions: 'suppression' in found ? [suppressionOf(found)] : undefined,
    properties: {
      severity: found.severity,
      score: found.score,
      vector: found.vector,
      severitySource: found.severitySource,
      layer: found.layer,
      layerDigest,
    },
  }
}

function suppressionOf({ suppression: { status, reason, author, expires, source } }: SuppressedFinding) {
  return {
    kind: 'external',
    status: 'accepted',
    justification: `${status}: ${reason}${author ? `; by ${author}` : ''}`,
    properties: { source, expires },
  }
}
