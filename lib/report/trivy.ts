/**
 * The JSON of `trivy image -f json` (schema 2), for what was built to read it: a result for the OS packages, one for each
 * language (or for each file, where Trivy does so), with the packages and their vulnerabilities.
 */
import type { Severity } from '../glossary.ts'
import type { Finding, PackageEntry, Report, SuppressedFinding } from './model.ts'
import { blobsOf, cvssVersion, imageParts, jsonText, pageOf, purlParts } from './subject.ts'

/** By type of package URL. With a target all packages of the image are one result, without each file is one. */
const LANGUAGES: Record<string, { type: string; target?: string }> = {
  npm: { type: 'node-pkg', target: 'Node.js' },
  pypi: { type: 'python-pkg', target: 'Python' },
  gem: { type: 'gemspec', target: 'Ruby' },
  maven: { type: 'jar', target: 'Java' },
  golang: { type: 'gobinary' },
  cargo: { type: 'rustbinary' },
  composer: { type: 'composer-vendor' },
  nuget: { type: 'dotnet-core' },
}

const OS_TYPES = new Set(['deb', 'apk', 'rpm', 'alpm'])

/** Distributions that Trivy calls otherwise than their os-release does. */
const FAMILIES: Record<string, string> = { rhel: 'redhat', almalinux: 'alma', ol: 'oracle', amzn: 'amazon' }

/** Trivy has no Negligible and counts what Debian calls unimportant as low. */
const severityWord = (severity: Severity): string => (severity === 'Negligible' ? 'LOW' : severity.toUpperCase())

interface Result {
  target: string
  class: 'os-pkgs' | 'lang-pkgs'
  type: string
}

export function writeTrivy(report: Report): string {
  const { registry, repository, tag } = imageParts(report.image)
  const name = registry ? `${registry}/${repository}` : repository
  const family = report.os && (FAMILIES[report.os.id] ?? report.os.id)
  return jsonText({
    SchemaVersion: 2,
    CreatedAt: report.createdAt,
    ArtifactName: report.image,
    ArtifactType: 'container_image',
    Metadata: {
      OS: report.os && { Family: family, Name: report.os.version },
      RepoTags: tag ? [`${name}:${tag}`] : undefined,
      RepoDigests: [`${name}@${report.digest}`],
      DiffIDs: report.layers?.map(({ diffId }) => diffId) ?? [...new Set(report.packages.map(({ layer }) => layer))],
      Layers: report.layers?.map(({ digest, diffId }) => ({ Digest: digest, DiffID: diffId })),
      // Trivy has no word for a report that is not whole; what reads its reports passes over fields it does not know.
      Longshore: { Revision: report.revision, Coverage: report.coverage, Gaps: report.gaps },
    },
    Results: resultsOf(report, family),
  })
}

/** What a package or a finding says of its layer. */
type LayerOf = (found: { layer: string }) => { Digest: string | undefined; DiffID: string }

function resultsOf(report: Report, family: string | undefined) {
  const blobOf = blobsOf(report)
  const layerOf: LayerOf = ({ layer }) => ({ Digest: blobOf(layer), DiffID: layer })
  const results = new Map<
    string,
    { result: Result; packages: PackageEntry[]; findings: Finding[]; modified: SuppressedFinding[] }
  >()
  const of = ({ purl, path }: { purl: string; path: string }) => {
    const result = resultOf(purl, path, report, family)
    const key = `${result.type}\n${result.target}`
    let group = results.get(key)
    if (!group) {
      group = { result, packages: [], findings: [], modified: [] }
      results.set(key, group)
    }
    return group
  }
  for (const pack of report.packages) of(pack).packages.push(pack)
  for (const found of report.findings) of(found).findings.push(found)
  for (const found of report.suppressed ?? []) of(found).modified.push(found)
  const order = ({ result }: { result: Result }) =>
    `${result.class === 'os-pkgs' ? 0 : 1}${result.type}\n${result.target}`
  return [...results.values()]
    .sort((a, b) => (order(a) < order(b) ? -1 : 1))
    .map(({ result, packages, findings, modified }) => ({
      Target: result.target,
      Class: result.class,
      Type: result.type,
      Packages: packages.map((pack) => packageOf(pack, result, layerOf)),
      Vulnerabilities: findings.length ? findings.map((found) => vulnerability(found, result, layerOf)) : undefined,
      ExperimentalModifiedFindings: modified.length
        ? modified.map((found) => modifiedFinding(found, result, layerOf))
        : undefined,
    }))
}

function resultOf(purl: string, path: string, report: Report, family: string | undefined): Result {
  const { type } = purlParts(purl)
  if (!OS_TYPES.has(type)) {
    const language = LANGUAGES[type]
    return { target: language?.target ?? path, class: 'lang-pkgs', type: language?.type ?? type }
  }
  const os = family ? ` (${family} ${report.os?.version ?? ''})` : ''
  return { target: `${report.image}${os}`, class: 'os-pkgs', type: family ?? type }
}

const packageOf = (pack: PackageEntry, { class: kind }: Result, layerOf: LayerOf) => ({
  ID: `${pack.name}@${pack.version}`,
  Name: pack.name,
  Identifier: { PURL: pack.purl },
  Version: pack.version,
  SrcName: pack.source?.name,
  SrcVersion: pack.source?.version,
  Layer: layerOf(pack),
  FilePath: kind === 'lang-pkgs' ? pack.path : undefined,
})

/** `GHSA-x` is ghsa, `DEBIAN-CVE-x` debian, `CVE-x` nvd: the publishers as Trivy names them. */
const publisher = (source = 'osv'): string => {
  const word = /^[A-Za-z]+/.exec(source)?.[0].toLowerCase() ?? 'osv'
  return word === 'cve' ? 'nvd' : word
}

function vulnerability(found: Finding, { class: kind }: Result, layerOf: LayerOf) {
  const from = publisher(found.severitySource)
  return {
    VulnerabilityID: found.id,
    VendorIDs: found.aliases.length ? found.aliases : undefined,
    PkgID: `${found.package}@${found.version}`,
    PkgName: found.package,
    PkgPath: kind === 'lang-pkgs' ? found.path : undefined,
    PkgIdentifier: { PURL: found.purl },
    InstalledVersion: found.version,
    FixedVersion: found.fixedVersion,
    Status: found.status,
    Layer: layerOf(found),
    SeveritySource: found.severitySource === undefined ? undefined : from,
    PrimaryURL: pageOf(found),
    Title: found.title,
    Severity: severityWord(found.severity),
    CVSS: found.vector === undefined ? undefined : { [from]: cvss(found.vector, found.score) },
    References: [pageOf(found)],
    PublishedDate: found.publishedAt,
  }
}

/** Vector and score under the keys of their version. */
export function cvss(vector: string, score: number | undefined): Record<string, string | number | undefined> {
  const version = { 2: 'V2', 3: 'V3', 3.1: 'V3', 4: 'V40' }[cvssVersion(vector)]
  return { [`${version}Vector`]: vector, [`${version}Score`]: score }
}

const modifiedFinding = (found: SuppressedFinding, result: Result, layerOf: LayerOf) => ({
  Type: 'vulnerability',
  Status: found.suppression.status === 'false_positive' ? 'not_affected' : found.suppression.status,
  Statement: found.suppression.justification ?? found.suppression.reason,
  Source: found.suppression.source,
  Finding: vulnerability(found, result, layerOf),
})
