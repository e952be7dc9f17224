import { Readable } from 'node:stream'
import * as zlib from 'node:zlib'
import { createGzip, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { defaultLimits, type Limits } from '../../../lib/config.ts'
import { LongshoreError } from '../../../lib/errors.ts'
import { zstdFrame } from '../../../lib/local/demo/build.ts'
import { inflate } from '../../../lib/scan/unpack/inflate.ts'

async function unpack(packed: Uint8Array | Readable, limits: Limits = defaultLimits, chunkBytes = 65_536) {
  const parts: Buffer[] = []
  const source =
    packed instanceof Readable
      ? packed
      : Readable.from(
          (function* () {
            const bytes = Buffer.from(packed)
            for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes)
          })(),
          { objectMode: false },
        )
  const count = await inflate(source, 'sha256', limits, (chunk) => parts.push(Buffer.from(chunk)))
  return { content: Buffer.concat(parts), ...count }
}
const codeOf = async (run: Promise<unknown>) =>
  run.then(
    () => 'no error',
    (error) => (error instanceof LongshoreError ? error.code : `not ours: ${error}`),
  )

/** Not compressible, and the same each time. */
const noise = (bytes: number) => {
  const content = Buffer.alloc(bytes)
  let x = 1
  for (let i = 0; i < bytes; i++) {
    x = (x * 1103515245 + 12345) & 0x7fffffff
    content[i] = x >> 16
  }
  return content
}

describe('inflating a layer', () => {
  const content = Buffer.concat([noise(700_000), Buffer.alloc(300_000, 'ab')])

  test('reads gzip, zstd and plain bytes by their beginning, in chunks of any size', async () => {
    for (const packed of [gzipSync(content), zstdFrame(content), content])
      for (const chunk of [1_000, 65_536, 2_000_000]) {
        const found = await unpack(packed, defaultLimits, chunk)
        expect(found.content.equals(content)).toBe(true)
        expect(found).toMatchObject({ packedBytes: packed.length, bytes: content.length })
      }
  })

  test('reads many gzip members and zstd frames as one stream', async () => {
    const pieces = Array.from({ length: 300 }, (_, i) => Buffer.from(`piece ${i}\n`))
    for (const pack of [gzipSync, zstdFrame]) {
      const packed = Buffer.concat(pieces.map((piece) => pack(piece)))
      for (const chunk of [5, packed.length])
        expect((await unpack(packed, defaultLimits, chunk)).content.toString()).toBe(pieces.join(''))
    }
  })

  test('takes zeros after the last gzip member as padding', async () => {
    const found = await unpack(Buffer.concat([gzipSync('abc'), Buffer.alloc(600_000)]))
    expect(found.content.toString()).toBe('abc')
  })

  test('passes over skippable zstd frames', async () => {
    const skippable = Buffer.concat([Buffer.from([0x5e, 0x2a, 0x4d, 0x18, 4, 0, 0, 0]), Buffer.from('note')])
    const packed = Buffer.concat([skippable, zstdFrame(Buffer.from('a')), skippable, zstdFrame(Buffer.from('b'))])
    expect((await unpack(packed, defaultLimits, 3)).content.toString()).toBe('ab')
  })

  test('takes a stream of frames to be skipped alone for an empty archive', async () => {
    const skippable = Buffer.concat([Buffer.from([0x5e, 0x2a, 0x4d, 0x18, 4, 0, 0, 0]), Buffer.from('note')])
    expect((await unpack(Buffer.concat([skippable, skippable]))).bytes).toBe(0)
  })

  test('reads a zstd frame of any window that the limit allows', async () => {
    // 256 MiB, twice what decoders take by themselves; one raw block of four bytes.
    const frame = Buffer.from('28b52ffd009021000061626364', 'hex')
    expect(await codeOf(unpack(frame, { ...defaultLimits, zstdWindowBytesMax: 2 ** 27 }))).toBe('layer-too-large')
    const found = await unpack(frame, { ...defaultLimits, zstdWindowBytesMax: 2 ** 28 })
    expect(found.content.toString()).toBe('abcd')
  })

  test('tells a cut or damaged stream as an invalid layer', async () => {
    const gzip = gzipSync(content)
    const zstd = zstdFrame(content)
    const damaged = Buffer.from(gzip)
    damaged.fill(0xff, 5_000, 5_100)
    for (const packed of [
      gzip.subarray(0, -4),
      gzip.subarray(0, 15),
      zstd.subarray(0, -3),
      zstd.subarray(0, 7),
      damaged,
    ])
      expect(await codeOf(unpack(packed))).toBe('layer-invalid')
    expect(await codeOf(unpack(Buffer.concat([gzip, Buffer.from('garbage')])))).toMatch(/layer-invalid|no error/)
  })

  test('refuses packings that OCI does not know', async () => {
    expect(await codeOf(unpack(Buffer.from('BZh91AY&SY')))).toBe('unsupported-media-type')
  })

  test('refuses a zstd frame that asks for a window of 2 GiB before any is allocated', async () => {
    const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00])
    expect(await codeOf(unpack(frame))).toBe('layer-too-large')
  })

  test('stops a gzip bomb at the limits, without reading it to its end', async () => {
    let made = 0
    const zeros = Buffer.alloc(1_048_576)
    const bomb = () => {
      made = 0
      return Readable.from(
        (function* () {
          while (made < 2_000) {
            made++
            yield zeros
          }
        })(),
        { objectMode: false },
      ).pipe(createGzip({ level: 1 }))
    }
    expect(await codeOf(unpack(bomb(), { ...defaultLimits, layerInflatedBytesMax: 20_000_000 }))).toBe(
      'layer-too-large',
    )
    // 256 KB of packed bytes are 58 MB of it, and some of them may be on their way.
    expect(made).toBeLessThan(500)
    const limits = { ...defaultLimits, layerRatioMax: 50, layerRatioFreeBytes: 1_000_000 }
    expect(await codeOf(unpack(bomb(), limits))).toBe('layer-too-large')
    expect(made).toBeLessThan(500)
  })

  test('stops a zstd bomb of run-length blocks', async () => {
    const block = Buffer.from([0x02 | ((131_071 << 3) & 0xf8), (131_071 >> 5) & 0xff, (131_071 >> 13) & 0xff, 0])
    const bomb = Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 7 << 3]), ...Array(4_000).fill(block)])
    const limits = { ...defaultLimits, layerInflatedBytesMax: 20_000_000 }
    expect(await codeOf(unpack(bomb, limits))).toBe('layer-too-large')
  })

  test('ends with what the source or the reader throws', async () => {
    const cut = new LongshoreError('connection-cut', 'cut')
    const source = Readable.from(
      (async function* () {
        yield gzipSync(content).subarray(0, 400_000)
        throw cut
      })(),
      { objectMode: false },
    )
    await expect(inflate(source, 'sha256', defaultLimits, () => {})).rejects.toBe(cut)
    const mine = new LongshoreError('layer-invalid', 'mine')
    const whole = Readable.from([gzipSync(content)], { objectMode: false })
    const fail = () => {
      throw mine
    }
    await expect(inflate(whole, 'sha256', defaultLimits, fail)).rejects.toBe(mine)
    expect(whole.destroyed).toBe(true)
  })
})

