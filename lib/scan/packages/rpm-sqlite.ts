/**
 * The rows of one table of an SQLite database in memory, read only (https://www.sqlite.org/fileformat2.html). As much
 * of the format as rpm's database has: table b-trees and overflow pages.
 */
import { Unreadable } from './analyzer.ts'

export const SQLITE_MAGIC = 'SQLite format 3\0'

const LEAF = 0x0d
const INTERIOR = 0x05
/** The schema stands on page 1, after the header of the file. */
const FILE_HEADER_BYTES = 100

/** The blob column of each row of the table `Packages`. Throws Unreadable or RangeError when the file is damaged. */
export function* sqlitePackages(file: Buffer): Generator<Buffer> {
  const database = new Database(file)
  for (const row of database.rows(1)) {
    const [type, name, , root] = row
    if (text(type) === 'table' && text(name) === 'Packages') {
      for (const columns of database.rows(root ? integer(root) : 0)) if (columns[1]) yield columns[1]
      return
    }
  }
  throw new Unreadable('has no table of packages')
}

const text = (value: Buffer | undefined) => value?.toString('utf8')
const integer = (value: Buffer) => (value.length > 0 && value.length <= 6 ? value.readUIntBE(0, value.length) : 0)

class Database {
  readonly #file: Buffer
  readonly #pageBytes: number
  /** Of a page without the space that extensions reserve at its end. */
  readonly #usable: number
  /** A page belongs to one place: more pages than the file has are a loop. */
  #pagesLeft: number
  /** Rows do not overlap: more bytes than the file has are a trick. */
  #bytesLeft: number

  constructor(file: Buffer) {
    const told = file.readUInt16BE(16)
    this.#file = file
    this.#pageBytes = told === 1 ? 65_536 : told
    this.#usable = this.#pageBytes - file.readUInt8(20)
    if (this.#pageBytes < 512 || this.#usable < 480) throw new Unreadable('has no page size')
    this.#bytesLeft = file.length
    // The schema is read beside the table.
    this.#pagesLeft = Math.ceil(file.length / this.#pageBytes) + 1
  }

  #page(number: number): Buffer {
    if (this.#pagesLeft-- <= 0) throw new Unreadable('has pages that lead in a circle')
    const start = (number - 1) * this.#pageBytes
    if (number < 1 || start + this.#pageBytes > this.#file.length) throw new Unreadable('was cut')
    return this.#file.subarray(start, start + this.#pageBytes)
  }

  /** Each row's columns; undefined for NULL, numbers as their bytes. */
  *rows(root: number): Generator<(Buffer | undefined)[]> {
    const waiting = [root]
    while (waiting.length > 0) {
      const number = waiting.pop()!
      const page = this.#page(number)
      const header = number === 1 ? FILE_HEADER_BYTES : 0
      const type = page[header]
      const cells = page.readUInt16BE(header + 3)
      if (type === INTERIOR) {
        const children = [page.readUInt32BE(header + 8)]
        for (let i = cells - 1; i >= 0; i--) children.push(page.readUInt32BE(page.readUInt16BE(header + 12 + 2 * i)))
        for (const child of children) waiting.push(child)
      } else if (type === LEAF)
        for (let i = 0; i < cells; i++) yield this.#row(page, page.readUInt16BE(header + 8 + 2 * i))
      else throw new Unreadable('has a page that is not part of a table')
    }
  }

  #row(page: Buffer, at: number): (Buffer | undefined)[] {
    const [length, afterLength] = varint(page, at)
    const [, start] = varint(page, afterLength)
    const payload = this.#payload(page, start, length)
    let [headerBytes, next] = varint(payload, 0)
    const columns: (Buffer | undefined)[] = []
    let value = headerBytes
    headerBytes = Math.min(headerBytes, payload.length)
    while (next < headerBytes && columns.length < COLUMNS_MAX) {
      const [serial, after] = varint(payload, next)
      next = after
      const bytes = serial >= 12 ? (serial - (serial % 2 === 0 ? 12 : 13)) / 2 : (NUMBER_BYTES[serial] ?? 0)
      if (value + bytes > payload.length) throw new Unreadable('has a row that was cut')
      columns.push(serial === 0 ? undefined : serial === 9 ? Buffer.from([1]) : payload.subarray(value, value + bytes))
      value += bytes
    }
    return columns
  }

  #payload(page: Buffer, start: number, length: number): Buffer {
    this.#bytesLeft -= length
    if (this.#bytesLeft < 0) throw new Unreadable('has rows longer than the file')
    const most = this.#usable - 35
    if (length <= most) return page.subarray(start, start + length)
    const least = Math.floor(((this.#usable - 12) * 32) / 255) - 23
    const spill = least + ((length - least) % (this.#usable - 4))
    const local = spill <= most ? spill : least
    const payload = Buffer.allocUnsafe(length)
    let filled = page.copy(payload, 0, start, start + local)
    let overflow = page.readUInt32BE(start + local)
    while (filled < length) {
      const next = this.#page(overflow)
      filled += next.copy(payload, filled, 4, Math.min(this.#usable, 4 + length - filled))
      overflow = next.readUInt32BE(0)
    }
    return payload
  }
}

/** The schema's own table has five, that of the packages two. */
const COLUMNS_MAX = 5

/** Of the serial types 0 to 9: NULL, integers, a float, the constants 0 and 1. */
const NUMBER_BYTES = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0]

/** A variable-length integer of at most nine bytes, and where it ends. */
function varint(bytes: Buffer, at: number): [value: number, end: number] {
  let value = 0
  for (let i = 0; i < 9; i++) {
    const byte = bytes.readUInt8(at + i)
    if (i === 8) return [value * 256 + byte, at + 9]
    value = value * 128 + (byte & 0x7f)
    if (byte < 0x80) return [value, at + i + 1]
  }
  return [value, at + 9]
}
