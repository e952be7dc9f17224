import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AdvisoryDatabase } from '../../../lib/advisories/index.ts'
import { defaultLimits } from '../../../lib/config.ts'
import { FORMATS } from '../../../lib/report/index.ts'
import { readSbom } from '../../../lib/scan/inputs/sbom.ts'
import { buildReport } from '../../../lib/scan/match.ts'
import { ANALYZER_VERSION, type ImageInventory, type ImagePackage } from '../../../lib/scan/model.ts'
import { sbomOf } from '../../../lib/scan/sbom.ts'

const IMAGE = 'registry.test/team/app:1.0'
const DIGEST = `sha256:${'d'.repeat(64)}`
const LAYER = `sha256:${'a'.repeat(64)}`

/** Knows a flaw of every package, named after what it was asked for, so that a wrong question shows in the findings. */
const database: AdvisoryDatabase = {
  revision: '20260101-0000000000000000',
  createdAt: '2026-01-01T00:00:00.000Z',
  sources: [],
  covers: (ecosystem) => ecosystem !== 'NuGet',
  lookup: async (ecosystem, name) => [
    {
      id: `FLAW-${ecosystem}/${name}`,
      ranges: [
        {
          semver: false,
          events: [
            { kind: 'introduced', version: '0' },
            { kind: 'fixed', version: '3' },
          ],
        },
      ],
      versions: [],
    },
  ],
  details: async (_, id) => ({ id, aliases: [], upstream: [], related: [], title: id, severities: [], joined: {} }),
}

const read = (document: unknown, name = 'app.cdx.json') =>
  readSbom(Buffer.from(typeof document === 'string' ? document : JSON.stringify(document)), name, defaultLimits)
const report = (inventory: ImageInventory, image = IMAGE) => buildReport({ image, inventory, database })

const inventory = (changes: Partial<ImageInventory>): ImageInventory => ({
  analyzer: ANALYZER_VERSION,
  digest: DIGEST,
  platform: 'linux/arm64/v8',
  packages: [],
  layers: [{ digest: LAYER, diffId: LAYER }],
  gaps: [],
  kind: 'image',
  ...changes,
})

const words = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._+~@%? -]{0,12}$/)
const anyText = fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' })
const versions = fc.oneof(fc.stringMatching(/^(?:[1-9]:)?[0-9][0-9.]{0,4}(?:-[0-9]\+b[0-9])?$/), fc.constant(''), words)
const sourceNames = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9.+~:-]{0,12}$/)
const paths = fc.array(words, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))
const packages: fc.Arbitrary<ImagePackage> = fc
  .record(
    {
      kind: fc.constantFrom(
        ...(['dpkg', 'apk', 'rpm', 'npm', 'python', 'gem', 'composer', 'nuget', 'go', 'cargo'] as const),
      ),
      name: fc.oneof(
        words,
        anyText,
        fc.tuple(words, words).map(([a, b]) => `@${a}/${b}`),
      ),
      version: versions,
      architecture: fc.constantFrom('amd64', 'all'),
      source: fc.record({ name: sourceNames, version: sourceNames }),
      path: paths,
      member: paths,
      owned: fc.constant(true as const),
      layer: fc.constantFrom(LAYER, `sha256:${'b'.repeat(64)}`),
    },
    { requiredKeys: ['kind', 'name', 'version', 'path', 'layer'] },
  )
  .map((pack) => {
    // As analyzers find them: only packages of an operating system have a source and an architecture.
    const { source, architecture, owned, ...rest } = pack
    const isOs = ['dpkg', 'apk', 'rpm'].includes(pack.kind)
    return isOs
      ? { ...rest, ...(source ? { source } : {}), ...(architecture ? { architecture } : {}) }
      : { ...rest, ...(owned ? { owned } : {}) }
  })
const maven: fc.Arbitrary<ImagePackage> = fc
  .tuple(words, words, versions, paths)
  .map(([group, name, version, path]) => ({ kind: 'maven', name: `${group}:${name}`, version, path, layer: LAYER }))
const systems = fc.constantFrom(
  { id: 'debian', version: '12', name: 'Debian 12' },
  { id: 'alpine', version: '3.19.1' },
  { id: 'rhel', version: '9.4' },
  { id: 'wolfi', version: '' },
  { id: 'unheard-of', version: '1' },
  undefined,
)
const inventories = fc
  .record({
    os: systems,
    packages: fc.array(fc.oneof(packages, maven), { maxLength: 12 }),
    gaps: fc.array(words, { maxLength: 2 }),
  })
  .map(({ os, ...rest }) => inventory({ ...rest, ...(os ? { os } : {}) }))

