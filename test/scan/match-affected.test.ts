/** What an advisory says of one package of one release: by which name, how severe, and which versions are safe. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type AdvisoryDatabase, buildRevision, openAdvisories } from '../../lib/advisories/index.ts'
import { trivyDbSource } from '../../lib/advisories/trivy-db.ts'
import { memoryBlobs } from '../../lib/blobs/memory.ts'
import { defaultLimits } from '../../lib/config.ts'
import { buildReport } from '../../lib/scan/match.ts'
import type { ImagePackage } from '../../lib/scan/model.ts'
import { indexEntry } from '../../lib/scan/package-index/entry.ts'
import { type BoltBucket, boltFile } from '../advisories/bolt-file.ts'
import { type Doc, dump, dumps } from '../advisories/dumps.ts'

const LAYER = `sha256:${'b'.repeat(64)}`
type Source = ImagePackage['source']
const found = (kind: ImagePackage['kind'], name: string, version: string, source?: Source): ImagePackage => ({
  kind,
  name,
  version,
  path: 'p',
  layer: LAYER,
  ...(source ? { source } : {}),
})
const inventory = (id: string, version: string, packages: ImagePackage[]) => ({
  analyzer: 1,
  digest: `sha256:${'a'.repeat(64)}`,
  platform: 'linux/amd64',
  os: { id, version },
  packages,
  layers: [],
  gaps: [],
  kind: 'image' as const,
})

async function fromTrivy(root: BoltBucket): Promise<AdvisoryDatabase> {
  const folder = mkdtempSync(join(tmpdir(), 'longshore-trivy-'))
  try {
    writeFileSync(join(folder, 'trivy.db'), boltFile(root))
    const blobs = memoryBlobs()
    await buildRevision({ source: trivyDbSource(join(folder, 'trivy.db')), blobs, limits: defaultLimits })
    return await openAdvisories(blobs)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function fromOsv(records: Record<string, Doc[]>): Promise<AdvisoryDatabase> {
  using world = dumps(Object.fromEntries(Object.entries(records).map(([name, docs]) => [name, dump(...docs)])))
  const blobs = memoryBlobs()
  await buildRevision({ source: world.source(), blobs, limits: defaultLimits })
  return openAdvisories(blobs)
}

const findings = async (database: AdvisoryDatabase, id: string, version: string, ...packages: ImagePackage[]) =>
  (await buildReport({ image: 'r/a:1', inventory: inventory(id, version, packages), database })).findings

const fixed = (FixedVersion: string) => JSON.stringify({ FixedVersion })

describe("a trivy.db's entries of rpm distributions are by binary package", () => {
  test.each([
    ['ol', '8.9', 'Oracle Linux 8'],
    ['amzn', '2023', 'amazon linux 2023'],
    ['rocky', '8.9', 'rocky 8'],
    ['almalinux', '8.9', 'alma 8'],
    ['opensuse-leap', '15.5', 'openSUSE Leap 15.5'],
  ])('%s %s: the binary package is found by its own name and version', async (id, version, bucket) => {
    const database = await fromTrivy({
      [bucket]: { 'openssl-libs': { 'CVE-2024-0001': fixed('1:1.1.1k-9') } },
    })
    const source = { name: 'openssl', version: '1:1.1.1k-5' }
    const of = (name: string, has: string) => findings(database, id, version, found('rpm', name, has, source))
    expect((await of('openssl-libs', '1:1.1.1k-5')).map((one) => `${one.package} ${one.id}`)).toEqual([
      'openssl-libs CVE-2024-0001',
    ])
    expect(await of('openssl-libs', '1:1.1.1k-9')).toEqual([])
    expect(await of('openssl', '1:1.1.1k-5')).toEqual([])
  })

  test('an entry of a binary package says nothing of others of its source, whose versions may be their own', async () => {
    const database = await fromTrivy({
      'Oracle Linux 8': {
        perl: { 'CVE-2024-0001': fixed('4:5.26.3-422') },
        'perl-IO': { 'CVE-2024-0001': fixed('1.38-422') },
      },
    })
    const source = { name: 'perl', version: '5.26.3-422' }
    expect(await findings(database, 'ol', '8', found('rpm', 'perl-IO', '1.38-422', source))).toEqual([])
    expect(await findings(database, 'ol', '8', found('rpm', 'perl-IO', '1.38-421', source))).toHaveLength(1)
  })

  test('records of OSV still name source packages, and one flaw is one finding whoever tells of it', async () => {
    const range = (name: string, version: string, more: Doc = {}): Doc => ({
      package: { ecosystem: 'Rocky Linux:9', name },
      ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed: version }] }],
      ...more,
    })
    const database = await fromOsv({
      'Rocky Linux': [
        { id: 'RLSA-2024:1', upstream: ['CVE-2024-0001'], affected: [range('openssl', '1:3.0.7-25')] },
        { id: 'RLSA-2024:2', upstream: ['CVE-2024-0002'], affected: [range('openssl-libs', '9')] },
        {
          id: 'TRIVY-CVE-2024-0001',
          aliases: ['CVE-2024-0001'],
          affected: [range('openssl-libs', '1:3.0.7-25', { database_specific: { names: 'binary' } })],
        },
      ],
    })
    const libs = found('rpm', 'openssl-libs', '1:3.0.7-24', { name: 'openssl', version: '1:3.0.7-24' })
    expect((await findings(database, 'rocky', '9.3', libs)).map(({ id, aliases }) => [id, ...aliases])).toEqual([
      ['CVE-2024-0001', 'RLSA-2024:1', 'TRIVY-CVE-2024-0001'],
    ])
  })

  test('an image is in the package index by both names', () => {
    const libs = found('rpm', 'openssl-libs', '1', { name: 'openssl', version: '1' })
    const keys = indexEntry(inventory('ol', '8', [libs]), []).groups.flatMap((group) => group.keys)
    expect(keys).toEqual(expect.arrayContaining(['Oracle Linux:8\nopenssl', 'Oracle Linux:8\nopenssl-libs']))
  })
})

describe('severity where it stands', () => {
  const affected = (release: string, more: Doc, name = 'zlib'): Doc => ({
    package: { ecosystem: `Debian:${release}`, name },
    ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }] }],
    ...more,
  })
  const urgency = (word: string): Doc => ({ ecosystem_specific: { urgency: word } })
  const vector = (score: string): Doc => ({ severity: [{ type: 'CVSS_V3', score }] })
  const HIGH = 'CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H'
  const CRITICAL = 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H'
  const rated = async (docs: Doc[], release: string, ...names: string[]) => {
    const database = await fromOsv({ Debian: docs })
    const packages = (names.length ? names : ['zlib']).map((name) => found('dpkg', name, '1'))
    return (await findings(database, 'debian', release, ...packages)).map(
      ({ severity, severitySource, score }) => `${severity} ${score ?? '-'} ${severitySource ?? '-'}`,
    )
  }

  test("one release's urgency does not speak for another", async () => {
    const docs = [
      { id: 'DEBIAN-CVE-2024-0001', affected: [affected('11', urgency('high')), affected('12', urgency('low'))] },
    ]
    expect(await rated(docs, '11')).toEqual(['High - DEBIAN-CVE-2024-0001'])
    expect(await rated(docs, '12')).toEqual(['Low - DEBIAN-CVE-2024-0001'])
  })

  test('"not yet assigned" hides no other word', async () => {
    const docs = [
      {
        id: 'DEBIAN-CVE-2024-0001',
        affected: [affected('11', urgency('not yet assigned')), affected('12', urgency('unimportant'))],
      },
    ]
    expect(await rated(docs, '11')).toEqual(['Unknown - -'])
    expect(await rated(docs, '12')).toEqual(['Negligible - DEBIAN-CVE-2024-0001'])
  })

  test('nor does the vector of one package for another of the record', async () => {
    const docs = [{ id: 'X-1', affected: [affected('12', vector(CRITICAL), 'a'), affected('12', vector(HIGH), 'b')] }]
    expect(await rated(docs, '12', 'a', 'b')).toEqual(['Critical 9.8 X-1', 'High 7.2 X-1'])
  })

  test("the package's own vector goes before the record's, and a word of either after any vector", async () => {
    const docs = [
      {
        id: 'X-1',
        ...vector(HIGH),
        affected: [affected('12', vector(CRITICAL), 'a'), affected('12', urgency('low'), 'b')],
      },
      {
        id: 'X-2',
        database_specific: { severity: 'MODERATE' },
        affected: [affected('12', urgency('low'), 'c'), affected('12', {}, 'd')],
      },
    ]
    expect(await rated(docs, '12', 'a')).toEqual(['Critical 9.8 X-1'])
    expect(await rated(docs, '12', 'b')).toEqual(['High 7.2 X-1'])
    expect(await rated(docs, '12', 'c')).toEqual(['Low - X-2'])
    expect(await rated(docs, '12', 'd')).toEqual(['Medium - X-2'])
  })

  test("a trivy.db's severity is that of the release it stands in", async () => {
    const entry = (Severity: number) => JSON.stringify({ FixedVersion: '2', Severity })
    const database = await fromTrivy({
      'debian 11': { zlib: { 'CVE-2024-0001': entry(4) } },
      'debian 12': { zlib: { 'CVE-2024-0001': entry(1) } },
    })
    const severity = async (release: string) =>
      (await findings(database, 'debian', release, found('dpkg', 'zlib', '1')))[0]!.severity
    expect([await severity('11'), await severity('12')]).toEqual(['Critical', 'Low'])
  })
})
