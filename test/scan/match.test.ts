import { beforeAll, describe, expect, test } from 'vitest'
import { type AdvisoryDatabase, buildRevision, openAdvisories } from '../../lib/advisories/index.ts'
import { memoryBlobs } from '../../lib/blobs/memory.ts'
import { defaultLimits } from '../../lib/config.ts'
import { writeJson } from '../../lib/report/index.ts'
import { buildReport } from '../../lib/scan/match.ts'
import type { ImageInventory, ImagePackage } from '../../lib/scan/model.ts'
import { type Doc, dump, dumps, record } from '../advisories/dumps.ts'

const LAYER = `sha256:${'b'.repeat(64)}`
const dpkg = (name: string, version: string, source?: ImagePackage['source']): ImagePackage => ({
  kind: 'dpkg',
  name,
  version,
  architecture: 'amd64',
  ...(source ? { source } : {}),
  path: 'var/lib/dpkg/status',
  layer: LAYER,
})
const npm = (name: string, version: string, path = `app/node_modules/${name}/package.json`): ImagePackage => ({
  kind: 'npm',
  name,
  version,
  path,
  layer: LAYER,
})
const inventory = (packages: ImagePackage[], more: Partial<ImageInventory> = {}): ImageInventory => ({
  analyzer: 1,
  digest: `sha256:${'a'.repeat(64)}`,
  platform: 'linux/amd64',
  os: { id: 'debian', version: '12' },
  packages,
  layers: [],
  gaps: [],
  kind: 'image',
  ...more,
})

const CRITICAL = 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H'
const events = (name: string, ...pairs: Doc[]): Doc => ({
  affected: [{ package: { ecosystem: 'npm', name }, ranges: [{ type: 'SEMVER', events: pairs }] }],
})

const RECORDS: Record<string, Doc[]> = {
  Debian: [
    record('DEBIAN-CVE-2024-0001', 'Debian:12', 'glibc', '2.36-9+deb12u5', { upstream: ['CVE-2024-0001'] }),
    record('DSA-5000-1', 'Debian:12', 'glibc', '2.36-9+deb12u7', { upstream: ['CVE-2024-0001', 'CVE-2024-0002'] }),
    record('DEBIAN-CVE-2024-0003', 'Debian:11', 'glibc', '9', { upstream: ['CVE-2024-0003'] }),
    record('DEBIAN-CVE-2024-0004', 'Debian:12', 'libc6', '9', { upstream: ['CVE-2024-0004'] }),
    {
      id: 'DEBIAN-CVE-2024-0005',
      upstream: ['CVE-2024-0005'],
      affected: [
        {
          package: { ecosystem: 'Debian:12', name: 'zlib' },
          ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }] }],
          ecosystem_specific: { urgency: 'unimportant' },
        },
      ],
    },
  ],
  npm: [
    record('GHSA-aaaa-aaaa-aaaa', 'npm', 'lodash', '4.17.21', {
      aliases: ['CVE-2021-0001'],
      summary: 'Command injection',
      severity: [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H' }],
      references: [
        { type: 'WEB', url: 'https://example.test/1' },
        { type: 'ADVISORY', url: 'https://example.test/advisory' },
      ],
    }),
    record('NSWG-ECO-1', 'npm', 'lodash', '4.17.20', { aliases: ['GHSA-aaaa-aaaa-aaaa'] }),
    record('GHSA-bbbb-bbbb-bbbb', 'npm', 'lodash', '9', { database_specific: { severity: 'MODERATE' } }),
    record('GHSA-cccc-cccc-cccc', 'npm', 'other', '1', {
      aliases: ['CVE-2024-0002'],
      summary: 'Told by another',
      severity: [{ type: 'CVSS_V3', score: CRITICAL }],
    }),
    record('GHSA-dddd-dddd-dddd', 'npm', 'minimist', '0', {
      affected: [
        {
          package: { ecosystem: 'npm', name: 'minimist' },
          ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }, { fixed: '0.2.1' }] }],
        },
        {
          package: { ecosystem: 'npm', name: 'minimist' },
          ranges: [
            {
              type: 'SEMVER',
              events: [{ introduced: '1.0.0' }, { fixed: '1.2.3' }, { introduced: '2.0.0' }, { fixed: '2.0.1' }],
            },
          ],
        },
      ],
    }),
    { id: 'LAST', ...events('last', { introduced: '1.0.0' }, { last_affected: '1.5.0' }) },
    { id: 'LIMIT', ...events('limited', { introduced: '1.0.0' }, { limit: '2.0.0' }) },
    { id: 'UNSORTED', ...events('unsorted', { fixed: '2.0.0' }, { introduced: '3.0.0' }, { introduced: '1.0.0' }) },
    { id: 'LISTED', affected: [{ package: { ecosystem: 'npm', name: 'listed' }, versions: ['1.0.0', '1.1.0'] }] },
    { id: 'OPEN', ...events('open', { introduced: '0' }) },
  ],
  Alpine: [record('ALPINE-CVE-2020-1000', 'Alpine:v3.18', 'musl', '1.2.4-r1', { upstream: ['CVE-2020-1000'] })],
  AlmaLinux: [record('ALSA-2024:1', 'AlmaLinux:9', 'bash', '5', { related: ['CVE-2024-0009', 'CVE-2024-0010'] })],
}