describe('our own SBOM, read back,', () => {
  test('gives the report of the scan it came from, byte for byte', async () => {
    await fc.assert(
      fc.asyncProperty(inventories, async (scanned) => {
        const back = read(sbomOf(scanned, IMAGE))
        expect(back.image).toBe(IMAGE)
        expect(JSON.stringify(await report(back.inventory))).toBe(JSON.stringify(await report(scanned)))
      }),
      { numRuns: 500 },
    )
  })

  test.each(['cyclonedx', 'spdx'])('gives its findings when it is a report in %s', async (name) => {
    const { write } = FORMATS.find(({ format }) => format === name)!
    await fc.assert(
      fc.asyncProperty(inventories, async (scanned) => {
        const first = await report(scanned)
        const again = await report(read(write(first)).inventory)
        expect(again.findings).toEqual(first.findings)
        expect(again.coverage).toBe(first.coverage)
      }),
      { numRuns: 200 },
    )
  })

  test('of what is no image stays what is no image', async () => {
    const chart = inventory({ platform: 'unknown', gaps: ['this is a chart'], kind: 'artifact' })
    expect((await report(read(sbomOf(chart, IMAGE)).inventory)).coverage).toBe('none')
  })
})

const cyclonedx = (components: unknown[], more: object = {}) => ({
  bomFormat: 'CycloneDX',
  specVersion: '1.4',
  components,
  ...more,
})
const library = (purl: string, more: object = {}) => ({ type: 'library', name: 'x', version: '0', purl, ...more })

