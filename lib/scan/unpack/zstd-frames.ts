/**
 * Cuts a zstd stream (RFC 8878) into its frames without decoding them, so that a decoder never sees a window larger
 * than allowed, a dictionary, or a stream that stops early. `fzstd` allocates the window as the header asks, recurses
 * once per frame in a chunk and does not notice a missing end; with one decoder per frame none of that matters.
 */
import { LongshoreError } from '../../errors.ts'

const invalid = (what: string) => new LongshoreError('layer-invalid', `the zstd stream ${what}`)

/** Where the frame header tells what, by its descriptor byte (RFC 8878, 3.1.1.1). */
const headerBytes = (descriptor: number) => {
  const single = (descriptor & 0x20) !== 0
  const contentSize = [single ? 1 : 0, 2, 4, 8][descriptor >> 6]!
  const dictionary = [0, 1, 2, 4][descriptor & 3]!
  return { single, contentSize, dictionary, total: 4 + 1 + (single ? 0 : 1) + dictionary + contentSize }
}

/** Bytes of a frame; `frameEnds` when they are its last. */
interface Piece {
  bytes: Buffer
  frameEnds: boolean
}

export class ZstdFrames {
  readonly #windowBytesMax: number
  #stage: 'magic' | 'header' | 'block' | 'body' | 'skip' = 'magic'
  /** Bytes of the stage at hand that are not all there yet. */
  #held: Buffer = Buffer.alloc(0)
  #left = 0
  #lastBlock = false
  #checksumBytes = 0

  constructor(windowBytesMax: number) {
    this.#windowBytesMax = windowBytesMax
  }

  /**
   * Takes the next bytes of the stream and gives those of the frames, in order and in pieces of a block at most; skippable
   * frames are left out. All pieces must be taken before the next bytes come. Throws `layer-invalid`, or
   * `layer-too-large` for a window beyond the limit.
   */
  *cut(chunk: Buffer): Generator<Piece> {
    let at = 0
    while (at < chunk.length) {
      if (this.#stage === 'body' || this.#stage === 'skip') {
        const part = chunk.subarray(at, at + this.#left)
        at += part.length
        this.#left -= part.length
        if (this.#stage === 'skip') {
          if (this.#left === 0) this.#stage = 'magic'
          continue
        }
        const ends = this.#left === 0 && this.#lastBlock
        yield { bytes: part, frameEnds: ends }
        if (this.#left === 0) this.#stage = ends ? 'magic' : 'block'
        continue
      }
      const needed = this.#needed()
      const taken = chunk.subarray(at, at + needed - this.#held.length)
      at += taken.length
      this.#held = this.#held.length === 0 ? taken : Buffer.concat([this.#held, taken])
      if (this.#held.length < needed) {
        // The chunk is the source's; what is held must outlive it.
        this.#held = Buffer.from(this.#held)
        return
      }
      yield* this.#step()
    }
  }

  end(): void {
    if (this.#stage !== 'magic' || this.#held.length > 0) throw invalid('stops early; the layer was cut')
  }

  #needed(): number {
    if (this.#stage === 'block') return 3
    if (this.#stage === 'magic') return 8
    return headerBytes(this.#held[4]!).total
  }

  *#step(): Generator<Piece> {
    const held = this.#held
    if (this.#stage === 'magic') {
      const magic = held.readUInt32LE(0)
      // Skippable frames: 0x184D2A50 to 0x184D2A5F, then their length.
      if (magic >>> 4 === 0x184d2a5) {
        this.#left = held.readUInt32LE(4)
        this.#held = Buffer.alloc(0)
        this.#stage = this.#left === 0 ? 'magic' : 'skip'
        return
      }
      if (magic !== 0xfd2fb528) throw invalid('holds something that is not a frame')
      this.#stage = 'header'
      if (held.length < this.#needed()) return
    }
    if (this.#stage === 'header') yield* this.#header(held)
    else yield* this.#block(held)
  }

  *#block(held: Buffer): Generator<Piece> {
    const block = held.readUIntLE(0, 3)
    const type = (block >> 1) & 3
    if (type === 3) throw invalid('has a block of a reserved type')
    this.#lastBlock = (block & 1) === 1
    // A run-length block stores one byte whatever its size says.
    this.#left = (type === 1 ? 1 : block >>> 3) + (this.#lastBlock ? this.#checksumBytes : 0)
    this.#held = Buffer.alloc(0)
    const ends = this.#left === 0 && this.#lastBlock
    yield { bytes: held, frameEnds: ends }
    this.#stage = ends ? 'magic' : this.#left === 0 ? 'block' : 'body'
  }

  *#header(held: Buffer): Generator<Piece> {
    const descriptor = held[4]!
    const { single, contentSize, dictionary, total } = headerBytes(descriptor)
    let window: number
    if (single) {
      const at = 5 + dictionary
      window =
        contentSize === 8
          ? Number(held.readBigUInt64LE(at))
          : held.readUIntLE(at, contentSize) + (contentSize === 2 ? 256 : 0)
    } else {
      const base = 2 ** (10 + (held[5]! >> 3))
      window = base + (base / 8) * (held[5]! & 7)
    }
    const dictionaryAt = single ? 5 : 6
    if (dictionary > 0 && held.readUIntLE(dictionaryAt, dictionary) !== 0) throw invalid('needs a dictionary')
    if (window > this.#windowBytesMax)
      throw new LongshoreError(
        'layer-too-large',
        `the zstd stream asks for a window of ${window} bytes (limit zstdWindowBytesMax ${this.#windowBytesMax})`,
      )
    this.#checksumBytes = (descriptor & 4) !== 0 ? 4 : 0
    // The shortest header is smaller than the 8 bytes read for the magic number: the rest is a block's beginning.
    const rest = held.subarray(total)
    this.#stage = 'block'
    this.#held = Buffer.alloc(0)
    yield { bytes: held.subarray(0, total), frameEnds: false }
    if (rest.length > 0) yield* this.cut(rest)
  }
}