const LANGUAGES: Record<string, [name: string, fixed: string]> = {
  PyPI: ['foo-bar', '2.0'],
  RubyGems: ['rack', '2.2.3'],
  Packagist: ['symfony/http-kernel', '4.4.1'],
  Maven: ['org.apache.logging.log4j:log4j-core', '2.15.0'],
  Go: ['stdlib', '1.19.9'],
  'crates.io': ['time', '0.2.0'],
}
for (const [ecosystem, [name, fixed]] of Object.entries(LANGUAGES))
  RECORDS[ecosystem] = [record(`FLAW-${ecosystem}`, ecosystem, name, fixed)]
RECORDS.Go!.push(record('FLAW-module', 'Go', 'example.com/m', '1.2.4'))

let database: AdvisoryDatabase
beforeAll(async () => {
  using world = dumps(Object.fromEntries(Object.entries(RECORDS).map(([name, records]) => [name, dump(...records)])))
  const blobs = memoryBlobs()
  await buildRevision({ source: world.source(), blobs, limits: defaultLimits })
  database = await openAdvisories(blobs)
})

const report = (packages: ImagePackage[], more: Partial<ImageInventory> = {}) =>
  buildReport({ image: 'registry.test/app:1', inventory: inventory(packages, more), database })

const told = async (name: string, version: string) =>
  (await report([npm(name, version)])).findings.map(({ id, fixedVersion }) => `${id} ${fixedVersion ?? 'no fix'}`)

describe('what is matched', () => {
  test('OS packages by their source name and source version, in the release of the image', async () => {
    const { findings } = await report([
      dpkg('libc6', '2.36-9+b1', { name: 'glibc', version: '2.36-9+deb12u6' }),
      dpkg('glibc', '2.36-9+deb12u9'),
    ])
    expect(findings.map(({ package: name, id }) => `${name} ${id}`)).toEqual([
      'libc6 CVE-2024-0002',
      'libc6 CVE-2024-0001',
    ])
  })

  test('an erratum of two CVEs is two findings, and joins the record of each CVE', async () => {
    const { findings } = await report([dpkg('libc6', '2.36-9', { name: 'glibc', version: '2.36-9' })])
    expect(findings.map(({ id, aliases, fixedVersion }) => ({ id, aliases, fixedVersion }))).toEqual([
      { id: 'CVE-2024-0002', aliases: ['DSA-5000-1'], fixedVersion: '2.36-9+deb12u7' },
      // Of two records' fixes the higher one: the lower still has what the erratum names.
      { id: 'CVE-2024-0001', aliases: ['DEBIAN-CVE-2024-0001', 'DSA-5000-1'], fixedVersion: '2.36-9+deb12u7' },
    ])
  })

  test('records of one flaw are one finding that names them all', async () => {
    const { findings } = await report([npm('lodash', '4.17.19')])
    expect(findings.map(({ id, aliases }) => [id, ...aliases])).toEqual([
      ['CVE-2021-0001', 'GHSA-aaaa-aaaa-aaaa', 'NSWG-ECO-1'],
      ['GHSA-bbbb-bbbb-bbbb'],
    ])
  })

  test('the same package at two paths is found at both, listed twice at one path it is found once', async () => {
    const twice = [npm('open', '1.0.0'), npm('open', '1.0.0'), npm('open', '1.0.0', 'b/node_modules/open/package.json')]
    const { findings, packages } = await report(twice)
    expect(findings.map(({ path }) => path)).toEqual([
      'app/node_modules/open/package.json',
      'b/node_modules/open/package.json',
    ])
    expect(packages).toHaveLength(2)
  })
})