describe('an SBOM that others wrote', () => {
  test.each([
    ['pkg:npm/%40babel/core@7.0.0', 'npm', '@babel/core', '7.0.0'],
    ['pkg:npm/@babel/core@7.0.0?vcs_url=x', 'npm', '@babel/core', '7.0.0'],
    ['pkg:pypi/django@1.11.1', 'python', 'django', '1.11.1'],
    ['pkg:gem/rails@7.0.0', 'gem', 'rails', '7.0.0'],
    ['pkg:composer/laravel/framework@9.1', 'composer', 'laravel/framework', '9.1'],
    ['pkg:nuget/Newtonsoft.Json@12.0.1', 'nuget', 'Newtonsoft.Json', '12.0.1'],
    ['pkg:golang/github.com/gin-gonic/gin@v1.7.0#sub/path', 'go', 'github.com/gin-gonic/gin', 'v1.7.0'],
    ['pkg:cargo/smallvec@1.6.0', 'cargo', 'smallvec', '1.6.0'],
    [
      'pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1?type=jar',
      'maven',
      'org.apache.logging.log4j:log4j-core',
      '2.14.1',
    ],
    ['pkg:deb/debian/bash@5.2.15-2%2Bb2?arch=amd64&distro=debian-12.4&epoch=1', 'dpkg', 'bash', '1:5.2.15-2+b2'],
    [
      'pkg:rpm/redhat/openssl-libs@3.0.7-25.el9_3?arch=x86_64&distro=redhat-9.3&epoch=1',
      'rpm',
      'openssl-libs',
      '1:3.0.7-25.el9_3',
    ],
    ['pkg:apk/alpine/libssl3@3.1.4-r5?arch=x86_64&distro=3.19.1', 'apk', 'libssl3', '3.1.4-r5'],
  ])('names %s by its package URL', (purl, kind, name, version) => {
    const [found] = read(cyclonedx([library(purl)])).inventory.packages
    expect(found).toMatchObject({ kind, name, version, purl, path: 'app.cdx.json' })
  })

  test.each([
    ['distro=debian-12.4', 'deb/debian', { id: 'debian', version: '12.4' }],
    ['distro=bookworm', 'deb/debian', { id: 'debian', version: '12' }],
    ['distro=ubuntu-22.04', 'deb/ubuntu', { id: 'ubuntu', version: '22.04' }],
    ['distro=3.19.1', 'apk/alpine', { id: 'alpine', version: '3.19.1' }],
    ['distro=redhat-9.3', 'rpm/redhat', { id: 'rhel', version: '9.3' }],
    ['distro=opensuse-leap-15.5', 'rpm/opensuse', { id: 'opensuse-leap', version: '15.5' }],
    ['distro=opensuse-tumbleweed', 'rpm/opensuse', { id: 'opensuse-tumbleweed', version: '' }],
    ['arch=all', 'deb/debian', { id: 'debian', version: '' }],
  ])('tells its distribution by %s when it does not name it', (query, path, os) => {
    expect(read(cyclonedx([library(`pkg:${path}/a@1?${query}`)])).inventory.os).toEqual(os)
  })

  test('of Trivy: source packages are put together, and the distribution goes by its own name', () => {
    const properties = Object.entries({
      SrcName: 'openssl',
      SrcVersion: '3.0.7',
      SrcRelease: '25.el9_3',
      SrcEpoch: '1',
    }).map(([name, value]) => ({ name: `aquasecurity:trivy:${name}`, value }))
    const { inventory } = read(
      cyclonedx([
        { type: 'operating-system', name: 'redhat', version: '9.3' },
        {
          type: 'application',
          name: 'app/package-lock.json',
          properties: [{ name: 'aquasecurity:trivy:Class', value: 'lang-pkgs' }],
        },
        library('pkg:rpm/redhat/openssl-libs@3.0.7-25.el9_3?epoch=1', { properties }),
      ]),
    )
    expect(inventory.os).toEqual({ id: 'rhel', version: '9.3' })
    expect(inventory.packages[0]?.source).toEqual({ name: 'openssl', version: '1:3.0.7-25.el9_3' })
    expect(inventory.gaps).toEqual([expect.stringContaining('does not say that it is complete')])
  })

  test.each([
    ['pkg:deb/debian/libc6@2.36-9?upstream=glibc', { name: 'glibc', version: '2.36-9' }],
    ['pkg:deb/debian/libc6@2.36-9%2Bb1?upstream=glibc%402.36-9', { name: 'glibc', version: '2.36-9' }],
    ['pkg:apk/alpine/libssl3@3.1.4-r5?upstream=openssl', { name: 'openssl', version: '3.1.4-r5' }],
    [
      'pkg:rpm/rhel/openssl-libs@3.0.7-25.el9?epoch=1&upstream=openssl-3.0.7-25.el9.src.rpm',
      { name: 'openssl', version: '1:3.0.7-25.el9' },
    ],
    ['pkg:npm/a@1?upstream=b', undefined],
  ])('of Syft: %s says what its source is', (purl, source) => {
    expect(read(cyclonedx([library(purl)])).inventory.packages[0]?.source).toEqual(source)
  })

  test('of Syft: distribution, digest, place and layer are taken, files are no packages', () => {
    const { inventory, image } = read(
      cyclonedx(
        [
          {
            type: 'operating-system',
            name: 'alpine',
            version: '3.19.9',
            properties: [
              { name: 'syft:distro:id', value: 'alpine' },
              { name: 'syft:distro:versionID', value: '3.19.1' },
            ],
          },
          { type: 'file', name: '/etc/passwd' },
          library('pkg:apk/alpine/busybox@1.36.1-r15', {
            properties: [
              { name: 'syft:location:0:path', value: '/lib/apk/db/installed' },
              { name: 'syft:location:0:layerID', value: LAYER },
            ],
          }),
        ],
        { metadata: { component: { type: 'container', name: 'team/app', version: DIGEST } } },
      ),
    )
    expect(image).toBe('team/app')
    expect(inventory).toMatchObject({ digest: DIGEST, os: { id: 'alpine', version: '3.19.1' } })
    expect(inventory.packages).toMatchObject([{ path: 'lib/apk/db/installed', layer: LAYER }])
  })

  test('is partial, and says what of it cannot be judged', async () => {
    const { inventory } = read(
      cyclonedx([
        library('pkg:deb/debian/libc6@2.36-9?distro=debian-12'),
        library('pkg:deb/ubuntu/apt@1?distro=ubuntu-22.04'),
        library('pkg:swift/github.com/apple/swift-nio@2.0.0'),
        library('pkg:npm/left-pad', { version: undefined }),
        library('not a purl'),
        { type: 'library', name: 'openssl', version: '1.1.1' },
      ]),
    )
    expect(inventory.gaps).toEqual([
      'The SBOM does not say that it is complete, so packages may be missing from it',
      '1 component without a package URL cannot be judged: "openssl"',
      '1 component with something that is no package URL cannot be judged: "not a purl"',
      '1 component without a version cannot be judged: "left-pad"',
      '1 component of the type swift cannot be judged: "swift-nio"',
      'No OS package names the source package it is built from, by which Debian:12 names its flaws: findings may be missing',
      'Packages of other distributions than debian (1) are judged as if they were its own',
    ])
    expect((await report(inventory)).coverage).toBe('partial')
  })

  test('is full when it states that it is complete', async () => {
    const document = cyclonedx([library('pkg:deb/debian/libc6@1?distro=debian-12&upstream=glibc')], {
      metadata: { component: { 'bom-ref': 'root', type: 'container', name: 'a' } },
      compositions: [{ aggregate: 'complete', assemblies: ['root'] }],
    })
    expect((await report(read(document).inventory)).coverage).toBe('full')
    const other = { ...document, compositions: [{ aggregate: 'complete', assemblies: ['another'] }] }
    expect((await report(read(other).inventory)).coverage).toBe('partial')
  })

  test('in SPDX gives packages, their source and the image', () => {
    const purl = (locator: string) => [
      { referenceCategory: 'PACKAGE_MANAGER', referenceType: 'purl', referenceLocator: locator },
    ]
    const { inventory, image } = read({
      spdxVersion: 'SPDX-2.2',
      name: 'team/app:1',
      creationInfo: { creators: ['Organization: x', 'Tool: trivy-0.50'] },
      packages: [
        {
          SPDXID: 'a',
          name: 'team/app',
          primaryPackagePurpose: 'CONTAINER',
          externalRefs: purl(`pkg:oci/app@${encodeURIComponent(DIGEST)}?arch=arm64`),
        },
        { SPDXID: 'b', name: 'debian', versionInfo: '12.4', primaryPackagePurpose: 'OPERATING-SYSTEM' },
        {
          SPDXID: 'c',
          name: 'libc6',
          versionInfo: '2.36-9',
          sourceInfo: 'built package from: glibc 2.36-8',
          externalRefs: purl('pkg:deb/debian/libc6@2.36-9'),
        },
        { SPDXID: 'd', name: 'mystery', versionInfo: '1' },
      ],
    })
    expect(image).toBe('team/app:1')
    expect(inventory).toMatchObject({ digest: DIGEST, platform: 'linux/arm64', os: { id: 'debian', version: '12.4' } })
    expect(inventory.packages).toMatchObject([{ name: 'libc6', source: { name: 'glibc', version: '2.36-8' } }])
    expect(inventory.gaps).toEqual([
      'The SBOM by "trivy-0.50" does not say that it is complete, so packages may be missing from it',
      '1 component without a package URL cannot be judged: "mystery"',
    ])
  })

  test('nests components, to a limit', () => {
    const nest = (depth: number): unknown => ({
      type: 'library',
      name: `n${depth}`,
      purl: `pkg:npm/n${depth}@1`,
      ...(depth > 0 ? { components: [nest(depth - 1)] } : {}),
    })
    const { inventory } = read(cyclonedx([nest(100)]))
    expect(inventory.packages).toHaveLength(defaultLimits.sbomDepthMax)
    expect(inventory.gaps).toContain('components nested deeper than 32 (limit sbomDepthMax) were not read')
  })
})

