import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { defaultLimits } from '../../lib/config.ts'
import { LongshoreError } from '../../lib/errors.ts'
import { tarOf } from '../../lib/local/demo/build.ts'
import { body, END, file, header, paxRecord, walk } from './archives.ts'

const codeOf = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    return error instanceof LongshoreError ? error.code : `not ours: ${error}`
  }
  return 'no error'
}

const pax = (records: Record<string, string>, flag = 'x') => {
  const text = Object.entries(records)
    .map(([key, value]) => paxRecord(key, value))
    .join('')
  return Buffer.concat([header('PaxHeader', Buffer.byteLength(text), flag), body(text)])
}

describe('the tar walker', () => {
  test('gives the same entries and contents however the archive is cut into chunks', () => {
    const archive = tarOf([
      { path: 'a/' },
      { path: 'a/b.txt', content: 'hello' },
      { path: 'empty', content: '' },
      { path: `deep/${'x'.repeat(120)}/${'y'.repeat(140)}`, content: 'z'.repeat(1500) },
      { path: 'link', type: 'symlink', linkname: '../a' },
      { path: 'hard', type: 'hardlink', linkname: './a/b.txt' },
    ])
    const whole = walk(archive)
    expect(whole.paths).toEqual(['a', 'a/b.txt', 'empty', `deep/${'x'.repeat(120)}/${'y'.repeat(140)}`, 'link', 'hard'])
    expect(whole.contents['a/b.txt']).toBe('hello')
    expect(whole.entries[4]).toMatchObject({ type: 'symlink', link: '../a' })
    expect(whole.entries[5]).toMatchObject({ type: 'hardlink', link: 'a/b.txt' })
    for (const size of [1, 7, 511, 512, 513, 1000]) expect(walk(archive, size)).toEqual(whole)
  })

  test('reads GNU long names and long links, which win over a pax path as in Go', () => {
    const name = 'n'.repeat(300)
    const link = 'l'.repeat(300)
    const found = walk(
      Buffer.concat([
        pax({ path: 'from-pax' }),
        header('././@LongLink', 301, 'L'),
        body(`${name}\0`),
        header('././@LongLink', 301, 'K'),
        body(`${link}\0`),
        header('short', 0, '2'),
        file('next', 'x'),
        END,
      ]),
    )
    expect(found.entries[0]).toMatchObject({ path: name, link, type: 'symlink' })
    expect(found.paths[1]).toBe('next')
  })

  test('reads path, linkpath and size of a pax header, for the next entry only', () => {
    const found = walk(
      Buffer.concat([
        pax({ path: 'größe/x', size: '3', 'SCHILY.xattr.user.a': 'v=1\n2' }),
        header('wrong', 0),
        body('abc'),
        pax({ linkpath: 'to/there' }),
        header('l', 0, '2'),
        file('plain', 'p'),
        END,
      ]),
    )
    expect(found.contents).toEqual({ 'größe/x': 'abc', plain: 'p' })
    expect(found.entries[1]!.link).toBe('to/there')
  })

  test('passes over a global pax header, as container runtimes do', () => {
    const found = walk(
      Buffer.concat([pax({ path: 'everywhere', comment: 'x' }, 'g'), file('a', '1'), file('b', '2'), END]),
    )
    expect(found.contents).toEqual({ a: '1', b: '2' })
  })

  test('forgets at a global pax header what extensions before it said, as Go does', () => {
    const longName = Buffer.concat([header('././@LongLink', 6, 'L'), body('tmp/x\0')])
    const global = pax({ comment: 'x' }, 'g')
    for (const extension of [pax({ path: 'tmp/x' }), longName])
      expect(walk(Buffer.concat([extension, global, file('a', '1'), END])).contents).toEqual({ a: '1' })
    expect(walk(Buffer.concat([longName, global])).paths).toEqual([])
  })

  test('takes an empty long name for none, as Go does', () => {
    const empty = (flag: string) => Buffer.concat([header('././@LongLink', 1, flag), body('\0')])
    const link = header('l', 0, '2', (b) => b.write('there', 157))
    const found = walk(Buffer.concat([empty('L'), file('a', '1'), pax({ path: 'm' }), empty('K'), link, END]))
    expect(found.entries.map(({ path, link }) => [path, link])).toEqual([
      ['a', ''],
      ['m', 'there'],
    ])
  })

  // What archive/tar of Go 1.19 says of the same headers; 40,000 generated ones were compared.
  test.each([
    ['no time', 'pre/etc', '', 'pre/etc/os-release'],
    ['no second time', '00001234567\0', 'etc', '00001234567/os-release'],
    ['no number of eight', '12345678901\0', '', '12345678901/os-release'],
    ['a time', '00001234567\0', '00001234567\0', 'os-release'],
    ['a time with blanks', ' 1234567 \0\0', '', 'os-release'],
    ['a time of base 256', '\x80\0\0\0\0\0\0\0\0\0\0\x01', '', 'os-release'],
    ['a time of base 256 that is too large, which is not ASCII', '\x80\x01', '', 'os-release'],
    ['nothing', '', '', 'os-release'],
  ])('takes what stands at the times of a GNU header for a prefix as Go does: %s', (_, accessed, changed, path) => {
    const gnu = header('os-release', 0, '0', (block) => {
      block.write('ustar  \0', 257, 'latin1')
      block.write(accessed, 345, 'latin1')
      block.write(changed, 357, 'latin1')
    })
    expect(walk(Buffer.concat([gnu, END])).entries.map((entry) => entry.path)).toEqual([path])
  })

  test('ignores the size of links and directories, which have no content', () => {
    const found = walk(
      Buffer.concat([header('d', 4096, '5'), header('l', 9, '1', (b) => b.write('t', 157)), file('a', '1'), END]),
    )
    expect(found.paths).toEqual(['d', 'l', 'a'])
  })

  test('reads a base-256 size and refuses a negative or endless one', () => {
    const base256 = (bytes: number[]) => (block: Buffer) => void Buffer.from(bytes).copy(block, 124)
    const small = header('a', 0, '0', base256([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]))
    expect(walk(Buffer.concat([small, body('abc'), END])).contents).toEqual({ a: 'abc' })
    for (const bytes of [Array(12).fill(0xff), [0x80, ...Array(11).fill(0xff)]])
      expect(codeOf(() => walk(header('a', 0, '0', base256(bytes))))).toBe('layer-invalid')
    expect(codeOf(() => walk(Buffer.concat([pax({ size: '-5' }), header('a', 0), END])))).toBe('layer-invalid')
    expect(codeOf(() => walk(header('a', 0, '0', (b) => void b.write('-0000000001\0', 124))))).toBe('layer-invalid')
  })

  test('passes over sparse files of every kind without losing its place', () => {
    const old = header('old-sparse', 600, 'S', (b) => b.fill(1, 482, 483))
    const more = Buffer.alloc(512)
    more[504] = 1
    const found = walk(
      Buffer.concat([
        old,
        more,
        Buffer.alloc(512),
        Buffer.alloc(1024, 1),
        pax({ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.name': 'new-sparse' }),
        header('GNUSparseFile.0/x', 10),
        body('0123456789'),
        file('after', 'ok'),
        END,
      ]),
    )
    expect(found.entries.map(({ path, sparse }) => [path, sparse])).toEqual([
      ['old-sparse', true],
      ['new-sparse', true],
      ['after', false],
    ])
    expect(found.contents).toEqual({ after: 'ok' })
  })

  test.each<[records: Record<string, string>, isSparse: boolean]>([
    [{}, false],
    [{ 'GNU.sparse.realsize': '3' }, false],
    [{ 'GNU.sparse.major': '0', 'GNU.sparse.minor': '0' }, true],
    [{ 'GNU.sparse.major': '0', 'GNU.sparse.minor': '1' }, true],
    [{ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0' }, true],
    [{ 'GNU.sparse.major': '1' }, false],
    [{ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '1', 'GNU.sparse.map': '0,1' }, false],
    [{ 'GNU.sparse.map': '0,1' }, true],
    [{ 'GNU.sparse.map': '' }, false],
    [{ 'GNU.sparse.offset': '0', 'GNU.sparse.numbytes': '1', 'GNU.sparse.map': '' }, true],
    [{ 'GNU.sparse.map': '0,1', 'GNU.sparse.offset': '' }, false],
  ])('takes a file for sparse, and its other name, only where Go does: %j', (records, isSparse) => {
    const long = Buffer.concat([header('././@LongLink', 5, 'L'), body('long\0')])
    const sparse = pax({ ...records, 'GNU.sparse.name': 'other' })
    const found = walk(Buffer.concat([sparse, file('name', 'x'), long, sparse, file('name', 'x'), END]))
    expect(found.paths).toEqual(isSparse ? ['other', 'other'] : ['name', 'long'])
    expect(found.entries.map(({ sparse }) => sparse)).toEqual([isSparse, isSparse])
  })

  test('leaves an old sparse file the name of its header', () => {
    const records = { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.name': 'other' }
    const found = walk(Buffer.concat([pax(records), header('name', 0, 'S'), END]))
    expect(found.entries).toMatchObject([{ path: 'name', sparse: true }])
  })

  test('never makes a path that leaves the image', () => {
    const found = walk(
      Buffer.concat([
        file('../../etc/passwd', 'x'),
        file('a/../../b', 'x'),
        file('/abs//./c', 'ok'),
        file('./d', 'ok'),
        END,
      ]),
    )
    expect(found.paths).toEqual(['abs/c', 'd'])
    expect(found.refused).toHaveLength(2)
    expect(found.refused[0]).toContain('"../../etc/passwd"')
  })

  test('ignores a pax path with a NUL, a path of 64 KiB, and a hard link out of the image', () => {
    const found = walk(
      Buffer.concat([
        pax({ path: 'a\0b' }),
        header('x', 0),
        pax({ path: 'p'.repeat(65_536) }),
        header('x', 0),
        header('h', 0, '1', (b) => b.write('../../etc/shadow', 157)),
        file('fine', '1'),
        END,
      ]),
    )
    expect(found.paths).toEqual(['fine'])
    expect(found.refused).toHaveLength(3)
    expect(found.refused.join().length).toBeLessThan(1000)
  })

  test('refuses a wrong checksum, garbage, a lone end block and a name of more than 1 MiB', () => {
    const wrong = file('a', '1')
    wrong[0] = 0x62
    const endless = header('L', 2_000_000, 'L')
    for (const archive of [
      wrong,
      Buffer.alloc(2048, 0x41),
      Buffer.concat([Buffer.alloc(512), file('a', '1')]),
      endless,
    ])
      expect(codeOf(() => walk(archive))).toBe('layer-invalid')
  })

  test('tells an archive that was cut, but not one without end blocks', () => {
    const archive = Buffer.concat([file('a', 'x'.repeat(600)), file('b', '2')])
    expect(walk(archive).paths).toEqual(['a', 'b'])
    for (const cut of [300, 512, 700, 1536 + 100, archive.length - 10])
      expect(codeOf(() => walk(archive.subarray(0, cut)))).toBe('layer-invalid')
  })

  test('stops at the limit of entries', () => {
    const archive = Buffer.concat([...Array(5)].map((_, i) => file(`f${i}`, '')))
    expect(codeOf(() => walk(archive, 512, { ...defaultLimits, layerEntriesMax: 4 }))).toBe('layer-too-large')
  })

  test('either reads any bytes or refuses them as its own error', () => {
    const valid = tarOf([
      { path: 'a/b', content: 'content' },
      { path: 'x'.repeat(200), content: 'y' },
      { path: 'l', type: 'symlink', linkname: 'a' },
    ])
    const edits = fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(edits, fc.integer({ min: 1, max: 2000 }), fc.boolean(), (changes, chunk, repair) => {
        const bytes = Buffer.from(valid)
        for (const [at, value] of changes) bytes[at] = value
        if (repair) mendChecksums(bytes)
        expect(['no error', 'layer-invalid', 'layer-too-large']).toContain(codeOf(() => walk(bytes, chunk)))
      }),
      { numRuns: 300 },
    )
  })
})

/** So that the damage gets past the checksum. */
function mendChecksums(archive: Buffer): void {
  for (let at = 0; at + 512 <= archive.length; at += 512) {
    const block = archive.subarray(at, at + 512)
    if (block.toString('latin1', 257, 262) !== 'ustar') continue
    block.fill(' ', 148, 156)
    const sum = block.reduce((total, byte) => total + byte, 0)
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  }
}
