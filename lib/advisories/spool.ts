/**
 * Lines in files of a temporary folder, compressed: what a build has read of one ecosystem waits there until all of
 * them are read, so that its memory does not grow with their number. A file is a row of chunks, each a length (uint32
 * little endian) and its bytes, deflated.
 */
import { closeSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { makeFolder, removeFolder } from './spool-folder.ts'

/** Characters collected before a chunk is written: the most a file costs in memory. */
const CHUNK_CHARACTERS = 524_288

/** The lines of chunks as they were written, in order. */
function* linesOf(chunks: Iterable<Uint8Array>): Generator<string> {
  for (const chunk of chunks) yield* inflateRawSync(chunk).toString('utf8').split('\n')
}

/** The chunks of a file that is in memory. */
function* chunksOf(file: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  for (let at = 0; at < file.byteLength; ) {
    const length = view.getUint32(at, true)
    yield file.subarray(at + 4, at + 4 + length)
    at += 4 + length
  }
}

/** The lines of a file that `bytes` gave, read again. Throws when it is damaged. */
export const decodeLines = (file: Uint8Array): Generator<string> => linesOf(chunksOf(file))

interface SpoolFile {
  path: string
  fd: number
  waiting: string[]
  characters: number
}

/** A folder of its own; `close` removes it. */
export class Spool implements Disposable {
  readonly #folder = makeFolder()
  readonly #files = new Map<string, SpoolFile>()

  /** Adds a line, which must hold no line break, to the file of this name. */
  write(name: string, line: string): void {
    let file = this.#files.get(name)
    if (!file) {
      const path = join(this.#folder, String(this.#files.size))
      file = { path, fd: openSync(path, 'w+', 0o600), waiting: [], characters: 0 }
      this.#files.set(name, file)
    }
    file.waiting.push(line)
    file.characters += line.length
    if (file.characters >= CHUNK_CHARACTERS) this.#flush(file)
  }

  #flush(file: SpoolFile): void {
    if (file.waiting.length === 0) return
    const bytes = deflateRawSync(file.waiting.join('\n'), { level: 1 })
    const length = Buffer.alloc(4)
    length.writeUInt32LE(bytes.length)
    writeSync(file.fd, Buffer.concat([length, bytes]))
    file.waiting = []
    file.characters = 0
  }

  /** Names of the files that have lines, sorted. */
  names(): string[] {
    return [...this.#files.keys()].sort()
  }

  /** The lines of one file in the order they were written, a chunk of them in memory at a time. */
  *read(name: string): Generator<string> {
    const file = this.#files.get(name)
    if (!file) return
    this.#flush(file)
    const length = Buffer.alloc(4)
    for (let at = 0; readSync(file.fd, length, 0, 4, at) === 4; at += 4 + length.readUInt32LE(0)) {
      const chunk = Buffer.alloc(length.readUInt32LE(0))
      readSync(file.fd, chunk, 0, chunk.length, at + 4)
      yield* linesOf([chunk])
    }
  }

  /** The whole file as it is kept elsewhere; `decodeLines` reads it. */
  bytes(name: string): Buffer {
    const file = this.#files.get(name)
    if (!file) return Buffer.alloc(0)
    this.#flush(file)
    return readFileSync(file.path)
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#files.values()) closeSync(fd)
    removeFolder(this.#folder)
  }
}
