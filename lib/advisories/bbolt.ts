/**
 * Reads a bbolt file (https://github.com/etcd-io/bbolt), the format of trivy.db, page by page: nothing is kept, the file
 * may be larger than memory. Nothing in it is trusted; what does not add up throws `advisories-invalid`.
 */
import { fstatSync, readSync } from 'node:fs'
import { LongshoreError } from '../errors.ts'

const MAGIC = 0xed0cdaed
const VERSION = 2
const PAGE_HEADER_BYTES = 16
const ELEMENT_BYTES = 16
const BUCKET_HEADER_BYTES = 16
const BRANCH = 0x01
const LEAF = 0x02
const IS_BUCKET = 0x01

/** A tree of 100 keys a page and this depth would hold more keys than there are atoms in a litre of air. */
const DEPTH_MAX = 16
/** One value with its page; trivy's largest have some hundred KB. */
const PAGE_BYTES_MAX = 268_435_456

interface Page {
  flags: number
  count: number
  bytes: Buffer
}

/** A bucket: the number of its root page, or its only page itself when it is small. */
export type Bucket = number | Page

export type BoltEntry = { key: Buffer; value: Buffer; bucket?: undefined } | { key: Buffer; bucket: Bucket }

export class BoltFile {
  readonly #fd: number
  readonly #name: string
  readonly #size: number
  #pageBytes = 0
  /** The bucket that holds all others. */
  readonly root: Bucket

  /** @param name how the file is called in errors */
  constructor(fd: number, name: string) {
    this.#fd = fd
    this.#name = name
    this.#size = fstatSync(fd).size
    this.root = this.#readRoot()
  }

  #damaged(what: string): LongshoreError {
    return new LongshoreError('advisories-invalid', `${this.#name} is no bbolt file that can be read: ${what}`)
  }

  #bytes(offset: number, length: number): Buffer {
    if (length > PAGE_BYTES_MAX || offset + length > this.#size) throw this.#damaged(`it ends before byte ${offset}`)
    const buffer = Buffer.allocUnsafe(length)
    if (readSync(this.#fd, buffer, 0, length, offset) < length) throw this.#damaged(`it ends before byte ${offset}`)
    return buffer
  }

  /** Two pages say where everything begins; the one of the later transaction counts. */
  #readRoot(): Bucket {
    let best: { root: number; transaction: bigint } | undefined
    // The second lies one page further, and only a valid first one, or a guess, says how long a page is.
    for (const pageBytes of [0, 4_096, 8_192, 16_384, 65_536]) {
      const at = pageBytes + PAGE_HEADER_BYTES
      if (at + 64 > this.#size) continue
      const meta = this.#bytes(at, 64)
      if (meta.readUInt32LE(0) !== MAGIC || meta.readUInt32LE(4) !== VERSION) continue
      if (!meta.readBigUInt64LE(56) || meta.readBigUInt64LE(56) !== fnv1a64(meta.subarray(0, 56))) continue
      const transaction = meta.readBigUInt64LE(48)
      if (best && best.transaction >= transaction) continue
      best = { root: Number(meta.readBigUInt64LE(16)), transaction }
      this.#pageBytes = meta.readUInt32LE(8)
    }
    if (!best || this.#pageBytes < 512) throw this.#damaged('it has no valid meta page')
    return best.root
  }

  #page(bucket: Bucket): Page {
    if (typeof bucket !== 'number') return bucket
    const header = this.#bytes(bucket * this.#pageBytes, PAGE_HEADER_BYTES)
    const length = (header.readUInt32LE(12) + 1) * this.#pageBytes
    return this.#pageOf(this.#bytes(bucket * this.#pageBytes, length))
  }

  #pageOf(bytes: Buffer): Page {
    const page = { flags: bytes.readUInt16LE(8), count: bytes.readUInt16LE(10), bytes }
    const known = page.flags === BRANCH || page.flags === LEAF
    if (!known || PAGE_HEADER_BYTES + page.count * ELEMENT_BYTES > bytes.length)
      throw this.#damaged('a page is neither branch nor leaf')
    return page
  }

  #slice(page: Page, from: number, length: number): Buffer {
    if (from + length > page.bytes.length) throw this.#damaged('a key lies outside its page')
    return page.bytes.subarray(from, from + length)
  }

  #branch(page: Page, i: number): { key: Buffer; child: number } {
    const at = PAGE_HEADER_BYTES + i * ELEMENT_BYTES
    const key = this.#slice(page, at + page.bytes.readUInt32LE(at), page.bytes.readUInt32LE(at + 4))
    return { key, child: Number(page.bytes.readBigUInt64LE(at + 8)) }
  }

  #leaf(page: Page, i: number): BoltEntry {
    const at = PAGE_HEADER_BYTES + i * ELEMENT_BYTES
    const { bytes } = page
    const start = at + bytes.readUInt32LE(at + 4)
    const keyBytes = bytes.readUInt32LE(at + 8)
    const key = this.#slice(page, start, keyBytes)
    const value = this.#slice(page, start + keyBytes, bytes.readUInt32LE(at + 12))
    if ((bytes.readUInt32LE(at) & IS_BUCKET) === 0) return { key, value }
    if (value.length < BUCKET_HEADER_BYTES) throw this.#damaged('a bucket has no header')
    const root = Number(value.readBigUInt64LE(0))
    if (root !== 0) return { key, bucket: root }
    if (value.length < BUCKET_HEADER_BYTES + PAGE_HEADER_BYTES) throw this.#damaged('a bucket has no page')
    return { key, bucket: this.#pageOf(value.subarray(BUCKET_HEADER_BYTES)) }
  }

  /** Everything in a bucket, in the order of the keys. */
  *entries(bucket: Bucket, seen = new Set<Bucket>()): Generator<BoltEntry> {
    if (seen.has(bucket)) throw this.#damaged('a page is in its tree twice')
    seen.add(bucket)
    const page = this.#page(bucket)
    for (let i = 0; i < page.count; i++)
      if (page.flags === LEAF) yield this.#leaf(page, i)
      else yield* this.entries(this.#branch(page, i).child, seen)
  }

  /** One entry, by a way down the tree. */
  get(bucket: Bucket, key: string): BoltEntry | undefined {
    const wanted = Buffer.from(key)
    let page = this.#page(bucket)
    for (let depth = 0; depth <= DEPTH_MAX; depth++) {
      const keyAt = (i: number) => (page.flags === LEAF ? this.#leaf(page, i) : this.#branch(page, i)).key
      // The last key that is not above the wanted one.
      let [low, high] = [0, page.count]
      while (low < high) {
        const middle = (low + high) >> 1
        if (Buffer.compare(keyAt(middle), wanted) <= 0) low = middle + 1
        else high = middle
      }
      if (page.flags === LEAF) {
        const found = low > 0 ? this.#leaf(page, low - 1) : undefined
        return found?.key.equals(wanted) ? found : undefined
      }
      if (page.count === 0) return undefined
      page = this.#page(this.#branch(page, Math.max(0, low - 1)).child)
    }
    throw this.#damaged('its pages go round in a circle')
  }
}

/** FNV-1a, 64 bit: how bbolt knows that a meta page was written whole. */
function fnv1a64(bytes: Uint8Array): bigint {
  let hash = 0xcbf29ce484222325n
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n)
  return hash
}
