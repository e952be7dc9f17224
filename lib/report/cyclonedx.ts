/**
 * CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/): the packages of an image as an SBOM, and a report as the same
 * SBOM with its vulnerabilities. No time and no chance of their own: equal content gives equal bytes.
 *
 * Properties under `aquasecurity:trivy:` are those Trivy writes and reads: without the source package a scanner that is
 * given this SBOM could not match OS packages by the advisories of their distribution.
 */
import type { Severity } from '../glossary.ts'
import { VERSION } from '../version.ts'
import type { Finding, PackageEntry, Report, SuppressedFinding, Suppression } from './model.ts'
import {
  blobsOf,
  cvssVersion,
  imagePurl,
  jsonText,
  osvPage,
  pageOf,
  purlParts,
  type Subject,
  uriPart,
  uuidOf,
} from './subject.ts'

/** The packages alone: what an inventory is downloaded and pushed as. */
export const writeSbom = (subject: Subject): string => document(subject, {})

export const writeCycloneDx = (report: Report): string => {
  const refs = refsOf(report.packages)
  return document(report, {
    properties: [
      { name: 'longshore:revision', value: report.revision },
      { name: 'longshore:coverage', value: report.coverage },
    ],
    vulnerabilities: grouped([...report.findings, ...(report.suppressed ?? [])]).map((group) =>
      vulnerability(group, refs),
    ),
  })
}

interface Extra {
  properties?: { name: string; value: string }[]
  vulnerabilities?: unknown[]
}

function document(subject: Subject, { properties = [], vulnerabilities }: Extra): string {
  const { os, gaps, layers = [] } = subject
  const blobOf = blobsOf(subject)
  const refs = refsOf(subject.packages)
  const root = imagePurl(subject)
  const bom = {
    version: 1,
    metadata: {
      timestamp: subject.createdAt,
      tools: { components: [{ type: 'application', name: 'longshore', version: VERSION }] },
      component: {
        type: 'container',
        'bom-ref': root,
        name: subject.image || subject.digest,
        version: subject.digest,
        purl: root,
      },
      properties: [
        { name: 'longshore:platform', value: subject.platform },
        ...properties,
        ...gaps.map((value) => ({ name: 'longshore:gap', value })),
        ...layers.map(({ digest, diffId }) => ({ name: 'longshore:layer', value: `${digest} ${diffId}` })),
      ],
    },
    components: [
      ...(os ? [{ type: 'operating-system', 'bom-ref': `os:${os.id}`, name: os.id, version: os.version }] : []),
      ...subject.packages.map((pack) => component(pack, refs, blobOf(pack.layer))),
    ],
    // What no scanner looks for is not known to be absent, so it never says `complete`.
    compositions: [{ aggregate: gaps.length ? 'incomplete' : 'unknown', assemblies: [root] }],
    vulnerabilities,
  }
  return jsonText({
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify(bom))}`,
    ...bom,
  })
}

const placeOf = ({ purl, path }: { purl: string; path: string }) => `${purl}\n${path}`

/** The purl, and for a package that is there more than once its path as well. */
function refsOf(packages: readonly PackageEntry[]): Map<string, string> {
  const times = new Map<string, number>()
  for (const { purl } of packages) times.set(purl, (times.get(purl) ?? 0) + 1)
  return new Map(
    packages.map((pack) => [placeOf(pack), times.get(pack.purl) === 1 ? pack.purl : `${pack.purl}#${pack.path}`]),
  )
}

/** Ecosystems whose names consist of a group and a name; of OS packages the namespace is the distribution. */
const GROUPED = new Set(['npm', 'maven', 'composer'])

function component(pack: Subject['packages'][number], refs: Map<string, string>, blob: string | undefined) {
  const { type } = purlParts(pack.purl)
  const at = type === 'maven' ? pack.name.indexOf(':') : pack.name.lastIndexOf('/')
  const apart = GROUPED.has(type) && at > 0
  const trivy = {
    SrcName: pack.source?.name,
    SrcVersion: pack.source?.version,
    LayerDiffID: pack.layer,
    LayerDigest: blob,
  }
  return {
    type: 'library',
    'bom-ref': refs.get(placeOf(pack)),
    group: apart ? pack.name.slice(0, at) : undefined,
    name: apart ? pack.name.slice(at + 1) : pack.name,
    version: pack.version,
    purl: pack.purl,
    properties: [
      ...Object.entries(trivy).flatMap(([key, value]) =>
        value === undefined ? [] : [{ name: `aquasecurity:trivy:${key}`, value }],
      ),
      ...(pack.owned ? [{ name: 'longshore:owned', value: 'true' }] : []),
    ],
    evidence: { occurrences: [{ location: pack.path }] },
  }
}

