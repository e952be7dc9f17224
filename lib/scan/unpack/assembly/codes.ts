/**
 * Codes of DEFLATE (RFC 1951, 3.2.2 and 3.2.5) as tables in memory: the code's first bits lead to an entry, or to a second
 * table for the bits that follow.
 */

export const LITERAL_BITS = 11
export const DISTANCE_BITS = 8
export const LENGTH_BITS = 7
/** Room for all codes of up to 15 bits: at most 2,342, 402 and 128 entries of 4 bytes (zlib's enough.c: 288 11 15, 32 8 15, 19 7 7). */
export const LITERALS: usize = 4096
export const DISTANCES: usize = LITERALS + 4 * 2400
export const LENGTHS: usize = DISTANCES + 4 * 448
export const CODE_LENGTHS: usize = LENGTHS + 4 * 128
const COUNTS: usize = CODE_LENGTHS + 512
const OFFSETS: usize = COUNTS + 64
const SORTED: usize = OFFSETS + 64
export const LITERAL_ENTRIES: usize = SORTED + 640
export const DISTANCE_ENTRIES: usize = LITERAL_ENTRIES + 4 * 288
export const LENGTH_ENTRIES: usize = DISTANCE_ENTRIES + 4 * 32
/** For each count of bits so many ones, of 8 bytes. */
const MASKS: usize = LENGTH_ENTRIES + 4 * 20
/** Room for all of the above. */
export const TABLES_END: usize = 32768

/**
 * Who looks up keeps the bits so much higher: an entry has 4 bytes, so the bits of its code, masked where they are, are its
 * place in the table.
 */
export const RAISED = 2

/**
 * An entry: bits 0 to 7 how many bits it takes in all, 8 to 12 how many of them are the code (the others add to the base) and
 * `RAISED`, 16 to 30 the base or the literal, and:
 */
/** The sign, for it is looked at most. */
export const LITERAL: u32 = 0x80000000
export const SPECIAL: u32 = 0x8000
/** Of the special: bits 16 up say where the second table begins, 8 to 11 how many bits it is looked up with. */
export const SECOND: u32 = 0x4000
export const END_OF_BLOCK: u32 = 0x2000

// biome-ignore format: a table
const LENGTH_BASE = memory.data<u16>([
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
])
// biome-ignore format: a table
const LENGTH_EXTRA = memory.data<u8>([
  0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
])

/** Entries of all symbols but for the size of their codes: 288 of literals and lengths, 32 of distances, 19 of code lengths. */
function prepare(): void {
  for (let symbol = 0; symbol < 288; symbol++) {
    let entry: u32 = SPECIAL
    if (symbol < 256) entry = LITERAL | (symbol << 16)
    else if (symbol === 256) entry = SPECIAL | END_OF_BLOCK
    else if (symbol < 286) {
      const at: usize = symbol - 257
      entry = ((<u32>load<u16>(LENGTH_BASE + (at << 1))) << 16) | (RAISED << 8) | load<u8>(LENGTH_EXTRA + at)
    }
    store<u32>(LITERAL_ENTRIES + ((<usize>symbol) << 2), entry)
  }
  for (let symbol = 0; symbol < 32; symbol++) {
    const extra = max(0, (symbol >> 1) - 1)
    const base = 1 + (symbol < 2 ? symbol : (2 + (symbol & 1)) << extra)
    store<u32>(DISTANCE_ENTRIES + ((<usize>symbol) << 2), symbol < 30 ? (base << 16) | (RAISED << 8) | extra : SPECIAL)
  }
  for (let symbol = 0; symbol < 19; symbol++) store<u32>(LENGTH_ENTRIES + ((<usize>symbol) << 2), symbol << 16)
  for (let i = 0; i < 64; i++) store<u64>(MASKS + ((<usize>i) << 3), (((<u64>1) << i) - 1) << RAISED)
}
prepare()

/**
 * Makes a table of canonical Huffman codes (RFC 1951, 3.2.2), looked up with the code's first `rootBits` bits. False when the
 * lengths are of no code: too many, or too few, save a single one of one bit.
 */
