/** rpm's own database `Packages.db` (SUSE; lib/backend/ndb/rpmpkg.c): slots that point at blobs, little-endian. */
import { Unreadable } from './analyzer.ts'

export const NDB_MAGIC = 'RpmP'

const PAGE_BYTES = 4_096
/** The header takes the place of the first two slots. */
const HEADER_BYTES = 32
const SLOT_BYTES = 16
/** Blobs start at multiples of this. */
const BLOCK_BYTES = 16
const BLOB_HEADER_BYTES = 16

/** The header blob of each package. Throws Unreadable or RangeError when the file is damaged. */
export function* ndbPackages(file: Buffer): Generator<Buffer> {
  if (file.readUInt32LE(4) !== 0) throw new Unreadable('has a version that is not known')
  const slotsEnd = file.readUInt32LE(12) * PAGE_BYTES
  if (slotsEnd > file.length) throw new Unreadable('was cut')
  // Blobs do not overlap: more bytes than the file has are a trick.
  let bytesLeft = file.length
  for (let at = HEADER_BYTES; at < slotsEnd; at += SLOT_BYTES) {
    if (file.toString('latin1', at, at + 4) !== 'Slot') throw new Unreadable('has a slot that is none')
    const index = file.readUInt32LE(at + 4)
    if (index === 0) continue
    const blob = file.readUInt32LE(at + 8) * BLOCK_BYTES
    if (file.toString('latin1', blob, blob + 4) !== 'BlbS' || file.readUInt32LE(blob + 4) !== index)
      throw new Unreadable('has a slot that leads to no package')
    const length = file.readUInt32LE(blob + 12)
    const start = blob + BLOB_HEADER_BYTES
    bytesLeft -= length
    if (start + length > file.length || bytesLeft < 0) throw new Unreadable('was cut')
    yield file.subarray(start, start + length)
  }
}
