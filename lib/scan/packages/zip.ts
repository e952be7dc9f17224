/**
 * Zip archives in memory (APPNOTE.TXT): members by the directory at the end, read one at a time. What archives inside
 * archives may cost altogether is one budget.
 */
import { inflateRawSync } from 'node:zlib'
import type { Limits } from '../../config.ts'
import { readingBinary, Unreadable } from './analyzer.ts'

export interface ArchiveBudget {
  members: number
  inflatedBytes: number
}

export const archiveBudget = (limits: Limits): ArchiveBudget => ({
  members: limits.archiveMembersMax,
  inflatedBytes: limits.archiveInflatedBytesMax,
})

/** What opening an archive counts as, so that nobody can have a million tiny ones opened. */
const ARCHIVE_MEMBERS = 100

export interface Member {
  name: string
  size: number
  packed: number
  method: number
  at: number
}

export interface Zip {
  members: Member[]
  /** The content. Throws Unreadable when it is damaged, larger than `bytesMax`, or the budget is used up. */
  read(member: Member, bytesMax: number): Buffer
}

const DIRECTORY_END = 0x06054b50
const DIRECTORY_END_64 = 0x06064b50
const DIRECTORY_ENTRY = 0x02014b50
const LOCAL_HEADER = 0x04034b50
/** The record that ends a zip, and the longest comment after it. */
const END_BYTES = 22
const COMMENT_BYTES_MAX = 65_535
const LOCATOR_64_BYTES = 20
const STORED = 0
const DEFLATED = 8

/** Throws Unreadable when it is no zip archive, was cut, or has more members than the budget allows. */
export const openZip = (file: Buffer, budget: ArchiveBudget): Zip =>
  readingBinary('zip archive', () => {
    budget.members -= ARCHIVE_MEMBERS
    const end = findEnd(file)
    const { count, bytes, at } = directoryOf(file, end)
    // What was put before the archive, as before an executable jar, moves all places.
    const shift = end.directoryEnd - bytes - at
    if (count > budget.members) throw new Unreadable(`has more members than are read (limit archiveMembersMax)`)
    budget.members -= count
    const members: Member[] = []
    let entry = at + shift
    for (let i = 0; i < count; i++) {
      if (file.readUInt32LE(entry) !== DIRECTORY_ENTRY) throw new Unreadable('is not a whole zip archive')
      const nameBytes = file.readUInt16LE(entry + 28)
      const encrypted = (file.readUInt16LE(entry + 8) & 1) === 1
      members.push({
        name: file.toString('utf8', entry + 46, entry + 46 + nameBytes),
        method: encrypted ? -1 : file.readUInt16LE(entry + 10),
        packed: file.readUInt32LE(entry + 20),
        size: file.readUInt32LE(entry + 24),
        at: file.readUInt32LE(entry + 42) + shift,
      })
      entry += 46 + nameBytes + file.readUInt16LE(entry + 30) + file.readUInt16LE(entry + 32)
    }
    return { members, read: (member, bytesMax) => readMember(file, member, bytesMax, budget) }
  })

function findEnd(file: Buffer) {
  for (let at = file.length - END_BYTES; at >= Math.max(0, file.length - END_BYTES - COMMENT_BYTES_MAX); at--)
    if (file[at] === 0x50 && file.readUInt32LE(at) === DIRECTORY_END) return { at, directoryEnd: at }
  throw new Unreadable('is not a zip archive, or was cut')
}

function directoryOf(file: Buffer, end: { at: number; directoryEnd: number }) {
  const count = file.readUInt16LE(end.at + 10)
  const directory = { count, bytes: file.readUInt32LE(end.at + 12), at: file.readUInt32LE(end.at + 16) }
  if (count !== 0xffff && directory.at !== 0xffffffff) return directory
  // More than 65,535 members: the numbers stand in a record of the 64-bit format before this one.
  const record = end.at - LOCATOR_64_BYTES - 56
  if (record < 0 || file.readUInt32LE(record) !== DIRECTORY_END_64) return directory
  end.directoryEnd = record
  return {
    count: Number(file.readBigUInt64LE(record + 32)),
    bytes: Number(file.readBigUInt64LE(record + 40)),
    at: Number(file.readBigUInt64LE(record + 48)),
  }
}

function readMember(file: Buffer, member: Member, bytesMax: number, budget: ArchiveBudget): Buffer {
  return readingBinary('zip archive', () => {
    const { at, packed, method } = member
    const size = method === STORED ? packed : member.size
    if (size > bytesMax) throw new Unreadable(`has a member of more than ${bytesMax} bytes`)
    if (file.readUInt32LE(at) !== LOCAL_HEADER) throw new Unreadable('has a member that is not where it should be')
    const start = at + 30 + file.readUInt16LE(at + 26) + file.readUInt16LE(at + 28)
    if (start + packed > file.length) throw new Unreadable('has a member that was cut')
    const raw = file.subarray(start, start + packed)
    if (method !== DEFLATED && method !== STORED)
      throw new Unreadable('has a member that is encrypted or packed in an unknown way')
    // Stored members count too: many may lead to the same bytes.
    budget.inflatedBytes -= size
    if (budget.inflatedBytes < 0) throw new Unreadable('holds more than is read (limit archiveInflatedBytesMax)')
    if (method === STORED) return raw
    try {
      return inflateRawSync(raw, { maxOutputLength: Math.max(1, size) })
    } catch {
      throw new Unreadable('has a member that does not inflate to its size')
    }
  })
}