describe('ranges', () => {
  test.each([
    ['minimist', '0.2.0', ['GHSA-dddd-dddd-dddd 0.2.1']],
    ['minimist', '0.2.1', []],
    ['minimist', '1.0.0', ['GHSA-dddd-dddd-dddd 1.2.3']],
    ['minimist', '1.2.3', []],
    ['minimist', '2.0.0', ['GHSA-dddd-dddd-dddd 2.0.1']],
    ['minimist', '2.0.1', []],
    ['last', '0.9.0', []],
    ['last', '1.5.0', ['LAST no fix']],
    ['last', '1.5.1', []],
    ['limited', '1.9.9', ['LIMIT no fix']],
    ['limited', '2.0.0', []],
    ['unsorted', '1.5.0', ['UNSORTED 2.0.0']],
    ['unsorted', '2.5.0', []],
    ['unsorted', '3.5.0', ['UNSORTED no fix']],
    ['listed', '1.1.0', ['LISTED no fix']],
    ['listed', 'v1.1.0', ['LISTED no fix']],
    ['listed', '1.2.0', []],
    ['open', '0.0.0-0', ['OPEN no fix']],
  ])('%s %s', async (name, version, expected) => {
    expect(await told(name, version)).toEqual(expected)
  })
})

describe('severity', () => {
  test("the record's own vector counts first and is named as the source", async () => {
    const { findings } = await report([npm('lodash', '4.17.20')])
    expect(findings[0]).toMatchObject({
      id: 'CVE-2021-0001',
      severity: 'High',
      score: 7.2,
      severitySource: 'GHSA-aaaa-aaaa-aaaa',
      title: 'Command injection',
      url: 'https://example.test/advisory',
      fixedVersion: '4.17.21',
      status: 'fixed',
      purl: 'pkg:npm/lodash@4.17.20',
      publishedAt: '2025-12-01T00:00:00.000Z',
    })
  })

  test("then the publisher's own word", async () => {
    const { findings } = await report([npm('lodash', '4.17.21'), dpkg('zlib', '1.2')])
    expect(findings.map(({ id, severity, severitySource, status }) => [id, severity, severitySource, status])).toEqual([
      ['GHSA-bbbb-bbbb-bbbb', 'Medium', 'GHSA-bbbb-bbbb-bbbb', 'fixed'],
      ['CVE-2024-0005', 'Negligible', 'DEBIAN-CVE-2024-0005', 'affected'],
    ])
  })

  test('then what another record says of the same CVE, its title too; else it is unknown', async () => {
    const { findings } = await report([dpkg('glibc', '2.36-9')])
    expect(
      findings.map(({ id, severity, score, severitySource, title }) => [id, severity, score, severitySource, title]),
    ).toEqual([
      ['CVE-2024-0002', 'Critical', 9.8, 'GHSA-cccc-cccc-cccc', 'Told by another'],
      ['CVE-2024-0001', 'Unknown', undefined, undefined, 'CVE-2024-0001 in glibc'],
    ])
  })

  test('findings are counted by severity and in the order of risk', async () => {
    const { summary, findings, fixable } = await report([
      dpkg('zlib', '1'),
      dpkg('glibc', '2'),
      npm('lodash', '4.17.20'),
    ])
    expect(summary).toEqual({ Critical: 1, High: 1, Medium: 1, Low: 0, Negligible: 1, Unknown: 1 })
    expect(findings.map(({ severity }) => severity)).toEqual(['Critical', 'High', 'Medium', 'Negligible', 'Unknown'])
    expect(fixable).toBe(4)
  })
})

