import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { Worker } from 'node:worker_threads'
import { constants, crc32, deflateRawSync, gunzipSync, gzipSync, inflateRawSync } from 'node:zlib'
import { describe, expect, test, vi } from 'vitest'
import { defaultLimits } from '../../../lib/config.ts'
import { LongshoreError } from '../../../lib/errors.ts'
import { gunzip } from '../../../lib/scan/unpack/gunzip.ts'
import { BEHIND, IN_FRONT, TABLES_END, WINDOW } from '../../../lib/scan/unpack/gunzip-module.ts'
import { inflate } from '../../../lib/scan/unpack/inflate.ts'
import { Chance } from '../../simulation/chance.ts'
import { gunzipInPieces, newGunzip } from './by-hand.ts'

const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])
const trailer = (content: Buffer) => {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32LE(crc32(content), 0)
  bytes.writeUInt32LE(content.length, 4)
  return bytes
}
const member = (deflated: Buffer, content: Buffer, header = HEADER) =>
  Buffer.concat([header, deflated, trailer(content)])

/** Words, noise, runs and far repeats, in a mixture that is never the same. */
function contentOf(chance: Chance, bytesMax: number): Buffer {
  const parts: Buffer[] = []
  let length = 0
  const bytes = chance.integer(0, bytesMax)
  while (length < bytes) {
    const count = chance.integer(1, 5_000)
    const kind = chance.integer(0, 4)
    const alphabet = chance.pick([2, 16, 64, 256])
    const part =
      kind === 0
        ? Buffer.alloc(count, chance.integer(0, 255))
        : kind === 1
          ? Buffer.alloc(count, 'abcdefghijklmnopq'.slice(0, chance.integer(2, 17)))
          : kind === 2 && length > 0
            ? Buffer.concat(parts).subarray(-chance.integer(1, 40_000)).subarray(0, count)
            : Buffer.from(chance.bytes(count).map((byte) => byte % alphabet))
    parts.push(part)
    length += part.length
  }
  return Buffer.concat(parts)
}

const packedBy = (chance: Chance) => ({
  level: chance.pick([0, 1, 4, 6, 9]),
  memLevel: chance.pick([1, 8, 9]),
  windowBits: chance.pick([9, 12, 15]),
  strategy: chance.pick([
    constants.Z_DEFAULT_STRATEGY,
    constants.Z_FILTERED,
    constants.Z_HUFFMAN_ONLY,
    constants.Z_RLE,
    constants.Z_FIXED,
  ]),
})