/** Blocks of 128 KiB of one byte, four bytes each: what a chunk of a stream can hold most of. */
function repeated(blocks: number): Buffer {
  const block = Buffer.alloc(4)
  block.writeUIntLE((131_072 << 3) | (1 << 1), 0, 3)
  const last = Buffer.from(block)
  last[0] = last[0]! | 1
  const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 11 << 3])
  return Buffer.concat([head, ...Array(blocks - 1).fill(block), last])
}

describe('a chunk that inflates to hundreds of megabytes', () => {
  const limits = { ...defaultLimits, layerRatioMax: 1_000_000 }
  const BLOCKS = 1_600
  const bytes = BLOCKS * 131_072

  test('lets everything else go on meanwhile', async () => {
    let turns = 0
    let done = false
    const turn = () => {
      turns++
      if (!done) setImmediate(turn)
    }
    setImmediate(turn)
    const source = Readable.from([repeated(BLOCKS)], { objectMode: false })
    expect(await inflate(source, 'sha256', limits, () => {})).toMatchObject({ bytes })
    done = true
    // Once in 4 MiB.
    expect(turns).toBeGreaterThanOrEqual(bytes / 4_194_304 - 1)
  })

  test.runIf(!('createZstdDecompress' in zlib))('ends with its source, not with the chunk', async () => {
    let seen = 0
    const source = new Readable({ read() {} })
    source.push(repeated(BLOCKS))
    const chunks = inflate(source, 'sha256', limits, (chunk) => {
      if (seen === 0) setImmediate(() => source.destroy(new Error('stopped')))
      seen += chunk.length
    })
    source.push(Buffer.alloc(262_144))
    await expect(chunks).rejects.toThrow('stopped')
    expect(seen).toBeLessThan(20_000_000)
  })
})
