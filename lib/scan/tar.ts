/**
 * A streaming walker over a tar archive: v7, ustar, pax, GNU and star. It never touches a disk and holds one file's
 * content at a time, only when the visitor asked for it.
 *
 * Where readers of tar disagree it does what Go's archive/tar does, because that is what containerd, Docker and umoci
 * unpack with: a scan must see the files the container will see. So a global pax header applies to nothing, links and
 * directories have no content whatever their size field says, and a GNU long name wins over a pax path.
 */
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { normalizePath, showPath } from './paths.ts'
import { BLOCK, type EntryType, isExecutable, isUstar, isZero, padded, text, typeOf } from './tar-block.ts'
import { readPax } from './tar-pax.ts'

export interface TarEntry {
  /** Normalised; the root directory is the empty string. */
  path: string
  type: EntryType
  /** Bytes of content; of a sparse file the stored ones. */
  size: number
  /** Target of a symbolic link as it stands, or the path of a hard link, normalised. */
  link: string
  /** The stored content is not the file's content. */
  sparse: boolean
  /** Some user may execute it. */
  executable: boolean
}

/** Takes the content of an entry as it streams by. */
export interface ContentSink {
  /** The chunk is not to be kept. False when the rest is not wanted; then `end` is not called. */
  push(chunk: Buffer): boolean
  /** The content is complete. */
  end(): void
}

export interface TarVisitor {
  /** Called at each header; true asks for the content, which then comes whole and once. A sink gets it in pieces. */
  entry(entry: TarEntry): boolean | ContentSink
  content(entry: TarEntry, content: Buffer): void
  /** An entry that no container could have, in one sentence; it is passed over. */
  refused(sentence: string): void
}

/** Go's archive/tar reads so much of a long name or pax header and refuses the archive beyond. */
const META_BYTES_MAX = 1_048_576

type Reading = 'content' | 'pax' | 'path' | 'link'
const META: ReadonlyMap<number, Reading> = new Map([
  [0x4c, 'path'], // L
  [0x4b, 'link'], // K
  [0x78, 'pax'], // x
])
const GLOBAL_PAX = 0x67 // g
const OLD_SPARSE = 0x53 // S

export class TarWalker {
  readonly #visitor: TarVisitor
  readonly #limits: Limits
  /** Headers seen, of entries and of their extensions. */
  entries = 0
  #block = Buffer.allocUnsafe(BLOCK)
  #blockFilled = 0
  #skip = 0
  #body: Buffer | undefined
  #bodyFilled = 0
  #reading: Reading = 'content'
  #sink: ContentSink | undefined
  #sinkLeft = 0
  #current: TarEntry | undefined
  #pax: Map<string, string> | undefined
  #longPath: string | undefined
  #longLink: string | undefined
  /** An old GNU sparse header goes on in the next block; then so many bytes of content follow. */
  #sparseBytes: number | undefined
  #zeroBlocks = 0

  constructor(visitor: TarVisitor, limits: Limits) {
    this.#visitor = visitor
    this.#limits = limits
  }

