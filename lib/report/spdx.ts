/**
 * SPDX 2.3 as JSON (https://spdx.github.io/spdx-spec/v2.3/): the image contains its packages. SPDX 2 has no place for
 * findings; each affected package refers to the pages of its flaws as security advisories. Suppressed ones are left out.
 */
import { VERSION } from '../version.ts'
import type { PackageEntry, Report } from './model.ts'
import { blobsOf, imageParts, imagePurl, jsonText, pageOf, uuidOf } from './subject.ts'

const NOT_STATED = {
  downloadLocation: 'NOASSERTION',
  filesAnalyzed: false,
  licenseConcluded: 'NOASSERTION',
  licenseDeclared: 'NOASSERTION',
  copyrightText: 'NOASSERTION',
}

const IMAGE = 'SPDXRef-Image'
const OS = 'SPDXRef-OperatingSystem'

const purlReference = (purl: string) => ({
  referenceCategory: 'PACKAGE-MANAGER',
  referenceType: 'purl',
  referenceLocator: purl,
})

export function writeSpdx(report: Report): string {
  const advisories = advisoriesOf(report)
  const blobOf = blobsOf(report)
  const body = {
    name: report.image,
    creationInfo: {
      // Seconds are all that SPDX takes.
      created: new Date(report.createdAt).toISOString().replace(/\.\d+Z$/, 'Z'),
      creators: [`Tool: longshore-${VERSION}`],
      comment: [`Advisory revision ${report.revision}, coverage ${report.coverage}`, ...report.gaps].join('\n'),
    },
    packages: [
      imageOf(report),
      ...(report.os ? [osOf(report.os)] : []),
      ...report.packages.map((pack, i) => packageOf(pack, i, blobOf(pack.layer), advisories.get(keyOf(pack)))),
    ],
    relationships: [
      relation('SPDXRef-DOCUMENT', 'DESCRIBES', IMAGE),
      ...(report.os ? [relation(IMAGE, 'CONTAINS', OS)] : []),
      ...report.packages.map((pack, i) => relation(IMAGE, 'CONTAINS', idOf(pack, i))),
    ],
  }
  return jsonText({
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: 'SPDXRef-DOCUMENT',
    documentNamespace: `https://spdx.org/spdxdocs/longshore-${uuidOf(JSON.stringify(body))}`,
    ...body,
  })
}

const keyOf = ({ purl, path }: { purl: string; path: string }) => `${purl}\n${path}`

function advisoriesOf(report: Report): Map<string, Map<string, string>> {
  const found = new Map<string, Map<string, string>>()
  for (const finding of report.findings) {
    const pages = found.get(keyOf(finding)) ?? new Map<string, string>()
    found.set(keyOf(finding), pages.set(pageOf(finding), finding.id))
  }
  return found
}

function imageOf(report: Report) {
  const [algorithm, value] = report.digest.split(':')
  const { repository } = imageParts(report.image)
  return {
    SPDXID: IMAGE,
    name: repository || report.image,
    versionInfo: report.digest,
    ...NOT_STATED,
    checksums:
      algorithm === 'sha256' || algorithm === 'sha512'
        ? [{ algorithm: algorithm.toUpperCase(), checksumValue: value }]
        : undefined,
    externalRefs: [purlReference(imagePurl(report))],
    primaryPackagePurpose: 'CONTAINER',
  }
}

/** Which advisories judge the OS packages depends on it. */
const osOf = ({ id, version }: NonNullable<Report['os']>) => ({
  SPDXID: OS,
  name: id,
  versionInfo: version,
  ...NOT_STATED,
  primaryPackagePurpose: 'OPERATING-SYSTEM',
})

/** Letters, digits, dots and dashes are all an SPDXID may hold; the number makes it unique. */
const idOf = ({ name }: PackageEntry, i: number) => `SPDXRef-Package-${i + 1}-${name.replace(/[^A-Za-z0-9.]+/g, '-')}`

function packageOf(pack: PackageEntry, i: number, blob: string | undefined, advisories = new Map<string, string>()) {
  const source = pack.source && ` of the source package ${pack.source.name} ${pack.source.version}`
  return {
    SPDXID: idOf(pack, i),
    name: pack.name,
    versionInfo: pack.version,
    ...NOT_STATED,
    sourceInfo: `from ${pack.path} in layer ${pack.layer}${source ?? ''}`,
    comment: blob && `layer blob ${blob}`,
    externalRefs: [
      purlReference(pack.purl),
      ...[...advisories].map(([page, id]) => ({
        referenceCategory: 'SECURITY',
        referenceType: 'advisory',
        referenceLocator: page,
        comment: id,
      })),
    ],
    primaryPackagePurpose: 'LIBRARY',
  }
}

const relation = (from: string, relationshipType: string, to: string) => ({
  spdxElementId: from,
  relationshipType,
  relatedSpdxElement: to,
})