describe('coverage', () => {
  const glibc = dpkg('glibc', '9')
  test('is full when the distribution is known and its data and that of npm are there', async () => {
    expect(await report([glibc, npm('x', '1')])).toMatchObject({ coverage: 'full', gaps: [], findings: [] })
  })

  test.each<[string, ImagePackage[], Partial<ImageInventory>, string]>([
    ['no os-release', [glibc], { os: undefined }, 'names no distribution'],
    ['an unknown distribution', [glibc], { os: { id: 'plan9', version: '4' } }, 'plan9 4 is not known'],
    ['a rolling release', [glibc], { os: { id: 'debian', version: '' } }, 'release of debian is not known'],
    ['a release without data', [glibc], { os: { id: 'debian', version: '13' } }, 'no advisories for Debian:13'],
    ['packages of another family', [glibc], { os: { id: 'alpine', version: '3.18.4' } }, 'Packages of dpkg'],
    ['a database that was deleted', [], {}, 'holds no dpkg database'],
    ['a gap of the inventory', [glibc], { gaps: ['a layer could not be read'] }, 'a layer could not be read'],
  ])('is partial with %s, and says so', async (_, packages, more, sentence) => {
    const found = await report(packages, more)
    expect(found.coverage).toBe('partial')
    expect(found.gaps.join('\n')).toContain(sentence)
  })

  test('is partial for npm packages without npm data', async () => {
    using world = dumps({ Debian: dump(...RECORDS.Debian!) })
    const blobs = memoryBlobs()
    await buildRevision({ source: world.source(), blobs, limits: defaultLimits })
    const found = await buildReport({
      image: 'x',
      inventory: inventory([glibc, npm('lodash', '1')]),
      database: await openAdvisories(blobs),
    })
    expect([found.coverage, found.gaps.length, found.gaps[0]]).toEqual([
      'partial',
      1,
      expect.stringContaining('no advisories for npm'),
    ])
  })

  test('is none for what is not an image', async () => {
    expect(await report([], { kind: 'artifact', os: undefined })).toMatchObject({ coverage: 'none', findings: [] })
  })
})

test.each([
  ['alpine', '3.18.4', 'Alpine:v3.18'],
  ['alpine', '3.18_alpha20230901', 'Alpine:v3.18'],
])('%s %s is %s', async (id, version) => {
  const musl: ImagePackage = {
    kind: 'apk',
    name: 'musl-utils',
    version: '1.2.4-r0',
    source: { name: 'musl', version: '1.2.4-r0' },
    path: 'lib/apk/db/installed',
    layer: LAYER,
  }
  const found = await report([musl], { os: { id, version } })
  expect([found.coverage, found.findings.map((one) => one.id)]).toEqual(['full', ['CVE-2020-1000']])
})

test('equal input gives equal bytes, in whatever order packages come', async () => {
  const packages = [dpkg('glibc', '2'), npm('lodash', '4.17.20'), dpkg('zlib', '1'), npm('minimist', '1.0.0')]
  const one = writeJson(await report(packages))
  expect(writeJson(await report(packages.toReversed()))).toBe(one)
  expect(JSON.parse(one).createdAt).toBe(database.createdAt)
})

const language = (kind: ImagePackage['kind'], name: string, version: string, more: Partial<ImagePackage> = {}) => ({
  kind,
  name,
  version,
  path: `srv/${name}`,
  layer: LAYER,
  ...more,
})

