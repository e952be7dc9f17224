/**
 * An immutable map of text to text in one Buffer: a table of FNV-1a hashes with open addressing, then the keys and
 * values. Opening costs nothing, a lookup touches two cache lines and the value, and no native code is needed.
 *
 *   0  magic "LSIX", 4 version, 8 slots (a power of two), 12 keys, then slots x (hash, offset, key bytes, value bytes),
 *      all uint32 little endian; offset 0 is an empty slot. Keys and values follow, UTF-8, key before value.
 */
import { LongshoreError } from '../errors.ts'

const MAGIC = 0x5849534c
const VERSION = 1
const HEADER_BYTES = 16
const SLOT_BYTES = 16

/** FNV-1a, 32 bit (http://www.isthe.com/chongo/tech/comp/fnv/). */
function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  return hash >>> 0
}

/** Builds the file. Equal entries give equal bytes: keys are sorted here and must be unique. */
export function encodeIndex(entries: Iterable<readonly [key: string, value: string]>): Buffer {
  const pairs = [...entries].map(([key, value]) => ({ key: Buffer.from(key), value: Buffer.from(value) }))
  pairs.sort((a, b) => Buffer.compare(a.key, b.key))
  let slots = 1
  while (slots < pairs.length * 2) slots *= 2
  const blobStart = HEADER_BYTES + slots * SLOT_BYTES
  const size = pairs.reduce((sum, { key, value }) => sum + key.length + value.length, blobStart)
  const file = Buffer.alloc(size)
  file.writeUInt32LE(MAGIC, 0)
  file.writeUInt32LE(VERSION, 4)
  file.writeUInt32LE(slots, 8)
  file.writeUInt32LE(pairs.length, 12)
  let offset = blobStart
  for (const { key, value } of pairs) {
    const hash = fnv1a(key)
    let at = HEADER_BYTES + (hash & (slots - 1)) * SLOT_BYTES
    while (file.readUInt32LE(at + 4) !== 0) at = at + SLOT_BYTES === blobStart ? HEADER_BYTES : at + SLOT_BYTES
    file.writeUInt32LE(hash, at)
    file.writeUInt32LE(offset, at + 4)
    file.writeUInt32LE(key.length, at + 8)
    file.writeUInt32LE(value.length, at + 12)
    offset += key.copy(file, offset)
    offset += value.copy(file, offset)
  }
  return file
}

/** A built file, opened. Its bytes were verified by digest before, so they are trusted here. */
export class IndexFile {
  readonly #file: Buffer
  readonly #slots: number
  /** Number of keys. */
  readonly size: number

  /** Throws `advisories-invalid` when the bytes are not an index of this version. */
  constructor(bytes: Uint8Array) {
    const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (file.length < HEADER_BYTES || file.readUInt32LE(0) !== MAGIC || file.readUInt32LE(4) !== VERSION)
      throw new LongshoreError(
        'advisories-invalid',
        'An advisory index file was written by another version; build the advisories again',
      )
    this.#file = file
    this.#slots = file.readUInt32LE(8)
    this.size = file.readUInt32LE(12)
  }

  get(key: string): string | undefined {
    const file = this.#file
    const wanted = Buffer.from(key)
    const hash = fnv1a(wanted)
    for (let probe = 0; probe < this.#slots; probe++) {
      const at = HEADER_BYTES + ((hash + probe) & (this.#slots - 1)) * SLOT_BYTES
      const offset = file.readUInt32LE(at + 4)
      if (offset === 0) return undefined
      const length = file.readUInt32LE(at + 8)
      if (file.readUInt32LE(at) !== hash || length !== wanted.length) continue
      if (file.compare(wanted, 0, length, offset, offset + length) !== 0) continue
      return file.toString('utf8', offset + length, offset + length + file.readUInt32LE(at + 12))
    }
    return undefined
  }

  /** Every key with its value, in no order that means anything: for differences between revisions. */
  *entries(): Generator<[key: string, value: string]> {
    const file = this.#file
    for (let slot = 0; slot < this.#slots; slot++) {
      const at = HEADER_BYTES + slot * SLOT_BYTES
      const offset = file.readUInt32LE(at + 4)
      if (offset === 0) continue
      const value = offset + file.readUInt32LE(at + 8)
      yield [file.toString('utf8', offset, value), file.toString('utf8', value, value + file.readUInt32LE(at + 12))]
    }
  }
}
