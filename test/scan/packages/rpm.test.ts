import { describe, expect, test } from 'vitest'
import { rpm } from '../../../lib/scan/packages/rpm.ts'
import { fixture, readFile } from './reading.ts'

const SQLITE = 'usr/lib/sysimage/rpm/rpmdb.sqlite'
const BDB = 'var/lib/rpm/Packages'
const NDB = 'usr/lib/sysimage/rpm/Packages.db'

/** What `rpm -qa` said of the root the fixtures were made in. */
const INSTALLED = [
  'demo-libs 2:9.8-4.el9 noarch from demo-tool 2:1.2.3-4.el9',
  'demo-tool 2:1.2.3-4.el9 noarch from demo-tool 2:1.2.3-4.el9',
  'demo-tool-python 2:1.2.3-4.el9 noarch from demo-tool 2:1.2.3-4.el9',
]

const brief = (content: Buffer, path: string) => {
  const { packages, gaps, owned, unreadable } = readFile(rpm, path, content)
  const lines = packages.map(
    (one) => `${one.name} ${one.version} ${one.architecture} from ${one.source?.name} ${one.source?.version}`,
  )
  return { lines: lines.sort(), gaps, owned, unreadable }
}

/** The blobs of the SQLite fixture in rpm's own format, as rpm 4.16 writes it. */
function ndbOf(blobs: Buffer[]): Buffer {
  const header = Buffer.alloc(4096)
  header.write('RpmP', 0, 'latin1')
  header.writeUInt32LE(1, 12)
  for (let at = 32; at < 4096; at += 16) header.write('Slot', at, 'latin1')
  const parts = [header]
  let block = 4096 / 16
  blobs.forEach((blob, i) => {
    // Every second slot stays free, as after an upgrade.
    const slot = 32 + 32 * i
    const bytes = Math.ceil((16 + blob.length + 12) / 16) * 16
    const body = Buffer.alloc(bytes)
    body.write('BlbS', 0, 'latin1')
    body.writeUInt32LE(i + 1, 4)
    body.writeUInt32LE(blob.length, 12)
    blob.copy(body, 16)
    body.write('BlbE', bytes - 4, 'latin1')
    header.writeUInt32LE(i + 1, slot + 4)
    header.writeUInt32LE(block, slot + 8)
    header.writeUInt32LE(bytes / 16, slot + 12)
    parts.push(body)
    block += bytes / 16
  })
  return Buffer.concat(parts)
}

const STRING = 6
const INT32 = 4
const STRINGS = 8

/** A header blob of these tags. */
function header(tags: [tag: number, type: number, value: string[] | number[]][]): Buffer {
  const index = Buffer.alloc(tags.length * 16)
  const data: Buffer[] = []
  let at = 0
  tags.forEach(([tag, type, values], i) => {
    const bytes = Buffer.concat(
      values.map((value) => {
        if (typeof value === 'string') return Buffer.from(`${value}\0`)
        const number = Buffer.alloc(4)
        number.writeUInt32BE(value)
        return number
      }),
    )
    index.writeUInt32BE(tag, i * 16)
    index.writeUInt32BE(type, i * 16 + 4)
    index.writeUInt32BE(at, i * 16 + 8)
    index.writeUInt32BE(values.length, i * 16 + 12)
    data.push(bytes)
    at += bytes.length
  })
  const counts = Buffer.alloc(8)
  counts.writeUInt32BE(tags.length, 0)
  counts.writeUInt32BE(at, 4)
  return Buffer.concat([counts, index, ...data])
}

const plain = (name: string, more: Parameters<typeof header>[0] = []) =>
  header([[1000, STRING, [name]], [1001, STRING, ['1.0']], [1002, STRING, ['2.el9']], ...more])

