/**
 * Members of a zip file one after another, at the cost of one window of memory and no stream per member: a dump of OSV
 * has tens of thousands of members of one KB, where a stream each would cost more than the inflating.
 */
import { fstatSync, readSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { crc32, inflateRawSync } from 'node:zlib'
import { type Entry, fromRandomAccessReaderPromise, RandomAccessReader } from 'yauzl'
import { LongshoreError } from '../errors.ts'

/** Bytes of file kept in memory; reads are sequential, so one window serves hundreds of members. */
const WINDOW_BYTES = 1_048_576

class FileWindow {
  readonly #fd: number
  #start = 0
  #bytes = Buffer.alloc(0)

  constructor(fd: number) {
    this.#fd = fd
  }

  /** Valid until the next call; shorter than asked at the end of the file. */
  read(position: number, length: number): Buffer {
    const end = this.#start + this.#bytes.length
    if (position < this.#start || position + length > end) {
      const window = Buffer.allocUnsafe(Math.max(WINDOW_BYTES, length))
      const count = readSync(this.#fd, window, 0, window.length, position)
      this.#bytes = window.subarray(0, count)
      this.#start = position
    }
    return this.#bytes.subarray(position - this.#start, position - this.#start + length)
  }
}

class WindowReader extends RandomAccessReader {
  readonly #window: FileWindow

  constructor(fd: number) {
    super()
    this.#window = new FileWindow(fd)
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (err: Error | null) => void,
  ): void {
    const bytes = this.#window.read(position, length)
    bytes.copy(buffer, offset)
    callback(bytes.length < length ? new Error('the file ends too early') : null)
  }

  override _readStreamForRange(): Readable {
    throw new Error('members are read by position, not as streams')
  }
}

export interface ZipMember {
  name: string
  bytes: Buffer
}

/** Fixed part of a local file header (APPNOTE.TXT 4.3.7); names and extra fields follow it. */
const LOCAL_HEADER_BYTES = 30
const STORED = 0
const DEFLATED = 8

function readMember(window: FileWindow, entry: Entry, bytesMax: number): Buffer {
  if (entry.isEncrypted()) throw new Error('it is encrypted')
  if (entry.uncompressedSize > bytesMax || entry.compressedSize > bytesMax)
    throw new Error(`it is larger than ${bytesMax} bytes`)
  const header = window.read(entry.relativeOffsetOfLocalHeader, LOCAL_HEADER_BYTES)
  if (header.length < LOCAL_HEADER_BYTES || header.readUInt32LE(0) !== 0x04034b50)
    throw new Error('its header is not where the directory says')
  const start =
    entry.relativeOffsetOfLocalHeader + LOCAL_HEADER_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28)
  const raw = window.read(start, entry.compressedSize)
  if (raw.length < entry.compressedSize) throw new Error('the file ends too early')
  let bytes: Buffer
  if (entry.compressionMethod === STORED) bytes = Buffer.from(raw)
  else if (entry.compressionMethod === DEFLATED)
    bytes = inflateRawSync(raw, { maxOutputLength: Math.max(1, entry.uncompressedSize) })
  else throw new Error(`its compression method ${entry.compressionMethod} is not known`)
  if (bytes.length !== entry.uncompressedSize || crc32(bytes) !== entry.crc32)
    throw new Error('its bytes do not match their checksum')
  return bytes
}

/** How many members are read before other work of the process gets its turn. */
const MEMBERS_PER_TURN = 100

/**
 * The files of a zip in the order of its directory. Directories are left out. Throws `advisories-invalid` naming the
 * archive and the member when the archive is truncated or damaged, or a member is larger than `memberBytesMax`: a
 * damaged download must not become a revision.
 *
 * @param name how the archive is called in errors
 */
export async function* zipMembers(
  fd: number,
  name: string,
  memberBytesMax: number,
  membersMax: number,
): AsyncGenerator<ZipMember> {
  const damaged = (what: string, cause: unknown) =>
    new LongshoreError(
      'advisories-invalid',
      `${what} of ${name} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}; download the archive again`,
      { cause },
    )
  const open = () => fromRandomAccessReaderPromise(new WindowReader(fd), fstatSync(fd).size, { autoClose: false })
  const zip = await open().catch((cause: unknown) => {
    throw damaged('The directory', cause)
  })
  if (zip.entryCount > membersMax)
    throw damaged('The directory', new Error(`it lists ${zip.entryCount} members, more than ${membersMax}`))
  const window = new FileWindow(fd)
  const entries = zip.eachEntry()
  for (let count = 0; ; count++) {
    const next = await entries.next().catch((cause: unknown) => {
      throw damaged('The directory', cause)
    })
    if (next.done) return
    const entry = next.value
    if (entry.fileName.endsWith('/')) continue
    let bytes: Buffer
    try {
      bytes = readMember(window, entry, memberBytesMax)
    } catch (cause) {
      throw damaged(`"${entry.fileName.slice(0, 200)}"`, cause)
    }
    yield { name: entry.fileName, bytes }
    if (count % MEMBERS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
  }
}
