import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { comparisonsOf } from '../../lib/advisories/constraints.ts'
import { type AdvisoryDatabase, buildRevision, openAdvisories } from '../../lib/advisories/index.ts'
import { sourceOf } from '../../lib/advisories/source-of.ts'
import { memoryBlobs } from '../../lib/blobs/memory.ts'
import { defaultLimits } from '../../lib/config.ts'
import { LongshoreError } from '../../lib/errors.ts'
import { type BoltBucket, boltFile } from './bolt-file.ts'

/** Written by bbolt 1.3.6 itself, with the buckets of trivy-db's schema 2; 600 packages, so that there are branches. */
const FIXTURE = gunzipSync(readFileSync(new URL('../fixtures/trivy/trivy.db.gz', import.meta.url)))

let folder = ''
let database: AdvisoryDatabase
const build = async (bytes: Uint8Array) => {
  const path = join(folder, 'trivy.db')
  writeFileSync(path, bytes)
  const blobs = memoryBlobs()
  const result = await buildRevision({ source: sourceOf(path, defaultLimits), blobs, limits: defaultLimits })
  return { result, database: await openAdvisories(blobs) }
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'longshore-trivy-'))
  database = (await build(FIXTURE)).database
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const told = async (ecosystem: string, name: string, from = database) =>
  (await from.lookup(ecosystem, name)).map(
    ({ id, ranges }) =>
      `${id} ${ranges.map(({ events }) => events.map(({ kind, version }) => kind[0] + version).join(' ')).join(' | ')}`,
  )

describe('a trivy.db', () => {
  test('gives records of every distribution and language that is known here', async () => {
    expect(database.sources.map(({ ecosystem }) => ecosystem)).toEqual([
      'Alpine',
      'Amazon Linux',
      'Debian',
      'Oracle Linux',
      'PyPI',
      'npm',
    ])
    expect(await told('Debian:12', 'openssl')).toEqual(['DEBIAN-CVE-2024-0001 i0 f3.0.13-1~deb12u1'])
    expect(await told('Debian:11', 'openssl')).toEqual(['DEBIAN-CVE-2024-0001 i0 f1.1.1w-0+deb11u2'])
    expect(await told('Debian:12', 'zlib')).toEqual(['DEBIAN-CVE-2024-0002 i0'])
    expect(await told('Alpine:v3.19', 'musl')).toEqual(['ALPINE-CVE-2024-0003 i0 f1.2.4-r3'])
    expect(await told('Oracle Linux:9', 'bash')).toEqual([
      'ORACLELINUX-CVE-2024-0004 i0 f5.1.8-6.el9 | i0 f5.1.8-9.el9',
    ])
    expect(await told('Amazon Linux:2', 'curl')).toEqual(['AMAZONLINUX-CVE-2024-0005 i0 f7.61.1-12.amzn2'])
    expect(await told('npm', 'lodash')).toEqual(['NPM-CVE-2021-23337 i0 f4.17.21'])
    expect(await told('npm', 'odd')).toEqual([
      'NPM-GHSA-aaaa-bbbb-cccc i1.0.0 f1.2.3 | i2.0.0 l2.1.0 | i3.0.0 l3.0.0 | i4.0.0 f5.0.0-0',
    ])
    expect(await told('PyPI', 'django')).toEqual(['PYPI-CVE-2024-0006 i4.2 f4.2.8'])
    expect(database.covers('Red Hat')).toBe(false)
  })

  test('gives all packages of a bucket that has branches, with what is known of their flaws', async () => {
    for (const i of [0, 1, 299, 300, 599])
      expect(await told('Debian:12', `package-${String(i).padStart(4, '0')}`)).toEqual([
        `DEBIAN-CVE-2023-${10_000 + (i % 300)} i0 f1.${i}-1`,
      ])
    expect(await database.details('Debian', 'DEBIAN-CVE-2023-10299')).toMatchObject({ title: 'flaw 299' })
    expect(await database.details('Debian', 'DEBIAN-CVE-2024-0001')).toMatchObject({
      aliases: ['CVE-2024-0001'],
      title: 'openssl: a flaw',
      severities: [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H' }],
      url: 'https://example.test/1',
      published: '2024-01-02T03:04:05.000Z',
    })
    expect(await database.details('Amazon Linux', 'AMAZONLINUX-CVE-2024-0005')).toMatchObject({ label: 'CRITICAL' })
  })

  test.each([
    ['nothing', new Uint8Array()],
    ['text', Buffer.from('SQLite format 3\0'.repeat(1_000))],
    ['one page', FIXTURE.subarray(0, 4_096)],
    ['two pages', FIXTURE.subarray(0, 8_192)],
    ['half of one', FIXTURE.subarray(0, FIXTURE.length >> 1)],
  ])('that is %s is refused by a coded error', async (_, bytes) => {
    await expect(build(bytes)).rejects.toMatchObject({ code: 'advisories-invalid' })
  })

  test('with damage anywhere is read or refused, in bounded time', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(FIXTURE.length - 1),
        fc.uint8Array({ minLength: 1, maxLength: 12 }),
        async (at, noise) => {
          const copy = Buffer.from(FIXTURE)
          copy.set(noise.subarray(0, copy.length - at), at)
          try {
            await build(copy)
          } catch (error) {
            expect(error).toBeInstanceOf(LongshoreError)
          }
        },
      ),
      { numRuns: 25, seed: 9 },
    )
  })
})

