/** What every blob store must do alike. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { BlobStore } from '../../lib/blobs/port.ts'

export interface BlobsUnderTest {
  blobs: BlobStore
  close(): Promise<void>
}

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (content: Uint8Array | undefined) => content && new TextDecoder().decode(content)

export interface Quirks {
  /** s3rver writes into the file that readers read; S3 itself is atomic. */
  tearsWrites?: boolean
}

export function blobsConformance(name: string, open: () => Promise<BlobsUnderTest>, quirks: Quirks = {}): void {
  describe(`a blob store (${name})`, () => {
    let underTest: BlobsUnderTest
    let blobs: BlobStore
    let root: string
    let testCount = 0
    beforeAll(async () => {
      underTest = await open()
      blobs = underTest.blobs
    })
    afterAll(() => underTest?.close())
    beforeEach(() => {
      testCount += 1
      root = `test${testCount}`
    })

    test('returns text and bytes as they were put', async () => {
      const all = Uint8Array.from({ length: 256 }, (_, i) => i)
      await blobs.put(`${root}/text`, 'café 😀\r\n')
      await blobs.put(`${root}/bytes`, all, { contentType: 'application/octet-stream' })
      await blobs.put(`${root}/empty`, '')
      await blobs.put(`${root}/view`, new Uint8Array(all.buffer, 10, 5))
      expect(text(await blobs.get(`${root}/text`))).toBe('café 😀\r\n')
      expect([...(await blobs.get(`${root}/bytes`))!]).toEqual([...all])
      expect((await blobs.get(`${root}/empty`))!.length).toBe(0)
      expect([...(await blobs.get(`${root}/view`))!]).toEqual([10, 11, 12, 13, 14])
    })

    test('reads what is absent as undefined', async () => {
      expect(await blobs.get(`${root}/nothing`)).toBeUndefined()
      expect(await blobs.getRange(`${root}/nothing`, 0, 5)).toBeUndefined()
      await blobs.put(`${root}/a/b`, 'x')
      expect(await blobs.get(`${root}/a`)).toBeUndefined()
      expect(await blobs.get(`${root}/a/b/c`)).toBeUndefined()
    })

    test('replaces a blob whole, also by a shorter one', async () => {
      await blobs.put(`${root}/a`, 'long content')
      await blobs.put(`${root}/a`, 'short')
      expect(text(await blobs.get(`${root}/a`))).toBe('short')
    })

    test('keeps a blob apart from those below its name', async () => {
      await blobs.put(`${root}/a`, 'file')
      await blobs.put(`${root}/a/b`, 'below')
      await blobs.put(`${root}/a/b/c`, 'deeper')
      expect(text(await blobs.get(`${root}/a`))).toBe('file')
      expect(text(await blobs.get(`${root}/a/b`))).toBe('below')
      expect((await blobs.list(`${root}/`)).map(({ key }) => key)).toEqual([
        `${root}/a`,
        `${root}/a/b`,
        `${root}/a/b/c`,
      ])
      await blobs.delete(`${root}/a/b`)
      expect(text(await blobs.get(`${root}/a/b/c`))).toBe('deeper')
    })

    test('does not share memory with the caller', async () => {
      const mine = bytes('before')
      await blobs.put(`${root}/a`, mine)
      mine.fill(0)
      ;(await blobs.get(`${root}/a`))!.fill(0)
      ;(await blobs.getRange(`${root}/a`, 0, 3))!.fill(0)
      expect(text(await blobs.get(`${root}/a`))).toBe('before')
    })

    test('reads ranges, shorter at the end and empty behind it', async () => {
      await blobs.put(`${root}/a`, '0123456789')
      const range = async (offset: number, length: number) => text(await blobs.getRange(`${root}/a`, offset, length))
      expect(await range(0, 3)).toBe('012')
      expect(await range(4, 2)).toBe('45')
      expect(await range(8, 100)).toBe('89')
      expect(await range(9, 1)).toBe('9')
      expect(await range(10, 5)).toBe('')
      expect(await range(500, 5)).toBe('')
      for (const [offset, length] of [
        [-1, 5],
        [0, 0],
        [0.5, 1],
        [0, Number.NaN],
      ] as const)
        await expect(blobs.getRange(`${root}/a`, offset, length)).rejects.toMatchObject({ code: 'internal' })
    })

    test('lists keys below a prefix with their sizes in the order of their bytes', async () => {
      const keys = ['B', 'a', 'a-b/x', 'a.b', 'a/b', 'a/b/c', 'a0', 'a=b', 'a_b', 'b/c', 'b/d']
      for (const [i, key] of [...keys].reverse().entries()) await blobs.put(`${root}/${key}`, 'x'.repeat(i))
      const listed = await blobs.list(`${root}/`)
      expect(listed.map(({ key }) => key)).toEqual(keys.map((key) => `${root}/${key}`))
      expect(listed.find(({ key }) => key === `${root}/b/d`)!.size).toBe(0)
      expect(listed.find(({ key }) => key === `${root}/B`)!.size).toBe(10)
      const below = async (prefix: string) =>
        (await blobs.list(`${root}/${prefix}`)).map(({ key }) => key.slice(root.length + 1))
      expect(await below('a/')).toEqual(['a/b', 'a/b/c'])
      expect(await below('a')).toEqual(keys.filter((key) => key.startsWith('a')))
      expect(await below('b/d')).toEqual(['b/d'])
      expect(await below('c')).toEqual([])
      expect((await blobs.list('')).length).toBeGreaterThanOrEqual(keys.length)
      expect(await blobs.list(`${root}x`)).toEqual([])
    })

    test('lists what many put at the same time', async () => {
      const keys = Array.from({ length: 8 }, (_, i) => `${root}/p/${i}`)
      await Promise.all(keys.map((key) => blobs.put(key, key)))
      expect((await blobs.list(`${root}/p/`)).map(({ key }) => key)).toEqual(keys)
    })

    test('deletes, also what is not there', async () => {
      await blobs.put(`${root}/a`, 'x')
      await blobs.delete(`${root}/a`)
      await blobs.delete(`${root}/a`)
      expect(await blobs.get(`${root}/a`)).toBeUndefined()
      expect(await blobs.list(`${root}/`)).toEqual([])
    })

    test.skipIf(quirks.tearsWrites)('never shows half a blob while writers race', async () => {
      const contents = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(200_000))
      await blobs.put(`${root}/a`, contents[0]!)
      const writes = contents.map((content) => blobs.put(`${root}/a`, content))
      const reads = Array.from({ length: 8 }, async () => text(await blobs.get(`${root}/a`)))
      for (const seen of await Promise.all(reads)) expect(contents.includes(seen!)).toBe(true)
      await Promise.all(writes)
      expect(contents.includes(text(await blobs.get(`${root}/a`))!)).toBe(true)
    })

    test('takes every character a key may have, at the greatest length', async () => {
      const key = `${root}/${'AZaz09._=-/'.repeat(40)}`.padEnd(512, 'x').slice(0, 512)
      await blobs.put(key, 'x')
      expect(text(await blobs.get(key))).toBe('x')
    })

    test.each([
      '',
      '/',
      '/a',
      'a/',
      'a//b',
      '.',
      '..',
      '../a',
      'a/../b',
      'a/..',
      './a',
      'a/./b',
      'a b',
      'a\\b',
      'a:b',
      'é',
      'a\0',
      'a+',
      'x'.repeat(513),
    ])('refuses %j as a key', async (key) => {
      const refused = { name: 'LongshoreError', code: 'internal' }
      await expect(blobs.put(key, 'x')).rejects.toMatchObject(refused)
      await expect(blobs.get(key)).rejects.toMatchObject(refused)
      await expect(blobs.getRange(key, 0, 1)).rejects.toMatchObject(refused)
      await expect(blobs.delete(key)).rejects.toMatchObject(refused)
    })

    test.each(['/', '../', 'a/../', 'a//', 'é'])('refuses %j as a prefix', async (prefix) => {
      await expect(blobs.list(prefix)).rejects.toMatchObject({ name: 'LongshoreError', code: 'internal' })
    })
  })
}
