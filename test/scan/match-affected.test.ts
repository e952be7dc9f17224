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