describe('what is no SBOM', () => {
  test.each([
    ['', 'it is not JSON'],
    ['null', 'it is neither CycloneDX nor SPDX 2 in JSON'],
    ['[]', 'it is neither'],
    ['{"bomFormat":"CycloneDX","specVersion":"2.0"}', 'it is CycloneDX "2.0"; versions 1.2 to 1.7 are read'],
    ['{"spdxVersion":"SPDX-3.0"}', 'it is "SPDX-3.0"; SPDX-2.2 and SPDX-2.3 are read'],
    ['{"__proto__":{"bomFormat":"CycloneDX","specVersion":"1.6"}}', 'it is neither'],
  ])('%s is refused by name', (text, why) => {
    expect(() => read(text, 'x.json')).toThrow(`x.json cannot be read as an SBOM: ${why}`)
  })

  test('nothing of any JSON makes the reader fail otherwise', () => {
    fc.assert(
      fc.property(fc.json(), fc.boolean(), (text, spdx) => {
        const value = JSON.parse(text) as unknown
        const document = spdx
          ? {
              spdxVersion: 'SPDX-2.3',
              packages: [value, { externalRefs: value, primaryPackagePurpose: value }],
              creationInfo: value,
              relationships: value,
            }
          : cyclonedx([value, { ...library('pkg:npm/a@1'), properties: value, evidence: value, components: value }], {
              metadata: value,
              compositions: value,
            })
        expect(read(document).inventory.kind).toBe('image')
      }),
      { numRuns: 300 },
    )
  })

  test('nested 100,000 deep, or with 300,000 components, ends quickly', () => {
    const deep = `{"bomFormat":"CycloneDX","specVersion":"1.6","components":${'['.repeat(1e5)}${']'.repeat(1e5)}}`
    expect(read(deep).inventory.packages).toEqual([])
    const many = cyclonedx(Array.from({ length: 300_000 }, () => ({ type: 'library', purl: 'pkg:generic/x@1' })))
    expect(read(many).inventory.gaps.join()).toContain('300000 components of the type generic cannot be judged')
  })
})