/** A file whose packages have one flaw each, fixed in the version that is named. */
const fixedIn = (buckets: Record<string, Record<string, string>>): BoltBucket =>
  Object.fromEntries(
    Object.entries(buckets).map(([bucket, packages]) => [
      bucket,
      Object.fromEntries(
        Object.entries(packages).map(([name, FixedVersion]) => [
          name,
          { 'CVE-2024-0001': JSON.stringify({ FixedVersion }) },
        ]),
      ),
    ]),
  )

test.each([
  ['Oracle Linux', 'Oracle Linux 8', 'Oracle Linux 9', 'Oracle Linux:8', 'Oracle Linux:9'],
  ['Amazon Linux', 'amazon linux 2', 'amazon linux 2023', 'Amazon Linux:2', 'Amazon Linux:2023'],
  ['Rocky Linux', 'rocky 8', 'rocky 9', 'Rocky Linux:8', 'Rocky Linux:9'],
  ['Photon OS', 'Photon OS 4.0', 'Photon OS 5.0', 'Photon OS:4.0', 'Photon OS:5.0'],
])('a package of one release of %s is not judged by the range of another', async (_, older, newer, one, other) => {
  const built = await build(boltFile(fixedIn({ [older]: { bash: '4.4.20-3' }, [newer]: { bash: '5.1.8-9' } })))
  const fixes = async (ecosystem: string) =>
    (await told(ecosystem, 'bash', built.database)).map((text) => text.split(' ').slice(1).join(' '))
  expect([await fixes(one), await fixes(other)]).toEqual([['i0 f4.4.20-3'], ['i0 f5.1.8-9']])
  expect([one, other, `${one}1`].map((ecosystem) => built.database.covers(ecosystem))).toEqual([true, true, false])
})

test.each<[expression: string, ecosystem: string, comparisons: string]>([
  ['<4.17.21', 'npm', '<4.17.21'],
  ['>= 1.0.0, < 1.2.3', 'npm', '>=1.0.0 <1.2.3'],
  ['>=1.0.0 <=1.2.3', 'npm', '>=1.0.0 <=1.2.3'],
  ['= 1.2.3', 'npm', '=1.2.3'],
  ['1.2.3', 'Maven', '=1.2.3'],
  ['== 1.2', 'PyPI', '=1.2'],
  ['=> 1.2, =< 2', 'npm', '>=1.2 <=2'],
  ['', 'npm', ''],
  ['*', 'npm', ''],
  ['^1.2.3', 'npm', '>=1.2.3 <2.0.0-0'],
  ['^0.2.3', 'crates.io', '>=0.2.3 <0.3.0-0'],
  ['^0.0.3', 'npm', '>=0.0.3 <0.0.4-0'],
  ['^0.0', 'npm', '>=0.0 <0.1.0-0'],
  ['^0', 'npm', '>=0 <1.0.0-0'],
  ['^1.2.3-beta.2', 'npm', '>=1.2.3-beta.2 <2.0.0-0'],
  ['^5.4', 'Packagist', '>=5.4 <6-dev'],
  ['~1.2.3', 'npm', '>=1.2.3 <1.3.0-0'],
  ['~1.2', 'npm', '>=1.2 <1.3.0-0'],
  ['~1', 'npm', '>=1 <2.0.0-0'],
  ['~> 1.2', 'npm', '>=1.2 <1.3.0-0'],
  ['~1.2', 'Packagist', '>=1.2 <2-dev'],
  ['~1.2.3', 'Packagist', '>=1.2.3 <1.3-dev'],
  ['~> 2.1.1', 'RubyGems', '>=2.1.1 <2.2.a'],
  ['~> 2.1', 'RubyGems', '>=2.1 <3.a'],
  ['~> 2', 'RubyGems', '>=2 <3.a'],
  ['~> 4.2.11.1', 'RubyGems', '>=4.2.11.1 <4.2.12.a'],
  ['~=2.2', 'PyPI', '>=2.2 <3.dev0'],
  ['1.2.x', 'npm', '>=1.2 <1.3.0-0'],
  ['1.x.x', 'npm', '>=1 <2.0.0-0'],
  ['==1.*', 'PyPI', '>=1 <2.dev0'],
  ['<2.x', 'npm', '<2'],
  ['<=2.x', 'npm', '<3.0.0-0'],
  ['>2.x', 'npm', '>=3.0.0-0'],
  ['1.2 - 1.4.1', 'npm', '>=1.2 <=1.4.1'],
  ['[1.0,2.0)', 'Maven', '>=1.0 <2.0'],
  ['(,1.5]', 'Maven', '<=1.5'],
  ['[1.0]', 'NuGet', '=1.0'],
])('the expression "%s" of %s is %s', (expression, ecosystem, comparisons) => {
  expect(comparisonsOf(expression, ecosystem)?.join(' ')).toBe(comparisons)
})

