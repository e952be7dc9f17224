/** Documents that people and other tools write: SBOMs, VEX, ignore files, package URLs, vectors, os-release. */
import { defaultLimits } from '../../../lib/config.ts'
import { distributionOf } from '../../../lib/scan/distribution.ts'
import { readExceptions } from '../../../lib/scan/exceptions/read.ts'
import { readSbom } from '../../../lib/scan/inputs/sbom.ts'
import { judgesOf } from '../../../lib/scan/judges.ts'
import { OS_FILES, readOs } from '../../../lib/scan/os.ts'
import { parsePlatform } from '../../../lib/scan/platform.ts'
import { parsePurl } from '../../../lib/scan/purl.ts'
import { sbomOf } from '../../../lib/scan/sbom.ts'
import { cvssScore } from '../../../lib/scan/severity.ts'
import { hold, refusing, type Target } from '../target.ts'

const json = (...documents: unknown[]) => documents.map((document) => Buffer.from(JSON.stringify(document)))
const texts = (...inputs: string[]) => inputs.map((text) => Buffer.from(text))
const digest = `sha256:${'a'.repeat(64)}`

const CYCLONEDX = {
  bomFormat: 'CycloneDX',
  specVersion: '1.6',
  metadata: {
    component: {
      type: 'container',
      name: 'team/app',
      version: digest,
      'bom-ref': 'app',
      purl: `pkg:oci/app@${digest}`,
    },
    tools: { components: [{ name: 'syft', version: '1' }] },
  },
  components: [
    { type: 'operating-system', name: 'debian', version: '12' },
    {
      type: 'library',
      name: 'libc6',
      version: '2.36',
      purl: 'pkg:deb/debian/libc6@2.36?arch=amd64&distro=debian-12&upstream=glibc',
      properties: [{ name: 'aquasecurity:trivy:SrcName', value: 'glibc' }],
    },
    {
      type: 'library',
      name: 'a',
      version: '1',
      purl: 'pkg:npm/%40s/a@1.0.0',
      components: [{ type: 'library', name: 'b' }],
    },
  ],
  compositions: [{ aggregate: 'complete', assemblies: ['app'] }],
}
const SPDX = {
  spdxVersion: 'SPDX-2.3',
  name: 'app',
  documentDescribes: ['SPDXRef-app'],
  packages: [
    { SPDXID: 'SPDXRef-app', name: 'app', primaryPackagePurpose: 'CONTAINER' },
    {
      SPDXID: 'SPDXRef-a',
      name: 'a',
      versionInfo: '1',
      sourceInfo: 'built package from: glibc 2.36',
      externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: 'pkg:npm/a@1' }],
    },
  ],
  relationships: [
    { spdxElementId: 'SPDXRef-DOCUMENT', relationshipType: 'DESCRIBES', relatedSpdxElement: 'SPDXRef-app' },
  ],
}
const OPENVEX = {
  '@context': 'https://openvex.dev/ns/v0.2.0',
  '@id': 'x',
  author: 'a',
  timestamp: '2026-01-01T00:00:00Z',
  statements: [
    {
      vulnerability: { name: 'CVE-2026-1', aliases: ['GHSA-x'] },
      products: [{ '@id': 'pkg:oci/app', subcomponents: [{ '@id': 'pkg:npm/a@1' }] }],
      status: 'not_affected',
      justification: 'component_not_present',
    },
  ],
}
const CYCLONEDX_VEX = {
  bomFormat: 'CycloneDX',
  specVersion: '1.5',
  vulnerabilities: [
    {
      id: 'CVE-2026-1',
      analysis: { state: 'not_affected', detail: 'x' },
      affects: [{ ref: 'urn:cdx:x/1#pkg:npm/a@1' }],
    },
  ],
}

const sbom: Target = {
  name: 'sbom',
  seeds: {
    inputs: json(CYCLONEDX, SPDX),
    words: ['"purl":', '"components":', 'pkg:deb/', '"SPDX-2.2"', '"1.2"', 'null', '[]', '{}'],
  },
  run(input) {
    const read = refusing(() => readSbom(input, 'x.json', defaultLimits))
    if (!read) return
    for (const found of read.inventory.packages)
      hold(typeof found.name === 'string' && found.name !== '', 'a package without a name')
    // What was read is written, and read again with the same packages.
    const again = readSbom(Buffer.from(sbomOf(read.inventory, read.image)), 'y.json', defaultLimits)
    hold(
      again.inventory.packages.length === read.inventory.packages.length,
      'packages are lost on the way through our own SBOM',
    )
  },
}

const exceptions = (name: string, file: string, inputs: Buffer[], words: string[], share = 1): Target => ({
  name,
  share,
  seeds: { inputs, words },
  run(input) {
    for (const rule of refusing(() => readExceptions(file, input.toString('utf8'))) ?? [])
      hold(rule.ids.length > 0 && rule.ids.every((id) => id !== ''), 'a rule for everything came of it')
  },
})

const osFiles: Target = {
  name: 'os',
  seeds: {
    inputs: texts(
      'PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\nVERSION_ID="12"\n',
      "ID='alpine'\nVERSION_ID=3.19.1\nID_LIKE=x\n",
      'CentOS Linux release 7.9.2009 (Core)\n',
      'ID="rhel"\nVERSION_ID="9.3"\nPLATFORM_ID="platform:el9"\n',
      'ID="sles"\nVERSION_ID="15.5"\n',
    ),
    words: ['ID=', 'VERSION_ID=', '"', "'", '$(x)', 'release ', 'sid', 'rolling'],
  },
  run(input) {
    const os = readOs({ [OS_FILES[input.length % OS_FILES.length]!]: input.toString('utf8') })
    distributionOf(os)
    judgesOf(os)
  },
}

const lines: Target = {
  name: 'words',
  seeds: {
    inputs: texts(
      'pkg:deb/debian/libc6@2.36-9%2Bdeb12?arch=amd64&distro=debian-12#sub/path',
      'pkg:npm/%40scope/name@1.0.0',
      'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H/E:P/RL:O/RC:C',
      'CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H/MSI:S',
      'AV:N/AC:L/Au:N/C:P/I:P/A:P',
      'linux/arm64/v8',
    ),
    words: ['pkg:', '@', '?', '#', '&', '%2F', 'CVSS:4.0/', 'AV:', '/'],
  },
  run(input) {
    const text = input.toString('utf8')
    const purl = parsePurl(text)
    if (purl) hold(purl.type !== '' && purl.name !== '', 'a package URL without type or name')
    const score = cvssScore(text)
    hold(score === undefined || (score >= 0 && score <= 10), `a score of ${score}`)
    refusing(() => parsePlatform(text))
  },
}

export const documents: readonly Target[] = [
  sbom,
  exceptions('openvex', 'vex.json', json(OPENVEX), ['"affected"', '"fixed"', '"products"']),
  exceptions('cyclonedx-vex', 'vex.cdx.json', json(CYCLONEDX_VEX), ['"state"', '"resolved"', '"ref"']),
  exceptions('trivyignore', '.trivyignore', texts('# why\nCVE-2026-1 exp:2027-01-01\nGHSA-x\n'), ['exp:', '#']),
  exceptions(
    'trivyignore-yaml',
    '.trivyignore.yaml',
    texts(
      'vulnerabilities:\n  - id: CVE-2026-1\n    paths: ["a/**"]\n    purls: [pkg:npm/a]\n    expired_at: 2027-01-01\n    statement: why\n',
    ),
    ['  - ', ': ', '&a ', '*a', '<<: ', '!!js/function ', '|\n', '? '],
    0.3,
  ),
  osFiles,
  lines,
]
