/** CRC-32 as zip uses it (APPNOTE.TXT 4.4.7). node:zlib has it from Node 20.15 and 22.2 on; older ones use the table. */
import * as zlib from 'node:zlib'

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})

/** The table form, byte by byte. */
export function crc32ByTable(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[i]!) & 0xff]!
  return ~crc >>> 0
}

const native = (zlib as { crc32?: (bytes: Uint8Array) => number }).crc32

export const crc32: (bytes: Uint8Array) => number = native ?? crc32ByTable