describe('the compiled inflater', () => {
  test('is made of the source beside it', () => {
    const hash = createHash('sha256')
    const folder = 'lib/scan/unpack/assembly'
    for (const name of readdirSync(folder).sort()) hash.update(readFileSync(join(folder, name)))
    // Stale: npm run gunzip.
    expect(readFileSync('lib/scan/unpack/gunzip.generated.ts', 'utf8')).toContain(hash.digest('hex'))
  })

  test('keeps its tables and its margins where the layout leaves room for them', () => {
    const told = newGunzip() as unknown as { [name: string]: { value: number } }
    const ours = { TABLES_END, IN_FRONT, WINDOW, BEHIND }
    for (const [name, value] of Object.entries(ours)) expect([name, told[name]?.value]).toEqual([name, value])
  })

  test('gives back what zlib packed, by any level and strategy, in pieces of any size', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const chance = new Chance(seed)
      const contents = Array.from({ length: chance.pick([1, 1, 1, 2, 5]) }, () => contentOf(chance, 120_000))
      const packed = Buffer.concat(contents.map((content) => gzipSync(content, packedBy(chance))))
      const inBytes = chance.pick([1, 7, 100, 1_000, 65_536, 262_144])
      const outBytes = chance.pick([300, 1_000, 40_000, 262_144])
      const { content, problem } = gunzipInPieces(packed, inBytes, outBytes)
      expect(problem, `seed ${seed}`).toBeUndefined()
      expect(content.equals(Buffer.concat(contents)), `seed ${seed}`).toBe(true)
    }
  })

  test('takes damage for what zlib takes it for, and gives the same bytes where zlib gives any', () => {
    const seen = { read: 0, refused: 0 }
    for (let seed = 1; seed <= 3_000; seed++) {
      const chance = new Chance(seed)
      const deflated = deflateRawSync(contentOf(chance, 6_000), packedBy(chance))
      for (let flips = chance.integer(1, 3); flips > 0 && deflated.length > 0; flips--)
        deflated[chance.integer(0, deflated.length - 1)]! ^= 1 << chance.integer(0, 7)
      const pieces = [chance.pick([1, 50, 100_000]), chance.pick([300, 100_000])] as const
      let found: { buffer: Buffer; engine: { bytesWritten: number } } | undefined
      try {
        found = inflateRawSync(deflated, { info: true }) as unknown as typeof found
      } catch {
        const { problem } = gunzipInPieces(Buffer.concat([HEADER, deflated]), ...pieces)
        expect(problem, `seed ${seed}`).toMatch(/invalid|cut/)
        seen.refused++
        continue
      }
      const packed = member(deflated.subarray(0, found!.engine.bytesWritten), found!.buffer)
      const { content, problem } = gunzipInPieces(packed, ...pieces)
      expect(problem, `seed ${seed}`).toBeUndefined()
      expect(content.equals(found!.buffer), `seed ${seed}`).toBe(true)
      seen.read++
    }
    expect(Math.min(seen.read, seen.refused)).toBeGreaterThan(300)
  })

  test('reads every field that a header may have, and refuses what zlib refuses in one', () => {
    const content = Buffer.from('longshore '.repeat(100))
    const deflated = deflateRawSync(content)
    const extra = Buffer.concat([Buffer.from([3, 0]), Buffer.from('abc')])
    const header = (flags: number) => {
      const parts = [Buffer.from([0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 3])]
      if (flags & 4) parts.push(extra)
      if (flags & 8) parts.push(Buffer.from('name\0'))
      if (flags & 16) parts.push(Buffer.from('comment\0'))
      if (flags & 2) {
        const sum = Buffer.alloc(2)
        sum.writeUInt16LE(crc32(Buffer.concat(parts)) & 0xffff)
        parts.push(sum)
      }
      return Buffer.concat(parts)
    }
    for (let flags = 0; flags < 32; flags++) {
      const packed = member(deflated, content, header(flags))
      expect(gunzipSync(packed).equals(content)).toBe(true)
      for (const inBytes of [1, 3, 1_000])
        expect(gunzipInPieces(packed, inBytes, 1_000)).toEqual({ content, problem: undefined })
    }
    const damaged = (flags: number, at: number, value: number) => {
      const packed = Buffer.from(member(deflated, content, header(flags)))
      packed[at] = value
      return packed
    }
    // No magic, another method, a reserved flag, a wrong checksum of the header.
    for (const packed of [damaged(0, 1, 0x8c), damaged(0, 2, 7), damaged(0, 3, 0x20), damaged(2, 10, 0xff)]) {
      expect(() => gunzipSync(packed)).toThrow()
      expect(gunzipInPieces(packed, 1, 1_000).problem).toBe('invalid')
    }
  })

  test('takes what follows a zero for padding and anything else for another member', () => {
    const one = gzipSync('one')
    const padded = Buffer.concat([one, Buffer.alloc(70_000), Buffer.from('whatever')])
    expect(gunzipInPieces(padded, 1_000, 1_000)).toEqual({ content: Buffer.from('one') })
    expect(gunzipSync(padded).toString()).toBe('one')
    const followed = Buffer.concat([one, Buffer.from('whatever follows')])
    expect(() => gunzipSync(followed)).toThrow('incorrect header check')
    expect(gunzipInPieces(followed, 1_000, 1_000).problem).toBe('invalid')
  })

  test('lets no match reach behind the beginning of its member', () => {
    // A fixed block: the literal 'a', then a match of 3 bytes from 2 bytes back, one too many.
    const bits = '1' + '10' + '10010001' + '0000001' + '00001' + '0000000'
    const raw = Buffer.alloc(Math.ceil(bits.length / 8))
    for (let i = 0; i < bits.length; i++) raw[i >> 3]! |= Number(bits[i]) << (i & 7)
    const before = gzipSync(Buffer.alloc(1_000, 'x'))
    expect(() => inflateRawSync(raw)).toThrow('invalid distance too far back')
    for (const packed of [[], [before]].map((parts) => Buffer.concat([...parts, HEADER, raw, Buffer.alloc(8)])))
      for (const inBytes of [1, 1_000]) expect(gunzipInPieces(packed, inBytes, 1_000).problem).toBe('invalid')
  })

  test('reads blocks of fixed codes beside blocks of their own codes, and a million empty ones', () => {
    const [text, words] = [Buffer.from('abcabcabcd'.repeat(30)), contentOf(new Chance(3), 30_000)]
    const fixed = { strategy: constants.Z_FIXED }
    const flush = { finishFlush: constants.Z_SYNC_FLUSH }
    const parts = [
      deflateRawSync(text, { ...fixed, ...flush }),
      deflateRawSync(words, flush),
      deflateRawSync(text, { ...fixed, ...flush }),
      deflateRawSync(words, flush),
      deflateRawSync(text, fixed),
    ]
    const content = Buffer.concat([text, words, text, words, text])
    expect(gunzipInPieces(member(Buffer.concat(parts), content), 1_000, 5_000)).toEqual({ content })
    // Ten bits each: not the last, fixed codes, the end; four of them are five bytes.
    const empty = Buffer.alloc(5)
    for (const bit of [1, 11, 21, 31]) empty[bit >> 3]! |= 1 << (bit & 7)
    const packed = member(Buffer.concat([Buffer.alloc(5 * 250_000, empty), deflateRawSync('end')]), Buffer.from('end'))
    expect(gunzipSync(packed).toString()).toBe('end')
    expect(gunzipInPieces(packed, 262_144, 1_000)).toEqual({ content: Buffer.from('end') })
  })

  test('tells a stream that is cut anywhere, and a length that is wrong', () => {
    const content = contentOf(new Chance(7), 20_000)
    const packed = gzipSync(content)
    for (let at = 0; at < packed.length; at += at < 100 ? 1 : 97) {
      const { problem, content: found } = gunzipInPieces(packed.subarray(0, at), 1_000, 1_000)
      // Without a byte there is no member that could be cut.
      expect(problem, `after ${at} bytes`).toBe('cut')
      expect(content.subarray(0, found.length).equals(found)).toBe(true)
    }
    const wrong = Buffer.from(packed)
    wrong[wrong.length - 1]! ^= 1
    expect(gunzipInPieces(wrong, 1_000, 1_000).problem).toBe('length')
  })
})