/** Findings that say the same of one flaw, in their order. */
function grouped(findings: readonly (Finding | SuppressedFinding)[]): (Finding | SuppressedFinding)[][] {
  const groups = new Map<string, Finding[]>()
  for (const found of findings) {
    const { id, severity, vector, title } = found
    const key = JSON.stringify([id, severity, vector, title, suppressionOf(found)])
    const group = groups.get(key)
    if (group) group.push(found)
    else groups.set(key, [found])
  }
  return [...groups.values()]
}

const suppressionOf = (found: Finding | SuppressedFinding): Suppression | undefined =>
  'suppression' in found ? found.suppression : undefined

const SEVERITY_WORDS: Record<Severity, string> = {
  Critical: 'critical',
  High: 'high',
  Medium: 'medium',
  Low: 'low',
  Negligible: 'info',
  Unknown: 'unknown',
}

const METHODS = { 2: 'CVSSv2', 3: 'CVSSv3', 3.1: 'CVSSv31', 4: 'CVSSv4' }

function vulnerability(group: (Finding | SuppressedFinding)[], refs: Map<string, string>) {
  const first = group[0]!
  const suppression = suppressionOf(first)
  const fixes = [...new Set(group.flatMap((one) => (one.fixedVersion ? [`${one.package} ${one.fixedVersion}`] : [])))]
  return {
    id: first.id,
    source: sourceOf(first.id),
    references: first.aliases.length ? first.aliases.map((id) => ({ id, source: sourceOf(id) })) : undefined,
    ratings: [
      {
        source: first.severitySource === undefined ? undefined : { name: first.severitySource },
        score: first.score,
        severity: SEVERITY_WORDS[first.severity],
        method: first.vector === undefined ? undefined : METHODS[cvssVersion(first.vector)],
        vector: first.vector,
      },
    ],
    description: first.title,
    recommendation: fixes.length ? `Fixed in ${fixes.join(', ')}` : undefined,
    advisories: [{ url: pageOf(first) }],
    published: first.publishedAt,
    analysis: suppression && analysis(suppression),
    affects: [...new Map(group.map((one) => [placeOf(one), one])).values()].map((one) => ({
      ref: refs.get(placeOf(one)) ?? one.purl,
      versions: [{ version: one.version, status: 'affected' }],
    })),
    properties: first.kev ? [{ name: 'longshore:kev', value: 'true' }] : undefined,
  }
}

function sourceOf(id: string): { name: string; url: string } {
  if (id.startsWith('CVE-')) return { name: 'NVD', url: `https://nvd.nist.gov/vuln/detail/${uriPart(id)}` }
  if (id.startsWith('GHSA-')) return { name: 'GitHub', url: `https://github.com/advisories/${uriPart(id)}` }
  return { name: 'OSV', url: osvPage(id) }
}

/** The words of OpenVEX in those of CycloneDX. */
const JUSTIFICATIONS: Record<string, string> = {
  component_not_present: 'code_not_present',
  vulnerable_code_not_present: 'code_not_present',
  vulnerable_code_not_in_execute_path: 'code_not_reachable',
  vulnerable_code_cannot_be_controlled_by_adversary: 'requires_environment',
  inline_mitigations_already_exist: 'protected_by_mitigating_control',
}

/** Accepting a risk says nothing about the state: the flaw is there, and nothing will be done. */
const analysis = ({ status, reason, justification, author, expires, source }: Suppression) => ({
  state: status === 'ignored' ? undefined : status === 'fixed' ? 'resolved' : status,
  justification: status === 'not_affected' ? JUSTIFICATIONS[justification ?? ''] : undefined,
  response: status === 'ignored' ? ['will_not_fix'] : undefined,
  detail: [reason, author && `by ${author}`, expires && `until ${expires}`, `from ${source}`]
    .filter(Boolean)
    .join('; '),
})