  /** Takes the next bytes of the archive. Throws `layer-invalid` or `layer-too-large`. The chunk is not kept. */
  push(chunk: Buffer): void {
    let at = 0
    const end = chunk.length
    while (at < end) {
      // Two blocks of zeros end the archive; what follows is padding to every reader.
      if (this.#zeroBlocks === 2) return
      if (this.#skip > 0) {
        const count = Math.min(this.#skip, end - at)
        this.#skip -= count
        at += count
      } else if (this.#body) {
        const count = Math.min(this.#body.length - this.#bodyFilled, end - at)
        chunk.copy(this.#body, this.#bodyFilled, at, at + count)
        this.#bodyFilled += count
        at += count
        if (this.#bodyFilled === this.#body.length) this.#finishBody()
      } else if (this.#sink) {
        const count = Math.min(this.#sinkLeft, end - at)
        this.#pour(chunk.subarray(at, at + count))
        at += count
      } else if (this.#blockFilled === 0 && end - at >= BLOCK) {
        this.#take(chunk, at)
        at += BLOCK
      } else {
        const count = Math.min(BLOCK - this.#blockFilled, end - at)
        chunk.copy(this.#block, this.#blockFilled, at, at + count)
        this.#blockFilled += count
        at += count
        if (this.#blockFilled < BLOCK) return
        this.#blockFilled = 0
        this.#take(this.#block, 0)
      }
    }
  }

  /** Bytes ahead that are passed over whatever they are: who can seek need not read them, and says so by `passOver`. */
  get ahead(): number {
    return this.#skip
  }

  passOver(count: number): void {
    this.#skip -= count
  }

  /** What follows is padding. */
  get isOver(): boolean {
    return this.#zeroBlocks === 2
  }

  /** The archive is over. Throws `layer-invalid` when it stops inside an entry; end blocks may be missing, as for Go. */
  end(): void {
    const meta = this.#pax ?? this.#longPath ?? this.#longLink ?? this.#sparseBytes
    if (this.#zeroBlocks === 2) return
    if (this.#skip > 0 || this.#body || this.#sink || this.#blockFilled > 0 || meta !== undefined)
      throw this.#invalid('stops in the middle of an entry; the layer was cut')
  }

  #invalid(what: string): LongshoreError {
    return new LongshoreError('layer-invalid', `the tar archive ${what} (at header ${this.entries})`)
  }

  #take(block: Buffer, at: number): void {
    if (this.#sparseBytes !== undefined) {
      // Byte 504 of a continuation says whether another one follows (GNU tar manual, "Old GNU format").
      if (block[at + 504] === 0) {
        this.#skip = padded(this.#sparseBytes)
        this.#sparseBytes = undefined
      }
      return
    }
    if (block[at] === 0 && isZero(block, at)) {
      this.#zeroBlocks++
      return
    }
    if (this.#zeroBlocks > 0) throw this.#invalid('goes on after its end block')
    if (++this.entries > this.#limits.layerEntriesMax)
      throw new LongshoreError(
        'layer-too-large',
        `the tar archive has more than ${this.#limits.layerEntriesMax} entries (limit layerEntriesMax)`,
      )
    this.#verify(block, at)
    this.#header(block, at)
  }

  #verify(block: Buffer, at: number): void {
    const told = this.#octal(block, at + 148, 8, 'checksum')
    let unsigned = 8 * 32
    let signed = 8 * 32
    for (let i = 0; i < BLOCK; i++) {
      if (i === 148) i = 156
      const byte = block[at + i]!
      unsigned += byte
      signed += byte > 127 ? byte - 256 : byte
    }
    // Some old writers sum signed bytes; all readers accept both.
    if (told !== unsigned && told !== signed) throw this.#invalid('has a header with a wrong checksum')
  }

  #header(block: Buffer, at: number): void {
    const flag = block[at + 156]!
    const size = this.#number(block, at + 124, 12, 'size')
    // GNU long name and long link name, pax header of the next entry: their content comes first.
    const meta = META.get(flag)
    if (meta) {
      this.#read(meta, size)
      return
    }
    if (flag === GLOBAL_PAX) {
      this.#skip = padded(size)
      return
    }
    const pax = this.#pax
    let path = this.#longPath ?? pax?.get('path')
    if (path === undefined) {
      path = text(block, at, 100)
      if (isUstar(block, at)) {
        // star keeps times in the last bytes of the prefix.
        const star = block.toString('latin1', at + 508, at + 512) === 'tar\0'
        const prefix = text(block, at + 345, star ? 131 : 155)
        if (prefix) path = `${prefix}/${path}`
      }
    }
    const link = this.#longLink ?? pax?.get('linkpath') ?? text(block, at + 157, 100)
    const type = typeOf(flag, path)
    let bytes = size
    const paxSize = pax?.get('size')
    if (paxSize !== undefined) {
      bytes = Number(paxSize)
      if (!/^\d{1,16}$/.test(paxSize) || !Number.isSafeInteger(bytes))
        throw this.#invalid('has a pax size that is none')
    }
    if (type !== 'file') bytes = 0
    const oldSparse = flag === OLD_SPARSE
    const sparse = oldSparse || pax?.has('GNU.sparse') === true
    const sparseName = pax?.get('GNU.sparse.name')
    if (sparse && sparseName !== undefined && this.#longPath === undefined) path = sparseName
    this.#pax = this.#longPath = this.#longLink = undefined
    const executable = isExecutable(block, at)

    if (oldSparse && block[at + 482] !== 0) {
      this.#enter(path, link, type, bytes, true, executable)
      this.#sparseBytes = bytes
      return
    }
    const wanted = this.#enter(path, link, type, bytes, sparse, executable)
    if (!wanted || sparse) this.#skip = padded(bytes)
    else if (wanted === true) this.#read('content', bytes)
    else {
      this.#sink = wanted
      this.#sinkLeft = bytes
      this.#skip = 0
      if (bytes === 0) this.#pour(Buffer.alloc(0))
    }
  }

  #pour(chunk: Buffer): void {
    const sink = this.#sink!
    this.#sinkLeft -= chunk.length
    const more = sink.push(chunk)
    if (more && this.#sinkLeft > 0) return
    this.#sink = undefined
    const size = this.#current!.size
    this.#skip = this.#sinkLeft + padded(size) - size
    if (more) sink.end()
  }

  /** Shows the entry to the visitor; true or a sink when its content is wanted. */
  #enter(
    path: string,
    link: string,
    type: EntryType,
    size: number,
    sparse: boolean,
    executable: boolean,
  ): boolean | ContentSink {
    const max = this.#limits.pathBytesMax
    // A UTF-16 unit is at most three bytes, so the exact count is needed for long paths only.
    if (path.length * 3 > max && Buffer.byteLength(path) > max) {
      this.#visitor.refused(`an entry was ignored because its path is longer than ${max} bytes: ${showPath(path)}`)
      return false
    }
    const normal = normalizePath(path)
    const target = type === 'hardlink' ? normalizePath(link) : type === 'symlink' && link.length <= max ? link : ''
    if (normal === undefined || target === undefined || target.includes('\0')) {
      this.#visitor.refused(`an entry was ignored because its path leaves the image: ${showPath(path)}`)
      return false
    }
    this.#current = { path: normal, type, size, link: target, sparse, executable }
    return this.#visitor.entry(this.#current)
  }

  #read(what: Reading, size: number): void {
    if (what !== 'content' && size > META_BYTES_MAX) throw this.#invalid('has a name or pax header of more than 1 MiB')
    this.#reading = what
    this.#body = Buffer.allocUnsafe(size)
    this.#bodyFilled = 0
    if (size === 0) this.#finishBody()
  }

  #finishBody(): void {
    const body = this.#body!
    this.#body = undefined
    this.#skip = padded(body.length) - body.length
    switch (this.#reading) {
      case 'content':
        this.#visitor.content(this.#current!, body)
        return
      case 'path':
        this.#longPath = text(body, 0, body.length)
        return
      case 'link':
        this.#longLink = text(body, 0, body.length)
        return
      case 'pax':
        this.#pax = readPax(body)
        if (!this.#pax) throw this.#invalid('has a pax header that cannot be read')
    }
  }

  /** Octal, or base 256 when the first bit is set (GNU, star: sizes from 8 GiB). */
  #number(block: Buffer, at: number, length: number, field: string): number {
    const first = block[at]!
    if ((first & 0x80) === 0) return this.#octal(block, at, length, field)
    if ((first & 0x40) !== 0) throw this.#invalid(`has a negative ${field}`)
    let value = first & 0x3f
    for (let i = 1; i < length; i++) {
      value = value * 256 + block[at + i]!
      if (value > Number.MAX_SAFE_INTEGER) throw this.#invalid(`has a ${field} beyond all measure`)
    }
    return value
  }

  #octal(block: Buffer, at: number, length: number, field: string): number {
    let i = at
    const end = at + length
    while (i < end && (block[i] === 0x20 || block[i] === 0)) i++
    let value = 0
    for (; i < end && block[i] !== 0x20 && block[i] !== 0; i++) {
      const digit = block[i]! - 0x30
      if (digit < 0 || digit > 7) throw this.#invalid(`has a ${field} that is not a number`)
      value = value * 8 + digit
    }
    return value
  }
}