describe('the thread that inflates', () => {
  const content = Buffer.concat([
    Buffer.from(new Chance(1).bytes(900_000)),
    Buffer.alloc(500_000, 'end'),
    contentOf(new Chance(2), 3_000_000),
  ])
  const packed = gzipSync(content, { level: 1 })
  const source = (bytes: Buffer = packed) =>
    Readable.from(
      Array.from({ length: Math.ceil(bytes.length / 60_000) }, (_, i) => bytes.subarray(i * 60_000, (i + 1) * 60_000)),
    )
  const read = async (bytes?: Buffer) => {
    const hash = createHash('sha256')
    const count = await inflate(source(bytes), 'sha256', defaultLimits, (chunk) => hash.update(chunk), large)
    return { ...count, hash: hash.digest('hex') }
  }
  /** What the manifest would say of a layer that is worth it. */
  const large = { size: 20_000_000 }
  const whole = {
    packedBytes: packed.length,
    bytes: content.length,
    hash: createHash('sha256').update(content).digest('hex'),
    digest: createHash('sha256').update(content).digest('hex'),
  }
  const idle = () => {
    const unpacker = gunzip(() => {})
    unpacker?.destroy(undefined)
    return unpacker !== undefined
  }

  /** A slot is free when the thread has seen that nobody wants its stream. */
  const allSlots = (deliver: (chunk: Buffer) => void) =>
    vi.waitFor(() => {
      const slots = [1, 2, 3].flatMap(() => gunzip(deliver) ?? [])
      if (slots.length === 3) return slots
      for (const slot of slots) slot.destroy(undefined)
      throw new Error('not all are free')
    })

  test('reads one layer after another, and several at once', async () => {
    expect(packed.length).toBeGreaterThan(262_144 * 3)
    for (let round = 0; round < 3; round++) expect(await read()).toEqual(whole)
    expect(await Promise.all([read(), read(), read()])).toEqual([whole, whole, whole])
    expect(idle()).toBe(true)
  })

  test('makes the digest by any algorithm of diffIDs, as is made without it', async () => {
    for (const algorithm of ['sha512', 'sha384', 'sha256'])
      for (const size of [large.size, 0]) {
        const { digest } = await inflate(source(), algorithm, defaultLimits, () => {}, { size })
        expect(digest).toBe(createHash(algorithm).update(content).digest('hex'))
      }
  })

  test('is not waited for: what comes while all slots are taken is read by node:zlib', async () => {
    const taken = await allSlots(() => {})
    expect(gunzip(() => {})).toBeUndefined()
    expect(await read()).toEqual(whole)
    for (const unpacker of taken) unpacker.destroy(undefined)
    await vi.waitFor(() => expect(idle()).toBe(true))
    expect(await read()).toEqual(whole)
  })

  test('takes what is smaller once it has begun, and leaves what is small to node:zlib', async () => {
    const bytes = Buffer.from(new Chance(3).bytes(70_000))
    const sizes = [70_000, 5]
    for (const size of sizes) {
      const packed = gzipSync(bytes.subarray(0, size))
      const found = await inflate(source(packed), 'sha256', defaultLimits, () => {}, { size: packed.length })
      expect(found.digest).toBe(createHash('sha256').update(bytes.subarray(0, size)).digest('hex'))
    }
  })

  test('reads on in the other slots when a layer is given up in one', async () => {
    const stop = new AbortController()
    const reason = new Error('given up')
    let pieces = 0
    const given = () =>
      inflate(source(), 'sha256', defaultLimits, () => {
        if (++pieces === 5) stop.abort(reason)
      }, { ...large, signal: stop.signal }) // biome-ignore format: one thing
    const both = await Promise.allSettled([read(), given(), read()])
    expect(both).toEqual([
      { status: 'fulfilled', value: whole },
      { status: 'rejected', reason },
      { status: 'fulfilled', value: whole },
    ])
  })

  test('gives every stream its own bytes, however many take turns', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const chance = new Chance(seed)
      const streams = Array.from({ length: chance.integer(1, 5) }, () => contentOf(chance, 2_000_000))
      const found = await Promise.all(
        streams.map(async (content) => {
          const size = chance.pick([0, 100_000])
          const hash = createHash('sha256')
          const packed = gzipSync(content, packedBy(chance))
          const { digest } = await inflate(source(packed), 'sha256', defaultLimits, (chunk) => hash.update(chunk), {
            size,
          })
          return [digest, hash.digest('hex')]
        }),
      )
      const told = streams.map((content) => createHash('sha256').update(content).digest('hex'))
      expect(found, `seed ${seed}`).toEqual(told.map((one) => [one, one]))
    }
  })

  test('ends with a layer that is given up, and another is there for the next', async () => {
    const cut = new LongshoreError('connection-cut', 'cut')
    const broken = async () => {
      const stream = Readable.from(
        (async function* () {
          yield packed.subarray(0, 600_000)
          throw cut
        })(),
        { objectMode: false },
      )
      await inflate(stream, 'sha256', defaultLimits, () => {}, large)
    }
    const mine = new Error('mine')
    const refused = () =>
      inflate(
        source(),
        'sha256',
        defaultLimits,
        () => {
          throw mine
        },
        large,
      )
    for (const [run, error] of [
      [broken, cut],
      [refused, mine],
      [broken, cut],
    ] as const) {
      await expect(run()).rejects.toBe(error)
      expect(await read()).toEqual(whole)
    }
    expect(idle()).toBe(true)
  })

  // Pieces as from a socket: one that comes when the stream has failed already was written into the slot of the next.
  test.each(['damaged', 'refused', 'given up'])('touches its slot no more when it was %s', async (how) => {
    const bytes = Buffer.from(packed)
    if (how === 'damaged') bytes[3] = 0xff
    const reason = new Error('no more')
    const unpackers = await allSlots(() => {
      if (how === 'refused') throw reason
    })
    for (const unpacker of unpackers) {
      await Promise.resolve(unpacker.write([bytes.subarray(0, 700_000)])).catch(() => undefined)
      if (how === 'given up') unpacker.destroy(reason)
      await vi.waitFor(() => expect(unpacker.write([])).rejects.toThrow())
    }
    for (const unpacker of await allSlots(() => {})) unpacker.destroy(undefined)
    for (const unpacker of unpackers) await expect(unpacker.write([bytes.subarray(700_000)])).rejects.toThrow()
    expect(await Promise.all([read(), read(), read()])).toEqual([whole, whole, whole])
  })

  test('tells damage, a wrong length and a cut as an invalid layer', async () => {
    const damaged = Buffer.from(packed)
    damaged.fill(0xff, 900_000, 900_500)
    const wrong = Buffer.from(packed)
    wrong[wrong.length - 2]! ^= 1
    for (const [bytes, why] of [
      [damaged, 'it is damaged'],
      [wrong, 'the length at its end is wrong'],
      [packed.subarray(0, -9), 'it ends too early'],
    ] as const)
      await expect(read(bytes)).rejects.toMatchObject({
        code: 'layer-invalid',
        message: `the gzip stream cannot be read: ${why}`,
      })
    expect(await read()).toEqual(whole)
  })

  test.each([
    ['our thread', 2 ** 30],
    ['node:zlib', 0],
  ])('is stopped after the last packed byte has come, too: %s', async (_, size) => {
    const zeros = gzipSync(Buffer.alloc(300_000_000), { level: 1 })
    const stop = new AbortController()
    const reason = new Error('stopped')
    let seen = 0
    const run = inflate(
      source(zeros),
      'sha256',
      { ...defaultLimits, layerRatioMax: 100_000 },
      (chunk) => {
        if (seen === 0) setImmediate(() => stop.abort(reason))
        seen += chunk.length
      },
      { size, signal: stop.signal },
    )
    await expect(run).rejects.toBe(reason)
    expect(seen).toBeLessThan(300_000_000)
    expect(await read()).toEqual(whole)
  })

  test('is not missed where there is no WebAssembly', async () => {
    vi.resetModules()
    vi.stubGlobal('WebAssembly', undefined)
    try {
      const fresh = await import('../../../lib/scan/unpack/gunzip.ts')
      expect(fresh.gunzip(() => {})).toBeUndefined()
      expect(fresh.gunzip(() => {})).toBeUndefined()
    } finally {
      vi.unstubAllGlobals()
    }
  })

  test('ends all its streams when it dies, and another is begun', async () => {
    let died = false
    const workers: Worker[] = []
    vi.resetModules()
    vi.doMock('node:worker_threads', async (original) => ({
      ...(await original<typeof import('node:worker_threads')>()),
      Worker: class extends Worker {
        constructor(...given: ConstructorParameters<typeof Worker>) {
          super(...given)
          workers.push(this)
        }
      },
    }))
    try {
      const fresh = await import('../../../lib/scan/unpack/gunzip.ts')
      const unpacker = fresh.gunzip(() => {
        if (died) return
        died = true
        void workers[0]!.terminate()
      })!
      const other = fresh.gunzip(() => {})!
      const run = async (one: typeof unpacker) => {
        await one.write([packed])
        await one.end()
      }
      // The other's bytes have not all come when the thread dies.
      await other.write([packed.subarray(0, 600_000)])
      const ended = { code: 'internal', message: 'the thread that inflates has ended' }
      await expect(run(unpacker)).rejects.toMatchObject(ended)
      await expect(run(other)).rejects.toMatchObject(ended)
      const next = fresh.gunzip(() => {})!
      await next.write([packed])
      await next.end()
      expect(workers).toHaveLength(2)
      for (const worker of workers) await worker.terminate()
    } finally {
      vi.doUnmock('node:worker_threads')
    }
  })
})
