/** The files of an image that was saved, by their paths: a folder, or a tar archive that is read where it lies. */
import { closeSync, createReadStream, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { Limits } from '../../config.ts'
import { LongshoreError } from '../../errors.ts'
import { readBody } from '../../net/body.ts'
import { joinPath, normalizePath, parentOf, showPath } from '../paths.ts'
import { type TarVisitor, TarWalker } from '../tar.ts'
import { BLOCK } from '../tar-block.ts'

export interface Files {
  /** Of the folder or the archive, for messages. */
  readonly name: string
  /** Bytes of a file; undefined when there is none of this name. */
  sizeOf(path: string): number | undefined
  /** Not verified. The file must be there. */
  open(path: string): Readable
}

/** Measured: with the 64 KiB of a file stream a layer takes a tenth longer. */
const CHUNK_BYTES = 262_144
/** Links that lead to links; what `docker save` wrote has one step. */
const HOPS_MAX = 8

/** Throws `invalid-value` when there is nothing at `path`, or no archive. Nothing is written anywhere. */
export function openFiles(path: string, limits: Limits): Files {
  const found = statSync(path, { throwIfNoEntry: false })
  if (!found) throw new LongshoreError('invalid-value', `there is no file or folder ${path}`)
  return found.isDirectory() ? folderFiles(path) : archiveFiles(path, limits)
}

function folderFiles(folder: string): Files {
  return {
    name: folder,
    sizeOf(path) {
      const found = statSync(join(folder, path), { throwIfNoEntry: false })
      return found?.isFile() ? found.size : undefined
    },
    open: (path) => fileStream(join(folder, path), 0, Number.POSITIVE_INFINITY),
  }
}

function fileStream(path: string, start: number, end: number): Readable {
  const file = openSync(path, 'r')
  let at = start
  return new Readable({
    highWaterMark: 1,
    read() {
      const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, end - at))
      const count = readSync(file, chunk, 0, chunk.length, at)
      at += count
      this.push(count === 0 ? null : chunk.subarray(0, count))
    },
    destroy(error, callback) {
      closeSync(file)
      callback(error)
    },
  })
}

interface Place {
  offset: number
  size: number
}

function archiveFiles(file: string, limits: Limits): Files {
  const places = indexOf(file, limits)
  return {
    name: file,
    sizeOf: (path) => places.get(path)?.size,
    open(path) {
      const { offset, size } = places.get(path)!
      // The end of a range is inclusive: an empty one cannot be said.
      if (size === 0) return Readable.from([])
      return createReadStream(file, { start: offset, end: offset + size - 1, highWaterMark: CHUNK_BYTES })
    },
  }
}

/** Where each file of the archive lies. Reads headers only, so it takes as long as there are entries. */
function indexOf(path: string, limits: Limits): Map<string, Place> {
  const invalid = (why: string, cause?: unknown) =>
    new LongshoreError('invalid-value', `${path} cannot be read as an image archive: ${why}`, { cause })
  const places = new Map<string, Place>()
  const links = new Map<string, string>()
  let at = 0
  let entries = 0
  const visitor: TarVisitor = {
    entry(entry) {
      if (++entries > limits.archiveEntriesMax)
        throw invalid(`it has more than ${limits.archiveEntriesMax} entries (limit archiveEntriesMax)`)
      if (entry.type === 'file' && !entry.sparse) places.set(entry.path, { offset: at + BLOCK, size: entry.size })
      else if (entry.type === 'symlink') {
        const target = within(entry.path, entry.link)
        if (target !== undefined) links.set(entry.path, target)
      } else if (entry.type === 'hardlink') links.set(entry.path, entry.link)
      return false
    },
    content: () => {},
    refused: () => {},
  }
  const walker = new TarWalker(visitor, limits)
  const block = Buffer.alloc(BLOCK)
  const file = openSync(path, 'r')
  try {
    const { size } = fstatSync(file)
    for (; at < size && !walker.isOver; at += BLOCK) {
      const read = readSync(file, block, 0, BLOCK, at)
      if (at === 0) refusePacked(block, invalid)
      walker.push(block.subarray(0, read))
      at += walker.ahead
      walker.passOver(walker.ahead)
    }
    if (at > size) throw invalid('it ends in the middle of a file; it was cut')
    walker.end()
  } catch (error) {
    if (error instanceof LongshoreError && error.code !== 'invalid-value') throw invalid(error.message, error)
    throw error
  } finally {
    closeSync(file)
  }
  for (const [link, first] of links) {
    let target = first
    for (let hops = 0; links.has(target) && hops < HOPS_MAX; hops++) target = links.get(target)!
    const place = places.get(target)
    if (place && !places.has(link)) places.set(link, place)
  }
  return places
}

/** A packed archive has no places to go to. */
function refusePacked(block: Buffer, invalid: (why: string) => LongshoreError): void {
  const gzip = block[0] === 0x1f && block[1] === 0x8b
  if (gzip || block.readUInt32LE(0) === 0xfd2fb528)
    throw invalid(`it is compressed; unpack it first with ${gzip ? 'gunzip' : 'zstd -d'}`)
}

/** Where a symbolic link leads, inside the archive. */
function within(path: string, link: string): string | undefined {
  if (link.startsWith('/')) return undefined
  const segments = parentOf(path) === '' ? [] : parentOf(path).split('/')
  for (const segment of link.split('/')) {
    if (segment === '..') {
      if (segments.pop() === undefined) return undefined
    } else if (segment !== '' && segment !== '.') segments.push(segment)
  }
  return segments.join('/')
}

/** A small file whole. Throws `invalid-value` when it is missing or larger than `bytesMax`. */
export async function readSmall(files: Files, path: string, bytesMax: number): Promise<Buffer> {
  const size = files.sizeOf(path)
  if (size === undefined) throw new LongshoreError('invalid-value', `${files.name} holds no ${showPath(path)}`)
  const what = `${showPath(path)} in ${files.name}`
  if (size > bytesMax)
    throw new LongshoreError('invalid-value', `${what} has ${size} bytes; at most ${bytesMax} are read`)
  return readBody(files.open(path), bytesMax, what)
}

/** A path as others wrote it into JSON, in its one spelling. */
export const pathIn = (text: string): string => normalizePath(text) ?? joinPath('', text)