test.each(['>=1 | <2', '<>', '!=1.0', '^latest', '~>', '[1.0', '(1.0)', '<*', 'a b=c'])(
  'the expression "%s" is not guessed at',
  (expression) => {
    expect(comparisonsOf(expression, 'npm')).toBeUndefined()
  },
)

describe('entries of a language', () => {
  const language = async (bucket: string, entries: Record<string, object>) =>
    build(
      boltFile({
        [`${bucket}::Some Source`]: Object.fromEntries(
          Object.entries(entries).map(([name, entry]) => [name, { 'CVE-2024-0001': JSON.stringify(entry) }]),
        ),
      }),
    )

  test('that name safe versions alone are kept, with what is safe', async () => {
    const built = await language('rubygems', {
      rack: { PatchedVersions: ['~> 2.1.4', '>= 2.2.3'], UnaffectedVersions: ['< 1.0'] },
      none: { UnaffectedVersions: ['< 1.0'] },
      unknown: {},
    })
    const [match] = await built.database.lookup('RubyGems', 'rack')
    expect(match).toMatchObject({
      ranges: [{ events: [{ kind: 'introduced', version: '0' }] }],
      safe: [['>=2.1.4', '<2.2.a'], ['>=2.2.3'], ['<1.0']],
    })
    expect((await built.database.lookup('RubyGems', 'none'))[0]!.safe).toEqual([['<1.0']])
    expect(await told('RubyGems', 'unknown', built.database)).toEqual(['RUBYGEMS-CVE-2024-0001 i0'])
    expect(built.result.skipped.count).toBe(0)
  })

  test('with ^ and ~ give ranges, and those that cannot be read are counted and named', async () => {
    const built = await language('npm', {
      caret: { VulnerableVersions: ['^1.2.0 || ~0.4.1'] },
      half: { VulnerableVersions: ['<1.0.0', '!=2.0.0'] },
      lost: { VulnerableVersions: ['!=2.0.0'] },
      patched: { PatchedVersions: ['>1 | 2'] },
    })
    expect(await told('npm', 'caret', built.database)).toEqual(['NPM-CVE-2024-0001 i1.2.0 f2.0.0-0 | i0.4.1 f0.5.0-0'])
    expect(await told('npm', 'half', built.database)).toEqual(['NPM-CVE-2024-0001 i0 f1.0.0'])
    expect(await told('npm', 'lost', built.database)).toEqual([])
    expect(await told('npm', 'patched', built.database)).toEqual([])
    expect(built.result.skipped.count).toBe(3)
    expect(built.result.skipped.examples.join('\n')).toContain(
      'CVE-2024-0001 of lost says "!=2.0.0", which cannot be converted',
    )
  })

  test('of two sources are judged apart: what is safe for one is not for the other', async () => {
    const built = await build(
      boltFile({
        'npm::A': { x: { 'CVE-2024-0001': JSON.stringify({ VulnerableVersions: ['<3'] }) } },
        'npm::B': { x: { 'CVE-2024-0001': JSON.stringify({ PatchedVersions: ['>=2'] }) } },
      }),
    )
    expect((await built.database.lookup('npm', 'x')).map(({ safe }) => safe)).toEqual([undefined, [['>=2']]])
  })
})

test('a source is closed when its reader stops early', async () => {
  const path = join(folder, 'early.db')
  writeFileSync(path, boltFile(fixedIn({ 'debian 12': { a: '1', b: '2' } })))
  const open = () => readdirSync('/proc/self/fd').filter((fd) => linkOf(fd) === path).length
  for await (const one of sourceOf(path, defaultLimits).records('Debian')) {
    expect([one.name, open()]).toEqual(['DEBIAN-CVE-2024-0001.json', 1])
    break
  }
  expect(open()).toBe(0)
})

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return ''
  }
}