describe('rpm', () => {
  test.each([
    [SQLITE, true],
    ['var/lib/rpm/rpmdb.sqlite', true],
    ['usr/share/rpm/rpmdb.sqlite', true],
    [BDB, true],
    [NDB, true],
    ['var/lib/rpm/Name', false],
    ['opt/rpm/rpmdb.sqlite', false],
    ['var/lib/rpm/rpmdb.sqlite-shm', false],
  ])('%s: a database is %s', (path, wanted) => {
    expect(rpm.wants(path)).toBe(wanted)
  })

  test.each([
    ['SQLite, as rpm itself wrote it', 'rpm/rpmdb.sqlite', SQLITE],
    ['a Berkeley DB hash', 'rpm/Packages', BDB],
    ['a Berkeley DB hash of a big-endian machine', 'rpm/Packages-big-endian', BDB],
    ['a Berkeley DB hash whose values fit into its pages', 'rpm/Packages-large-pages', BDB],
  ])('reads every package of %s', (_, name, path) => {
    const { lines, gaps, owned, unreadable } = brief(fixture(name), path)
    expect({ lines, gaps, unreadable }).toEqual({ lines: INSTALLED, gaps: [], unreadable: undefined })
    // Nobody's distribution built these: they name no vendor.
    expect(owned).toEqual([])
  })

  test("reads rpm's own format, free slots passed over", () => {
    const key = header([
      [1000, STRING, ['gpg-pubkey']],
      [1001, STRING, ['1']],
      [1002, STRING, ['2']],
    ])
    const file = ndbOf([
      plain('a'),
      key,
      plain('b', [
        [1003, INT32, [7]],
        [1044, STRING, ['(none)']],
      ]),
    ])
    expect(brief(file, NDB)).toMatchObject({
      lines: ['a 1.0-2.el9 undefined from a 1.0-2.el9', 'b 7:1.0-2.el9 undefined from b 7:1.0-2.el9'],
      gaps: [],
    })
  })

  test('takes the source apart at its two last hyphens, and file names of old packages as they are', () => {
    const old = plain('python3-libs', [
      [1044, STRING, ['python3.11-a-b-3.11.2-1.el9.nosrc.rpm']],
      [1027, STRINGS, ['/usr/bin/x', '/usr/bin/y']],
      [1011, STRING, ['Red Hat, Inc.']],
    ])
    const { packages, owned } = readFile(rpm, NDB, ndbOf([old]))
    expect(packages[0]!.source).toEqual({ name: 'python3.11-a-b', version: '3.11.2-1.el9' })
    expect(owned).toEqual(['/usr/bin/x', '/usr/bin/y'])
  })

  test.each([
    ['directories', 1118],
    ['files', 1117],
    ['files of old packages', 1027],
  ])('a package with more %s than any has is damaged, and the others are read', (_, tag) => {
    const many = plain('many', [
      [1011, STRING, ['Red Hat, Inc.']],
      [tag, STRINGS, ['']],
    ])
    // The count of the last tag, in the index behind the two counts.
    many.writeUInt32BE(1_000_001, 8 + 4 * 16 + 12)
    expect(brief(ndbOf([many, plain('b')]), NDB)).toMatchObject({
      lines: ['b 1.0-2.el9 undefined from b 1.0-2.el9'],
      gaps: ['has 1 packages whose headers cannot be read'],
    })
  })

  test.each<[vendor: string, release: string, owned: boolean]>([
    ['Red Hat, Inc.', '2.el9', true],
    ['CentOS', '2.el7', true],
    ['AlmaLinux', '2.el9', true],
    ['Rocky Enterprise Software Foundation', '2.el9', true],
    ['Oracle America', '2.el8', true],
    ['Amazon Linux', '2.amzn2', true],
    ['Amazon.com, Inc.', '2.amzn2023.0.1', true],
    ['Fedora Project', '2.fc39', true],
    ['SUSE LLC <https://www.suse.com/>', '150400.1.1', true],
    ['openSUSE', 'lp154.1', true],
    ['VMware, Inc.', '2.ph4', true],
    ['Microsoft Corporation', '2.cm2', true],
    ['Microsoft Corporation', '2.azl3', true],
    ['Mageia.Org', '2.mga9', true],
    ['http://openeuler.org', '2.oe2203', true],
    // Built for a distribution by somebody else: it has no advisories for them.
    ['Fedora Project', '2.el9', false],
    ['Microsoft Corporation', '1', false],
    ['Microsoft', '1', false],
    ['Amazon.com, Inc.', '1', false],
    ['VMware, Inc.', '1', false],
    ['Oracle and/or its affiliates', '2.el9', false],
    ['NodeSource', '1nodesource', false],
    ['Docker', '1.el9', false],
    ['Grafana', '1', false],
    ['obs://build.opensuse.org/home:someone', 'lp154.1', false],
    ['', '2.el9', false],
  ])('by "%s" with release %s: its files are the distribution\'s is %s', (vendor, release, own) => {
    const blob = header([
      [1000, STRING, ['x']],
      [1001, STRING, ['1.0']],
      [1002, STRING, [release]],
      ...(vendor ? [[1011, STRING, [vendor]] as [number, number, string[]]] : []),
      [1116, INT32, [1, 0]],
      [1117, STRINGS, ['METADATA', 'x']],
      [1118, STRINGS, ['/usr/bin/', '/usr/lib/python3.9/site-packages/x.dist-info/']],
    ])
    const { packages, owned, owners } = readFile(rpm, NDB, ndbOf([blob]))
    expect(packages).toHaveLength(1)
    expect(owners).toEqual(owned.map(() => packages[0]))
    expect(owned).toEqual(own ? ['/usr/lib/python3.9/site-packages/x.dist-info/METADATA', '/usr/bin/x'] : [])
  })

  test('tells a log of changes that is not empty', () => {
    expect(readFile(rpm, `${SQLITE}-wal`, '')).toMatchObject({ packages: [], gaps: [] })
    expect(readFile(rpm, `${SQLITE}-wal`, 'x').gaps).toHaveLength(1)
  })

  test('keeps what it could read before the damage, and counts headers that are none', () => {
    const damaged = ndbOf([plain('a'), header([[1000, STRING, ['no-version']]]), plain('b')])
    expect(brief(damaged, NDB)).toMatchObject({ gaps: ['has 1 packages whose headers cannot be read'] })
    const cut = ndbOf([plain('a'), plain('b'), plain('c')]).subarray(0, -48)
    const { lines, gaps } = brief(cut, NDB)
    expect(lines).toHaveLength(2)
    expect(gaps).toEqual(['was cut; 2 packages before that place were read'])
  })

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['garbage', Buffer.alloc(5000, 'garbage')],
    ['zeros', Buffer.alloc(5000)],
    ['only the magic of SQLite', Buffer.from('SQLite format 3\0')],
    ['an SQLite file that was cut', fixture('rpm/rpmdb.sqlite').subarray(0, 5000)],
    ['an SQLite file of another program', fixture('rpm/rpmdb.sqlite').subarray(0, 4096).fill('X', 3000)],
    ['a Berkeley DB that was cut', fixture('rpm/Packages').subarray(0, 5000)],
    ['slots without end', Buffer.concat([Buffer.from('RpmP'), Buffer.alloc(28, 0xff)])],
  ])('calls %s unreadable', (_, content) => {
    const { packages, unreadable, gaps } = readFile(rpm, SQLITE, content)
    expect(packages).toEqual([])
    expect(unreadable ?? gaps[0]).toBeDefined()
  })

  test('does not follow pages in a circle', () => {
    const file = fixture('rpm/rpmdb.sqlite')
    const pageBytes = file.readUInt16BE(16)
    // Every leaf but the schema becomes a branch that leads to itself.
    for (let at = pageBytes; at + pageBytes <= file.length; at += pageBytes) {
      if (file[at] !== 0x0d) continue
      file[at] = 0x05
      file.writeUInt16BE(0, at + 3)
      file.writeUInt32BE(at / pageBytes + 1, at + 8)
    }
    expect(readFile(rpm, SQLITE, file).unreadable).toBe('has pages that lead in a circle')
  })

  test('does not read the same row again and again', () => {
    const file = fixture('rpm/rpmdb.sqlite')
    const pageBytes = file.readUInt16BE(16)
    for (let at = pageBytes; at + pageBytes <= file.length; at += pageBytes) {
      const cells = file.readUInt16BE(at + 3)
      if (file[at] !== 0x0d || cells === 0 || cells > 3) continue
      // As many cells as a page can claim, all the first.
      const first = file.readUInt16BE(at + 8)
      for (let i = 0; i < 200; i++) file.writeUInt16BE(first, at + 8 + 2 * i)
      file.writeUInt16BE(200, at + 3)
    }
    const { packages, gaps, unreadable } = readFile(rpm, SQLITE, file)
    expect(packages.length).toBeLessThan(200)
    expect(unreadable ?? gaps.join()).toMatch(/rows longer than the file|circle/)
  })
})
