/** The blocks of DEFLATE (RFC 1951, 3.2.3 to 3.2.7). */
import {
  build,
  CODE_LENGTHS,
  DISTANCE_BITS,
  DISTANCE_ENTRIES,
  DISTANCES,
  LENGTH_BITS,
  LENGTH_ENTRIES,
  LENGTHS,
  LITERAL_BITS,
  LITERAL_ENTRIES,
  LITERALS,
} from './codes'
import {
  AT_BLOCK,
  AT_CRC,
  BAD,
  BLOCK_END,
  GOOD,
  IN_CODES,
  IN_STORED,
  need,
  SHORT_INPUT,
  SHORT_ROOM,
  Stream,
  take,
} from './stream'
import { careful, fast } from './symbols'

// biome-ignore format: a table
const ORDER = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15])

/** Whether the tables are those of the fixed codes. */
let areFixed = false

/** One step in a block. */
export function block(): i32 {
  if (Stream.state === AT_BLOCK) {
    if (Stream.isLastBlock) {
      Stream.state = AT_CRC
      return GOOD
    }
    // A header that is not all there is read again when more is.
    const at = Stream.from
    const before = Stream.bits
    const count = Stream.bitCount
    const step = header()
    if (step === SHORT_INPUT) {
      Stream.from = at
      Stream.bits = before
      Stream.bitCount = count
      Stream.isLastBlock = false
    }
    return step
  }
  if (Stream.state === IN_STORED) return stored()
  let step = fast()
  if (step === GOOD) step = careful()
  if (step === BLOCK_END) Stream.state = AT_BLOCK
  return step
}

/** A block's header (RFC 1951, 3.2.3 to 3.2.7). */
function header(): i32 {
  if (!need(3)) return SHORT_INPUT
  Stream.isLastBlock = take(1) === 1
  const type = take(2)
  if (type === 0) {
    take(Stream.bitCount & 7)
    if (!need(32)) return SHORT_INPUT
    Stream.left = take(16)
    Stream.state = IN_STORED
    return Stream.left === (take(16) ^ 0xffff) ? GOOD : BAD
  }
  if (type === 3) return BAD
  Stream.state = IN_CODES
  if (type === 1) {
    // A block of these codes may take ten bits: making their tables for each would be an attack.
    if (areFixed) return GOOD
    areFixed = true
    memory.fill(CODE_LENGTHS, 8, 144)
    memory.fill(CODE_LENGTHS + 144, 9, 112)
    memory.fill(CODE_LENGTHS + 256, 7, 24)
    memory.fill(CODE_LENGTHS + 280, 8, 8)
    build(LITERALS, LITERAL_ENTRIES, CODE_LENGTHS, 288, LITERAL_BITS)
    memory.fill(CODE_LENGTHS, 5, 32)
    build(DISTANCES, DISTANCE_ENTRIES, CODE_LENGTHS, 32, DISTANCE_BITS)
    return GOOD
  }
  const step = lengths()
  if (step === SHORT_INPUT) Stream.state = AT_BLOCK
  return step
}

/** The code lengths of a block with codes of its own. */
function lengths(): i32 {
  if (!need(14)) return SHORT_INPUT
  const literals = take(5) + 257
  const all = literals + take(5) + 1
  if (literals > 286 || all - literals > 30) return BAD
  let count = take(4) + 4
  memory.fill(CODE_LENGTHS, 0, 19)
  for (let i = 0; i < count; i++) {
    if (!need(3)) return SHORT_INPUT
    store<u8>(CODE_LENGTHS + load<u8>(ORDER + i), <u8>take(3))
  }
  if (!build(LENGTHS, LENGTH_ENTRIES, CODE_LENGTHS, 19, LENGTH_BITS)) return BAD
  for (let i = 0; i < all; i += count) {
    need(14)
    const entry = load<u32>(LENGTHS + ((<usize>(Stream.bits & 127)) << 2))
    const symbol = entry >>> 16
    const extra = symbol < 16 ? 0 : symbol === 16 ? 2 : symbol === 17 ? 3 : 7
    const size = <i32>(entry & 255)
    if (Stream.bitCount < size + extra) return SHORT_INPUT
    take(size)
    count = symbol < 16 ? 1 : take(extra) + (symbol === 18 ? 11 : 3)
    if (i + count > all || (symbol === 16 && i === 0)) return BAD
    const value = symbol < 16 ? symbol : symbol === 16 ? load<u8>(CODE_LENGTHS + i - 1) : 0
    // In steps of 16: what lies behind is written later, or is room.
    const same = i8x16.splat(<i8>value)
    for (let j = 0; j < count; j += 16) v128.store(CODE_LENGTHS + i + j, same)
  }
  if (load<u8>(CODE_LENGTHS + 256) === 0) return BAD
  areFixed = false
  return build(LITERALS, LITERAL_ENTRIES, CODE_LENGTHS, literals, LITERAL_BITS) &&
    build(DISTANCES, DISTANCE_ENTRIES, CODE_LENGTHS + literals, all - literals, DISTANCE_BITS)
    ? GOOD
    : BAD
}

function stored(): i32 {
  for (; Stream.left > 0 && Stream.bitCount > 0; Stream.left--) {
    if (Stream.to === Stream.toEnd) return SHORT_ROOM
    store<u8>(Stream.to, <u8>take(8))
    Stream.to++
  }
  const count = min(Stream.left, min(<i32>(Stream.fromEnd - Stream.from), <i32>(Stream.toEnd - Stream.to)))
  memory.copy(Stream.to, Stream.from, count)
  Stream.from += count
  Stream.to += count
  Stream.left -= count
  if (Stream.left > 0) return Stream.from === Stream.fromEnd ? SHORT_INPUT : SHORT_ROOM
  Stream.state = AT_BLOCK
  return GOOD
}