describe('packages of every language', () => {
  test('are judged by their own ecosystem, with the spelling their tools write', async () => {
    const { findings } = await report([
      language('python', 'Foo.Bar', '1.9.post1'),
      language('gem', 'rack', '2.2.2'),
      language('composer', 'Symfony/Http-Kernel', 'v4.4.0'),
      language('maven', 'org.apache.logging.log4j:log4j-core', '2.14.1'),
      language('go', 'stdlib', '1.19.8'),
      language('go', 'example.com/m', 'v1.2.3'),
      language('cargo', 'time', '0.1.43'),
    ])
    expect(findings.map(({ id, fixedVersion }) => `${id} ${fixedVersion}`).sort()).toEqual([
      'FLAW-Go 1.19.9',
      'FLAW-Maven 2.15.0',
      'FLAW-Packagist 4.4.1',
      'FLAW-PyPI 2.0',
      'FLAW-RubyGems 2.2.3',
      'FLAW-crates.io 0.2.0',
      'FLAW-module 1.2.4',
    ])
  })

  test('that are fixed have no findings, and an ecosystem without data is told', async () => {
    const { findings, gaps } = await report([
      language('go', 'example.com/m', 'v1.2.4'),
      language('gem', 'rack', '2.2.3'),
      language('nuget', 'Newtonsoft.Json', '12.0.3'),
    ])
    expect(findings).toEqual([])
    expect(gaps.join()).toContain('holds no advisories for NuGet, so NuGet packages cannot be judged')
  })

  test('name the archive inside the archive', async () => {
    const inside = { path: 'opt/app.jar', member: 'BOOT-INF/lib/log4j.jar' }
    const { findings } = await report([language('maven', 'org.apache.logging.log4j:log4j-core', '2.14.1', inside)])
    expect(findings[0]!.path).toBe('opt/app.jar!/BOOT-INF/lib/log4j.jar')
  })

  test('that an OS package owns are left to its distribution, unless that has no data or both are asked for', async () => {
    const packages = [dpkg('python3-foo-bar', '1'), language('python', 'foo-bar', '1.0', { owned: true })]
    const ids = async (more: Partial<ImageInventory>, ownedJudged = false) =>
      (await buildReport({ image: 'r/a:1', inventory: inventory(packages, more), database, ownedJudged })).findings.map(
        ({ id }) => id,
      )
    expect(await ids({})).toEqual([])
    expect(await ids({}, true)).toEqual(['FLAW-PyPI'])
    expect(await ids({ os: { id: 'ubuntu', version: '22.04' } })).toEqual(['FLAW-PyPI'])
  })
})

describe('rpm distributions', () => {
  const rpm = (name: string, version: string, source: ImagePackage['source']): ImagePackage => ({
    kind: 'rpm',
    name,
    version,
    architecture: 'x86_64',
    path: 'var/lib/rpm/rpmdb.sqlite',
    layer: LAYER,
    ...(source ? { source } : {}),
  })
  const alma = { os: { id: 'almalinux', version: '9.3' } }

  test('whose advisories name binary packages are matched by these', async () => {
    const found = await report([rpm('bash', '4.4-1.el9', { name: 'bash', version: '4.4-1.el9' })], alma)
    expect(found.findings.map(({ id }) => id)).toEqual(['CVE-2024-0009', 'CVE-2024-0010'])
    expect(found.coverage).toBe('full')
    const doc = await report([rpm('bash-doc', '4.4-1.el9', { name: 'bash', version: '4.4-1.el9' })], alma)
    expect(doc.findings).toEqual([])
  })

  test('without data are told by their name', async () => {
    const { gaps } = await report([rpm('bash', '5-1', undefined)], { os: { id: 'amzn', version: '2' } })
    expect(gaps.join()).toContain('holds no advisories for Amazon Linux:2, so OS packages cannot be judged')
  })
})

test.each([
  ['127.0.0.1:5001/demo/shop:1.0', 'full'],
  [`registry.example/demo/shop@sha256:${'a'.repeat(64)}`, 'full'],
  ['demo/shop:1.0', 'full'],
  ['registry.example/demo/shop-two:1.0', 'partial'],
  ['registry.example/team/demo/shop:1.0', 'partial'],
  ['/tmp/demo/shop', 'partial'],
  ['registry.example/team/app:1', 'partial'],
])('the bundled demo advisories give %s the coverage %s', async (image, coverage) => {
  const database: AdvisoryDatabase = {
    revision: '20261122-0',
    createdAt: '2026-11-22T00:00:00.000Z',
    sources: [],
    onlyFor: 'demo/shop',
    covers: () => true,
    lookup: async () => [],
    details: async () => undefined,
  }
  const report = await buildReport({ image, inventory: inventory([dpkg('bash', '5.2')]), database })
  expect(report.coverage).toBe(coverage)
  expect(report.gaps.length).toBe(coverage === 'full' ? 0 : 1)
})
