/** What a block's codes say: literals, and matches with what came before (RFC 1951, 3.2.5). */
import {
  baseAndExtra,
  DISTANCE_BITS,
  DISTANCES,
  distanceAt,
  END_OF_BLOCK,
  LITERAL,
  LITERAL_BITS,
  LITERALS,
  literalAt,
  SECOND,
  SPECIAL,
  secondAt,
} from './codes'
import { BAD, BLOCK_END, GOOD, need, SHORT_INPUT, SHORT_ROOM, Stream, take } from './stream'

/** The longest match is 258 bytes, and a copy writes up to 16 more. */
export const BEHIND = 288
/** The fast loop reads so many bytes ahead. */
const AHEAD = 24

/**
 * Decodes while there is room on both sides, without looking at either: `GOOD` when there is not. Bits are taken in words: 56
 * are there before each round, which uses 48 at most after one or two literals. Bits above `count` are those of the bytes at
 * `at`, so taking them again does no harm. The next entry is looked up before a match is copied, so that one waits for
 * memory while the other is worked on. Refills and literals are written out, for a function cannot set the caller's variables.
 */
export function fast(): i32 {
  let value = Stream.bits
  let count = Stream.bitCount
  let at = Stream.from
  let out = Stream.to
  const atEnd = Stream.fromEnd - AHEAD
  const outEnd = Stream.toEnd - BEHIND
  let step = GOOD
  if (at >= atEnd || out >= outEnd) return GOOD
  value |= load<u64>(at) << count
  at += (63 - count) >> 3
  count |= 56
  let entry = literalAt(value)
  while (at < atEnd && out < outEnd) {
    if ((entry & LITERAL) !== 0) {
      value >>= entry & 255
      count -= entry & 255
      store<u8>(out, <u8>(entry >>> 16))
      out++
      entry = literalAt(value)
      if ((entry & LITERAL) !== 0) {
        value >>= entry & 255
        count -= entry & 255
        store<u8>(out, <u8>(entry >>> 16))
        out++
        entry = literalAt(value)
        if ((entry & LITERAL) !== 0) {
          value >>= entry & 255
          count -= entry & 255
          store<u8>(out, <u8>(entry >>> 16))
          out++
          entry = literalAt(value)
          value |= load<u64>(at) << count
          at += (63 - count) >> 3
          count |= 56
          continue
        }
      }
      if (count < 48) {
        value |= load<u64>(at) << count
        at += (63 - count) >> 3
        count |= 56
      }
    }
    if ((entry & SPECIAL) !== 0) {
      if ((entry & SECOND) !== 0) {
        value >>= LITERAL_BITS
        count -= LITERAL_BITS
        entry = secondAt(LITERALS, entry, value)
      }
      if ((entry & LITERAL) !== 0) {
        value >>= entry & 255
        count -= entry & 255
        store<u8>(out, <u8>(entry >>> 16))
        out++
        value |= load<u64>(at) << count
        at += (63 - count) >> 3
        count |= 56
        entry = literalAt(value)
        continue
      }
      if ((entry & SPECIAL) !== 0) {
        value >>= entry & 255
        count -= entry & 255
        step = (entry & END_OF_BLOCK) !== 0 ? BLOCK_END : BAD
        break
      }
    }
    const size = baseAndExtra(entry, value)
    value >>= entry & 255
    count -= entry & 255
    entry = distanceAt(value)
    if ((entry & SECOND) !== 0) {
      value >>= DISTANCE_BITS
      count -= DISTANCE_BITS
      entry = secondAt(DISTANCES, entry, value)
    }
    if ((entry & SPECIAL) !== 0) {
      step = BAD
      break
    }
    const distance = baseAndExtra(entry, value)
    if (<isize>(out - distance) < <isize>Stream.reach) {
      step = BAD
      break
    }
    value >>= entry & 255
    count -= entry & 255
    value |= load<u64>(at) << count
    at += (63 - count) >> 3
    count |= 56
    entry = literalAt(value)
    copy(out, distance, size)
    out += size
  }
  // Whole bytes that were taken ahead go back.
  at -= count >> 3
  count &= 7
  Stream.bits = value & (((<u64>1) << count) - 1)
  Stream.bitCount = count
  Stream.from = at
  Stream.to = out
  return step
}

/** One symbol, where room on one side may be short; without enough input it takes nothing. */
export function careful(): i32 {
  if (Stream.toEnd - Stream.to < 258) return SHORT_ROOM
  need(48)
  let value = Stream.bits
  let used = 0
  let entry = literalAt(value)
  if ((entry & SECOND) !== 0) {
    value >>= LITERAL_BITS
    used = LITERAL_BITS
    entry = secondAt(LITERALS, entry, value)
  }
  used += entry & 255
  if (used > Stream.bitCount) return SHORT_INPUT
  if ((entry & LITERAL) !== 0) {
    store<u8>(Stream.to, <u8>(entry >>> 16))
    Stream.to++
  } else if ((entry & SPECIAL) !== 0) {
    if ((entry & END_OF_BLOCK) === 0) return BAD
    take(used)
    return BLOCK_END
  } else {
    const size = baseAndExtra(entry, value)
    value >>= entry & 255
    entry = distanceAt(value)
    if ((entry & SECOND) !== 0) {
      value >>= DISTANCE_BITS
      used += DISTANCE_BITS
      entry = secondAt(DISTANCES, entry, value)
    }
    used += entry & 255
    if (used > Stream.bitCount) return SHORT_INPUT
    if ((entry & SPECIAL) !== 0) return BAD
    const distance = baseAndExtra(entry, value)
    if (<isize>(Stream.to - distance) < <isize>Stream.reach) return BAD
    copy(Stream.to, distance, size)
    Stream.to += size
  }
  take(used)
  return GOOD
}

/** A match: may write up to 16 bytes too many. */
function copy(out: usize, distance: i32, size: i32): void {
  let source = out - distance
  const end = out + size
  if (distance >= 16) {
    do {
      v128.store(out, v128.load(source))
      out += 16
      source += 16
    } while (out < end)
  } else if (distance === 1) {
    const same = i8x16.splat(load<i8>(source))
    do {
      v128.store(out, same)
      out += 16
    } while (out < end)
  } else {
    // What repeats within a word is doubled until it fills one.
    while (distance < 8 && out < end) {
      store<u64>(out, load<u64>(source))
      out += distance
      distance += distance
    }
    while (out < end) {
      store<u64>(out, load<u64>(source))
      out += 8
      source += 8
    }
  }
}
