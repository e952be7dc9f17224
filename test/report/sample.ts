/** A report that has everything: several ecosystems, a package that is there twice, hostile text, every CVSS, exceptions. */

import type { Finding, PackageEntry, Report, SuppressedFinding } from '../../lib/report/model.ts'
import { countsOf } from '../../lib/report/select.ts'

export const LAYERS = ['a', 'b'].map((letter) => `sha256:${letter.repeat(64)}`) as [string, string]

/** Of the blobs these layers lie in; a third layer brought no package. */
export const BLOBS = ['1', '2', '3'].map((digit) => `sha256:${digit.repeat(64)}`) as [string, string, string]

export const HOSTILE =
  '=cmd|\' /C calc\'!A0 <script>alert("1")</script> [x](javascript:1) {0} \u202etxt\u0000\n"quoted", ok'

const pack = (name: string, version: string, purl: string, path: string, source?: PackageEntry['source']) => ({
  name,
  version,
  purl,
  path,
  layer: path.startsWith('var') || path.startsWith('lib') ? LAYERS[0] : LAYERS[1],
  ...(source ? { source } : {}),
})

export const PACKAGES: PackageEntry[] = [
  pack('libc6', '2.36-9', 'pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12', 'var/lib/dpkg/status', {
    name: 'glibc',
    version: '2.36-9',
  }),
  pack('libssl3', '1:3.0.11-1~x', 'pkg:deb/debian/libssl3@1:3.0.11-1~x?distro=debian-12', 'var/lib/dpkg/status'),
  pack('@babel/core', '7.0.0', 'pkg:npm/%40babel/core@7.0.0', 'app/node_modules/@babel/core/package.json'),
  pack('lodash', '4.17.20', 'pkg:npm/lodash@4.17.20', 'app/node_modules/lodash/package.json'),
  pack('lodash', '4.17.20', 'pkg:npm/lodash@4.17.20', 'app/node_modules/a b/node_modules/lodash/package.json'),
  pack(
    'org.apache.logging.log4j:log4j-core',
    '2.14.1',
    'pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1',
    'app/lib/log4j-core.jar',
  ),
  pack('golang.org/x/net', 'v0.1.0', 'pkg:golang/golang.org/x/net@v0.1.0', 'usr/bin/tool'),
]

export const finding = (id: string, found: PackageEntry, more: Partial<Finding> = {}): Finding => ({
  id,
  aliases: [],
  package: found.name,
  version: found.version,
  purl: found.purl,
  path: found.path,
  layer: found.layer,
  severity: 'Unknown',
  status: more.fixedVersion === undefined ? 'affected' : 'fixed',
  title: `${id} in ${found.name}`,
  url: `https://security-tracker.debian.org/tracker/${id}`,
  kev: false,
  ...more,
})

const [libc, ssl, babel, lodash, nested, log4j, net] = PACKAGES as [
  PackageEntry,
  PackageEntry,
  PackageEntry,
  PackageEntry,
  PackageEntry,
  PackageEntry,
  PackageEntry,
]

export const FINDINGS: Finding[] = [
  finding('CVE-2021-44228', log4j, {
    aliases: ['GHSA-jfh8-c2jp-5v3q'],
    severity: 'Critical',
    score: 10,
    vector: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H',
    severitySource: 'GHSA-jfh8-c2jp-5v3q',
    fixedVersion: '2.15.0',
    kev: true,
    publishedAt: '2021-12-10T00:40:56.000Z',
  }),
  finding('CVE-2020-28500', lodash, {
    aliases: ['GHSA-29mw-wpgm-hmr9', HOSTILE],
    severity: 'High',
    score: 7.5,
    vector: 'AV:N/AC:L/Au:N/C:N/I:N/A:P',
    severitySource: 'GHSA-29mw-wpgm-hmr9',
    fixedVersion: '4.17.21',
    title: HOSTILE,
    url: 'javascript:alert(1)',
  }),
  finding('CVE-2020-28500', nested, {
    severity: 'Medium',
    title: HOSTILE,
    url: 'https://x.test/a b"<>',
    fixedVersion: '4.17.21',
  }),
  finding('CVE-2023-1', libc, {
    severity: 'Medium',
    score: 6.9,
    vector: 'CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N',
    severitySource: 'vulnrichment:cna',
  }),
  finding('CVE-2023-2', ssl, { severity: 'Negligible', severitySource: 'DEBIAN-CVE-2023-2' }),
  finding('GO-2023-1988', net, { publishedAt: '0001-01-01T00:00:00.000Z' }),
]

export const SUPPRESSED: SuppressedFinding[] = [
  {
    ...finding('CVE-2019-9', babel, { severity: 'Low', score: 3.1, fixedVersion: '7.0.1' }),
    suppression: { status: 'ignored', reason: HOSTILE, author: 'ann', expires: '2027-01-01', source: '.trivyignore' },
  },
  {
    ...finding('CVE-2023-1', ssl, { severity: 'Medium' }),
    suppression: {
      status: 'not_affected',
      reason: 'the code is not there',
      justification: 'vulnerable_code_not_present',
      source: 'vex.json',
    },
  },
]

export const sample = (more: Partial<Report> = {}): Report => ({
  image: 'registry.test:5000/team/app:1.0',
  digest: `sha256:${'d'.repeat(64)}`,
  platform: 'linux/amd64',
  os: { id: 'debian', version: '12' },
  createdAt: '2026-11-20T01:02:03.456Z',
  revision: '20261120-abc',
  sources: [{ ecosystem: 'Debian', modified: '2026-11-20T00:00:00.000Z' }],
  coverage: 'partial',
  gaps: ['opt/[x].jar {cannot} be read'],
  ...countsOf(FINDINGS),
  layers: [
    { digest: BLOBS[0], diffId: LAYERS[0] },
    { digest: BLOBS[2], diffId: `sha256:${'c'.repeat(64)}` },
    { digest: BLOBS[1], diffId: LAYERS[1] },
  ],
  packages: PACKAGES,
  findings: FINDINGS,
  suppressed: SUPPRESSED,
  ...more,
})

/** What scans give most: nothing found, no distribution, a short name. */
export const empty = (): Report =>
  sample({
    image: 'alpine',
    os: undefined as never,
    gaps: [],
    coverage: 'full',
    layers: [],
    packages: [],
    findings: [],
    suppressed: undefined as never,
    ...countsOf([]),
  })
