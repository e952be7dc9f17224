/**
 * Gzip (RFC 1952) and DEFLATE (RFC 1951) for WebAssembly, in AssemblyScript: `npm run gunzip` compiles it to
 * ../gunzip.generated.ts. Why it exists: docs/decisions/0011-gunzip.md.
 *
 * It is given a piece of input (`give`) and a place for output (`room`) and works until one of them is used up (`run`).
 * Nothing outside of the memory it is given can be reached from here, whatever the input says. Addresses below `TABLES_END`
 * are its own; input and output lie behind it, each with room in front: `IN_FRONT` for the rest of the piece before,
 * `WINDOW` for the bytes that a match may refer to; and `BEHIND` bytes after the output, for copies are made in words.
 */

import { TABLES_END } from './codes'
import { block } from './deflate'
import {
  AT_BLOCK,
  AT_COMMENT,
  AT_CRC,
  AT_EXTRA,
  AT_EXTRA_LENGTH,
  AT_HEADER_CRC,
  AT_LENGTH,
  AT_MEMBER,
  AT_NAME,
  AT_NEXT,
  BAD,
  GOOD,
  IN_CODES,
  IN_PADDING,
  MEMBER_END,
  need,
  SHORT_INPUT,
  SHORT_ROOM,
  Stream,
  take,
} from './stream'
import { BEHIND } from './symbols'

export { BEHIND, TABLES_END }

/** What `run` ended for. */
const NEEDS_INPUT = 0
const NEEDS_ROOM = 1
/** A member ended: `length` is what its trailer says. `run` goes on with the next. */
const MEMBER_ENDED = 2
const INVALID = 3

/** How far back a match may refer (RFC 1951, 2). */
export const WINDOW = 32768
/** Of a piece before, at most a block's header is left: 17 + 57 + 316 * 14 bits. */
export const IN_FRONT = 1024

let flags = 0
let headerCrc: u32 = 0xffffffff

/** Of the member, modulo 2^32, by its trailer. */
export let length: u32 = 0

/** The next piece of input: `count` bytes at `at`. What is left of the piece before is put in front of it. */
export function give(at: usize, count: i32): void {
  const rest = Stream.fromEnd - Stream.from
  memory.copy(at - rest, Stream.from, rest)
  Stream.from = at - rest
  Stream.fromEnd = at + count
}

/** Where output goes: `count` bytes at `at`. What a match may refer to is put in front of it. */
export function room(at: usize, count: i32): void {
  const keep = min<usize>(Stream.to - Stream.reach, WINDOW)
  memory.copy(at - keep, Stream.to - keep, keep)
  Stream.reach = at - keep
  Stream.start = at
  Stream.to = at
  Stream.toEnd = at + count
}

/** Bytes of output since `room`. */
export function made(): i32 {
  return <i32>(Stream.to - Stream.start)
}

/** False while the input may not end. */
export function mayEnd(): bool {
  return Stream.state === AT_NEXT || Stream.state === IN_PADDING
}

/** Works until one side is used up. */
export function run(): i32 {
  while (true) {
    const step = Stream.state < AT_BLOCK || Stream.state > IN_CODES ? frame() : block()
    if (step === MEMBER_END) return MEMBER_ENDED
    if (step === SHORT_INPUT) {
      // Whole bytes go back, so that what is taken ahead is always of the present piece.
      Stream.from -= Stream.bitCount >> 3
      Stream.bitCount &= 7
      Stream.bits &= ((<u64>1) << Stream.bitCount) - 1
      return NEEDS_INPUT
    }
    if (step === SHORT_ROOM) return NEEDS_ROOM
    if (step === BAD) return INVALID
  }
}

/** A step of what stands around the blocks. */
function frame(): i32 {
  if (Stream.state === IN_PADDING) {
    Stream.from = Stream.fromEnd
    return SHORT_INPUT
  }
  if (Stream.state === AT_NEXT) {
    if (Stream.from === Stream.fromEnd) return SHORT_INPUT
    // What follows is another member, unless it begins with a zero: then it is padding, whatever it is.
    Stream.state = load<u8>(Stream.from) === 0 ? IN_PADDING : AT_MEMBER
    return GOOD
  }
  if (Stream.state === AT_CRC || Stream.state === AT_LENGTH) {
    take(Stream.bitCount & 7)
    if (!need(32)) return SHORT_INPUT
    length = take(32)
    Stream.state++
    return Stream.state === AT_NEXT ? MEMBER_END : GOOD
  }
  if (Stream.state === AT_MEMBER) {
    if (Stream.fromEnd - Stream.from < 10) return SHORT_INPUT
    // The two magic bytes, and deflate as the method.
    if ((load<u32>(Stream.from) & 0xffffff) !== 0x088b1f) return BAD
    flags = load<u8>(Stream.from + 3)
    if ((flags & 0xe0) !== 0) return BAD
    headerCrc = 0xffffffff
    for (let i = 0; i < 10; i++) headerByte()
    Stream.reach = Stream.to
    Stream.isLastBlock = false
    Stream.state = (flags & 4) !== 0 ? AT_EXTRA_LENGTH : AT_NAME
    return GOOD
  }
  if (Stream.state === AT_EXTRA_LENGTH) {
    if (Stream.fromEnd - Stream.from < 2) return SHORT_INPUT
    Stream.left = load<u16>(Stream.from)
    headerByte()
    headerByte()
    Stream.state = AT_EXTRA
  }
  if (Stream.state === AT_EXTRA) {
    for (; Stream.left > 0; Stream.left--) {
      if (Stream.from === Stream.fromEnd) return SHORT_INPUT
      headerByte()
    }
    Stream.state = AT_NAME
  }
  if (Stream.state === AT_NAME) {
    if ((flags & 8) !== 0 && !pastZero()) return SHORT_INPUT
    Stream.state = AT_COMMENT
  }
  if (Stream.state === AT_COMMENT) {
    if ((flags & 16) !== 0 && !pastZero()) return SHORT_INPUT
    Stream.state = AT_HEADER_CRC
  }
  if ((flags & 2) !== 0) {
    if (Stream.fromEnd - Stream.from < 2) return SHORT_INPUT
    if (<u32>load<u16>(Stream.from) !== (~headerCrc & 0xffff)) return BAD
    Stream.from += 2
  }
  Stream.state = AT_BLOCK
  return GOOD
}

function headerByte(): i32 {
  const byte = <u32>load<u8>(Stream.from)
  Stream.from++
  headerCrc ^= byte
  for (let i = 0; i < 8; i++) headerCrc = (headerCrc & 1) !== 0 ? (headerCrc >>> 1) ^ 0xedb88320 : headerCrc >>> 1
  return byte
}

function pastZero(): bool {
  while (Stream.from < Stream.fromEnd) if (headerByte() === 0) return true
  return false
}
