/** Our inflater beside node:zlib: what one reads the other reads, to the same bytes. */
import { constants, crc32, deflateRawSync, gunzipSync, gzipSync, inflateRawSync } from 'node:zlib'
import { gunzipInPieces } from '../../scan/unpack/by-hand.ts'
import { Chance } from '../../simulation/chance.ts'
import { hold, type Target } from '../target.ts'

const BYTES_MAX = 8_388_608
const noise = Buffer.from(new Chance(1).bytes(6_000).map((byte) => byte & 63))
const text = Buffer.concat([Buffer.from('longshore scans and copies '.repeat(300)), noise, Buffer.alloc(3_000, 'xy')])
const strategies = [constants.Z_DEFAULT_STRATEGY, constants.Z_HUFFMAN_ONLY, constants.Z_RLE, constants.Z_FIXED]
const all = [
  ...strategies.map((strategy) => ({ strategy })),
  { level: 0 },
  { level: 1, memLevel: 1 },
  { level: 9, windowBits: 9 },
]

/** What zlib makes of it; undefined when it refuses it, or it is more than we want to see. */
function byNode<T>(read: () => T): T | undefined | 'too much' {
  try {
    return read()
  } catch (error) {
    return error instanceof RangeError ? 'too much' : undefined
  }
}

/** Sizes of pieces come of the input, so that the same input is always read alike. */
const piecesOf = (input: Buffer) =>
  [[1, 13, 700, 262_144][input.length % 4]!, [300, 5_000, 262_144][input.length % 3]!] as const

const deflate: Target = {
  name: 'deflate',
  seeds: { inputs: all.map((options) => deflateRawSync(text, options)) },
  run(input) {
    const found = byNode(
      () =>
        inflateRawSync(input, { info: true, maxOutputLength: BYTES_MAX }) as unknown as {
          buffer: Buffer
          engine: { bytesWritten: number }
        },
    )
    if (found === 'too much') return
    const trailer = Buffer.alloc(8)
    if (found) {
      trailer.writeUInt32LE(crc32(found.buffer as Buffer<ArrayBuffer>), 0)
      trailer.writeUInt32LE(found.buffer.length, 4)
    }
    const deflated = found ? input.subarray(0, found.engine.bytesWritten) : input
    const header = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3])
    const packed = Buffer.concat(found ? [header, deflated, trailer] : [header, deflated])
    const { content, problem } = gunzipInPieces(packed, ...piecesOf(input), BYTES_MAX)
    if (problem === 'more than the limit') return
    hold((problem === undefined) === (found !== undefined), `zlib ${found ? 'reads' : 'refuses'} it, we say ${problem}`)
    if (found) hold(content.equals(found.buffer), 'other bytes than of zlib')
  },
}

const gunzip: Target = {
  name: 'gunzip',
  seeds: {
    inputs: [
      ...all.map((options) => gzipSync(text.subarray(0, 2_000), options)),
      Buffer.concat([gzipSync('a'), gzipSync('b'), Buffer.alloc(40)]),
    ],
    words: ['\x1f\x8b\x08'],
  },
  run(input) {
    let why = ''
    const found = byNode(() => {
      try {
        return gunzipSync(input, { maxOutputLength: BYTES_MAX })
      } catch (error) {
        why = (error as Error).message
        throw error
      }
    })
    // The checksum is not ours to check: see gunzip-thread.ts.
    if (found === 'too much' || why === 'incorrect data check') return
    const { content, problem } = gunzipInPieces(input, ...piecesOf(input), BYTES_MAX)
    if (problem === 'more than the limit') return
    hold((problem === undefined) === (found !== undefined), `zlib says "${why}", we say ${problem}`)
    if (found) hold(content.equals(found), 'other bytes than of zlib')
  },
}

export const gunzips: readonly Target[] = [deflate, gunzip]
