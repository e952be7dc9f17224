/**
 * A streaming walker over a tar archive: v7, ustar, pax, GNU and star. It never touches a disk and holds one file's
 * content at a time, only when the visitor asked for it.
 *
 * Where readers of tar disagree it does what Go's archive/tar does, because that is what containerd, Docker and umoci
 * unpack with: a scan must see the files the container will see. So a global pax header applies to nothing and takes back
 * what was said before it, links and directories have no content whatever their size field says, and a GNU long name wins
 * over a pax path.
 */
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { normalizePath, showPath } from './paths.ts'
import { BLOCK, isZero, padded, text } from './tar-block.ts'
import { type Extension, entryOf, invalidTar, sizeOf, sparseGoesOn, type TarEntry, verifyHeader } from './tar-header.ts'
import { readPax } from './tar-pax.ts'

export type { TarEntry }

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
  /** What extension headers have said of the entry that comes next. */
  #extension: Extension | undefined
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
    if (this.#zeroBlocks === 2) return
    const awaits = this.#extension !== undefined || this.#sparseBytes !== undefined
    if (this.#skip > 0 || this.#body || this.#sink || this.#blockFilled > 0 || awaits)
      throw this.#invalid('stops in the middle of an entry; the layer was cut')
  }

  #invalid(what: string): LongshoreError {
    return invalidTar(what, this.entries)
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
    verifyHeader(block, at, this.entries)
    this.#header(block, at)
  }

  #header(block: Buffer, at: number): void {
    const flag = block[at + 156]!
    const size = sizeOf(block, at, this.entries)
    // GNU long name and long link name, pax header of the next entry: their content comes first.
    const meta = META.get(flag)
    if (meta) {
      this.#read(meta, size)
      return
    }
    if (flag === GLOBAL_PAX) {
      this.#extension = undefined
      this.#skip = padded(size)
      return
    }
    const found = entryOf(block, at, size, this.#extension, this.entries)
    this.#extension = undefined
    const wanted = this.#enter(found)
    if (sparseGoesOn(block, at)) this.#sparseBytes = found.size
    else if (!wanted || found.sparse) this.#skip = padded(found.size)
    else if (wanted === true) this.#read('content', found.size)
    else {
      this.#sink = wanted
      this.#sinkLeft = found.size
      this.#skip = 0
      if (found.size === 0) this.#pour(Buffer.alloc(0))
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
  #enter(found: TarEntry): boolean | ContentSink {
    const { path, type, link } = found
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
    found.path = normal
    found.link = target
    this.#current = found
    return this.#visitor.entry(found)
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
    if (this.#reading === 'content') {
      this.#visitor.content(this.#current!, body)
      return
    }
    this.#extension ??= { pax: undefined, path: undefined, link: undefined }
    if (this.#reading === 'pax') {
      this.#extension.pax = readPax(body)
      if (!this.#extension.pax) throw this.#invalid('has a pax header that cannot be read')
    } else this.#extension[this.#reading] = text(body, 0, body.length)
  }
}
