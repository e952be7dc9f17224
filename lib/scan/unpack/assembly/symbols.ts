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
  RAISED,
  SECOND,
  SPECIAL,
  secondAt,
} from './codes'
import { BAD, BLOCK_END, GOOD, need, SHORT_INPUT, SHORT_ROOM, Stream, take } from './stream'

/** The longest match is 258 bytes, and a copy writes up to 31 more; as much room is behind the end. */
export const BEHIND = 288
/** The fast loop reads so many bytes ahead. */
const AHEAD = 24

/**
 * Decodes while there is room on both sides, without looking at either: `GOOD` when there is not. Bits are taken in words: 54
 * are there before each round, and before a match, which uses 48 at most. Bits above `count` are those of the bytes at `at`,
 * so taking them again does no harm. The next entry is looked up before a match is copied, so that one waits for memory while
 * the other is worked on.
 *
 * Refills, literals and copies are written out: a function cannot set the caller's variables, and one call in the loop makes
 * V8 keep them on the stack. For the same reason there are two ways out of the loop where one condition would do.
 */
export function fast(): i32 {
  let at = Stream.from
  let out = Stream.to
  const atEnd = Stream.fromEnd - AHEAD
  const outEnd = Stream.toEnd - BEHIND
  const reach = <isize>Stream.reach
  let step = GOOD
  if (at >= atEnd || out >= outEnd) return GOOD
  let value = Stream.bits << RAISED
  let count = Stream.bitCount + RAISED
  value |= load<u64>(at) << count
  at += (63 - count) >> 3
  count |= 56
  let entry = literalAt(value)
  while (true) {
    if (at >= atEnd) break
    if (out >= outEnd) break
    if (<i32>entry < 0) {
      value >>= entry
      count -= entry & 255
      store<u8>(out, <u8>(entry >>> 16))
      out++
      entry = literalAt(value)
      if (<i32>entry < 0) {
        value >>= entry
        count -= entry & 255
        store<u8>(out, <u8>(entry >>> 16))
        out++
        entry = literalAt(value)
        if (<i32>entry < 0) {
          value >>= entry
          count -= entry & 255
          store<u8>(out, <u8>(entry >>> 16))
          out++
          entry = literalAt(value)
          if (<i32>entry < 0) {
            value >>= entry
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
      }
      value |= load<u64>(at) << count
      at += (63 - count) >> 3
      count |= 56
    }
    if ((entry & SPECIAL) !== 0) {
      if ((entry & SECOND) !== 0) {
        value >>= LITERAL_BITS
        count -= LITERAL_BITS
        entry = secondAt(LITERALS, entry, value)
      }
      if (<i32>entry < 0) {
        value >>= entry
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
        value >>= entry
        count -= entry & 255
        step = (entry & END_OF_BLOCK) !== 0 ? BLOCK_END : BAD
        break
      }
    }
    const size = baseAndExtra(entry, value)
    value >>= entry
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
    let distance = baseAndExtra(entry, value)
    if (<isize>(out - distance) < reach) {
      step = BAD
      break
    }
    value >>= entry
    count -= entry & 255
    value |= load<u64>(at) << count
    at += (63 - count) >> 3
    count |= 56
    entry = literalAt(value)
    let source = out - distance
    let to = out
    out += size
    if (distance >= 16) {
      // Six of seven matches have 16 bytes at most, and one of twenty has more than 32.
      v128.store(to, v128.load(source))
      v128.store(to, v128.load(source, 16), 16)
      if (size > 32) {
        do {
          to += 32
          source += 32
          v128.store(to, v128.load(source))
          v128.store(to, v128.load(source, 16), 16)
        } while (to + 32 < out)
      }
    } else if (distance === 1) {
      const same = i8x16.splat(load<i8>(source))
      do {
        v128.store(to, same)
        to += 16
      } while (to < out)
    } else {
      // What repeats within a word is doubled until it fills one.
      while (distance < 8 && to < out) {
        store<u64>(to, load<u64>(source))
        to += distance
        distance += distance
      }
      while (to < out) {
        store<u64>(to, load<u64>(source))
        to += 8
        source += 8
      }
    }
  }
  // Whole bytes that were taken ahead go back.
  value >>= RAISED
  count -= RAISED
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
  let value = Stream.bits << RAISED
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
    value >>= entry
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
    // Few are copied here, so they are copied plainly.
    for (let i = 0; i < size; i++) store<u8>(Stream.to + i, load<u8>(Stream.to - distance + i))
    Stream.to += size
  }
  take(used)
  return GOOD
}