export function build(table: usize, entries: usize, codeLengths: usize, count: i32, rootBits: i32): bool {
  memory.fill(COUNTS, 0, 64)
  for (let i = 0; i < count; i++) {
    const at = COUNTS + ((<usize>load<u8>(codeLengths + i)) << 1)
    store<u16>(at, load<u16>(at) + 1)
  }
  let longest = 15
  while (longest > 0 && countOf(longest) === 0) longest--
  let unused = 1
  let offset = 0
  for (let size = 1; size < 16; size++) {
    unused = (unused << 1) - countOf(size)
    if (unused < 0) return false
    store<u16>(OFFSETS + ((<usize>size) << 1), offset)
    offset += countOf(size)
  }
  if (unused > 0 && (table === LENGTHS || longest > 1)) return false
  for (let i = 0; i < count; i++) {
    const size = load<u8>(codeLengths + i)
    if (size === 0) continue
    const at = OFFSETS + ((<usize>size) << 1)
    store<u16>(SORTED + ((<usize>load<u16>(at)) << 1), i)
    store<u16>(at, load<u16>(at) + 1)
  }
  let sorted = SORTED
  // Codes come first bit lowest: they are counted up in reverse.
  let code = 0
  store<u32>(table, SPECIAL + 0x101)
  let size = 1
  for (; size <= rootBits; size++) {
    // What is known of the first bits holds whatever the next bit is.
    double(table, (<usize>2) << size)
    const sized = 0x101 * size
    for (let same = countOf(size); same > 0; same--) {
      store<u32>(table + ((<usize>code) << 2), load<u32>(entries + ((<usize>load<u16>(sorted)) << 2)) + sized)
      sorted += 2
      code = after(code, size)
    }
  }
  const root = 1 << rootBits
  let second = 0
  let secondBits = 0
  let end = root
  let prefix = -1
  for (; size <= longest; size++) {
    for (let same = countOf(size); same > 0; same--) {
      if ((code & (root - 1)) !== prefix) {
        prefix = code & (root - 1)
        secondBits = size - rootBits
        // Wide enough for all codes that begin so.
        for (let free = (1 << secondBits) - same; free > 0 && rootBits + secondBits < longest; ) {
          secondBits++
          free = (free << 1) - countOf(rootBits + secondBits)
        }
        second = end
        end += 1 << secondBits
        store<u32>(table + ((<usize>prefix) << 2), SPECIAL | SECOND | (second << 16) | (secondBits << 8) | rootBits)
      }
      const entry = load<u32>(entries + ((<usize>load<u16>(sorted)) << 2)) + 0x101 * (size - rootBits)
      sorted += 2
      for (let i = code >> rootBits; i < 1 << secondBits; i += 1 << (size - rootBits))
        store<u32>(table + ((<usize>(second + i)) << 2), entry)
      code = after(code, size)
    }
  }
  return true
}

/** Writes the `count` bytes at `from` behind them. As `memory.copy`, which is a call out of WebAssembly and takes longer. */
function double(from: usize, count: usize): void {
  if (count < 16) {
    for (let i: usize = 0; i < count; i += 4) store<u32>(from + count + i, load<u32>(from + i))
    return
  }
  for (let i: usize = 0; i < count; i += 16) v128.store(from + count + i, v128.load(from + i))
}

function countOf(size: i32): i32 {
  return load<u16>(COUNTS + ((<usize>size) << 1))
}

/** The next code of this size, both first bit lowest. */
function after(code: i32, size: i32): i32 {
  let bit = 1 << (size - 1)
  while ((code & bit) !== 0) bit >>= 1
  return bit === 0 ? 0 : (code & (bit - 1)) | bit
}

/** The entry at the end of `value`, whose bits are raised. A shift by an entry is one by its lowest 6 bits. */
export function literalAt(value: u64): u32 {
  return load<u32>(<u32>value & (((1 << LITERAL_BITS) - 1) << RAISED), LITERALS)
}

export function distanceAt(value: u64): u32 {
  return load<u32>(<u32>value & (((1 << DISTANCE_BITS) - 1) << RAISED), DISTANCES)
}

/** In the second table, by the bits behind those of the first. */
export function secondAt(table: usize, entry: u32, value: u64): u32 {
  const bits = <u32>(value >> RAISED) & ((1 << ((entry >>> 8) & 15)) - 1)
  return load<u32>(table + ((<usize>((entry >>> 16) + bits)) << 2))
}

/** The entry's base and the extra bits behind its code. */
export function baseAndExtra(entry: u32, value: u64): i32 {
  return (entry >>> 16) + <u32>((value & load<u64>((entry & 63) << 3, MASKS)) >>> (entry >>> 8))
}
