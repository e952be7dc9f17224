/**
 * rpm's database `Packages` as a Berkeley DB hash (CentOS 7, Amazon Linux 2, RHEL 8; db_page.h of Berkeley DB): every
 * hash page is read, chains of buckets do not matter to who wants all values. The byte order is the writer's.
 */
import { Unreadable } from './analyzer.ts'

const HASH_MAGIC = 0x061561
const MAGIC_AT = 12
const PAGE_HEADER_BYTES = 26
const PAGE = { hashUnsorted: 2, overflow: 7, hash: 13 } as const
const ITEM = { inline: 1, offPage: 3 } as const
/** The record of the last instance number has key 0 and 4 bytes; a header has at least its two counts. */
const HEADER_BYTES_MIN = 8

/** Whether these are the first bytes of such a file. */
export const isBdbHash = (file: Buffer): boolean =>
  file.length >= 512 && (file.readUInt32LE(MAGIC_AT) === HASH_MAGIC || file.readUInt32BE(MAGIC_AT) === HASH_MAGIC)

/** The header blob of each package. Throws Unreadable or RangeError when the file is damaged. */
export function* bdbPackages(file: Buffer): Generator<Buffer> {
  const little = file.readUInt32LE(MAGIC_AT) === HASH_MAGIC
  const u16 = (page: Buffer, at: number) => (little ? page.readUInt16LE(at) : page.readUInt16BE(at))
  const u32 = (page: Buffer, at: number) => (little ? page.readUInt32LE(at) : page.readUInt32BE(at))
  const pageBytes = u32(file, 20)
  if (pageBytes < 512 || pageBytes > 65_536 || file.readUInt8(24) !== 0)
    throw new Unreadable('has no page size, or is encrypted')
  const pages = u32(file, 32) + 1
  if (pages * pageBytes > file.length) throw new Unreadable('was cut')
  const pageAt = (number: number): Buffer => {
    if (number < 1 || number >= pages) throw new Unreadable('leads to a page that it does not have')
    return file.subarray(number * pageBytes, (number + 1) * pageBytes)
  }
  // An overflow page belongs to one value: more than the file has are a loop.
  let pagesLeft = pages
  // Values do not overlap either.
  let bytesLeft = file.length
  const offPage = (first: number, length: number): Buffer => {
    if (length > file.length) throw new Unreadable('has a value that was cut')
    const value = Buffer.allocUnsafe(length)
    let filled = 0
    for (let number = first; filled < length; ) {
      const page = pageAt(number)
      const bytes = Math.min(u16(page, 22), length - filled)
      if (pagesLeft-- <= 0 || page[25] !== PAGE.overflow || bytes === 0)
        throw new Unreadable('has a value that was cut')
      filled += page.copy(value, filled, PAGE_HEADER_BYTES, PAGE_HEADER_BYTES + bytes)
      number = u32(page, 16)
    }
    return value
  }
  for (let number = 1; number < pages; number++) {
    const page = pageAt(number)
    if (page[25] !== PAGE.hash && page[25] !== PAGE.hashUnsorted) continue
    const items = u16(page, 20)
    // Keys and values alternate; items grow from the end of the page.
    for (let i = 1; i < items; i += 2) {
      const at = u16(page, PAGE_HEADER_BYTES + 2 * i)
      const end = u16(page, PAGE_HEADER_BYTES + 2 * (i - 1))
      const type = page.readUInt8(at)
      let value: Buffer
      if (type === ITEM.offPage) value = offPage(u32(page, at + 4), u32(page, at + 8))
      else if (type === ITEM.inline && end > at && end <= pageBytes) value = page.subarray(at + 1, end)
      else throw new Unreadable('has an item that is not known')
      bytesLeft -= value.length
      if (bytesLeft < 0) throw new Unreadable('has values longer than the file')
      if (value.length >= HEADER_BYTES_MIN) yield value
    }
  }
}
