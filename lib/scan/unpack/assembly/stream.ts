/** What is known of the stream between two calls, and the bits that were taken of it. One instance reads one stream. */

/** Where in the stream it stands. */
export const AT_MEMBER = 0
export const AT_EXTRA_LENGTH = 1
export const AT_EXTRA = 2
export const AT_NAME = 3
export const AT_COMMENT = 4
export const AT_HEADER_CRC = 5
export const AT_BLOCK = 6
export const IN_STORED = 7
export const IN_CODES = 8
/** The CRC-32: not checked, see gunzip-thread.ts. */
export const AT_CRC = 9
export const AT_LENGTH = 10
export const AT_NEXT = 11
export const IN_PADDING = 12

/** What a step came to. */
export const GOOD = 0
export const SHORT_INPUT = 1
export const SHORT_ROOM = 2
export const BLOCK_END = 3
export const MEMBER_END = 4
export const BAD = 5

// biome-ignore lint/complexity/noStaticOnlyClass: what several files of AssemblyScript may write to
export class Stream {
  static state: i32 = AT_MEMBER
  /** Bits taken from the input and not used yet, the next one lowest. */
  static bits: u64 = 0
  static bitCount: i32 = 0
  static isLastBlock: bool = false
  /** Bytes of a stored block, or of the header's extra field, that are still to come. */
  static left: i32 = 0
  static from: usize = 0
  static fromEnd: usize = 0
  static start: usize = 0
  static to: usize = 0
  static toEnd: usize = 0
  /** The first byte a match may refer to: where the member began. */
  static reach: usize = 0
}

/** Whether so many bits are there, or could be taken from the input. */
export function need(count: i32): bool {
  while (Stream.bitCount < count) {
    if (Stream.from === Stream.fromEnd) return false
    Stream.bits |= (<u64>load<u8>(Stream.from)) << Stream.bitCount
    Stream.from++
    Stream.bitCount += 8
  }
  return true
}

export function take(count: i32): i32 {
  const value = <i32>(Stream.bits & (((<u64>1) << count) - 1))
  Stream.bits >>= count
  Stream.bitCount -= count
  return value
}
