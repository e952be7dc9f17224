/** Damage as files meet it, and as somebody makes it on purpose. The same chance, the same bytes. */
import type { Chance } from '../simulation/chance.ts'

/** Where numbers end: of a byte, of 16, 31, 32, 53 and 64 bits, of octal fields, and what is none. */
const NUMBERS = [
  '0',
  '-1',
  '255',
  '65535',
  '65536',
  '2147483647',
  '4294967295',
  '9007199254740993',
  '18446744073709551616',
  '1e309',
  'NaN',
  '77777777777',
  '00000000000',
]
const BYTES = [0, 0xff, 0x7f, 0x80, 0x0a, 0x20, 0x22, 0x2f, 0x5c, 0x2e]
/** Of all formats that are text. */
const WORDS = [
  '\0',
  '\n\n',
  '\r\n',
  '..',
  '../',
  '/',
  '__proto__',
  '\ud800',
  '\u202e',
  '[',
  '{',
  '"',
  '%00',
  '%',
  '~',
  ':',
]
/** Longer inputs only take longer; the formats show all they have well before. */
const LENGTH_MAX = 524_288

export interface Seeds {
  inputs: readonly Buffer[]
  /** Words of the format. */
  words?: readonly string[]
}

/** One of the inputs, changed in one to eight ways. */
export function mutate({ inputs, words = [] }: Seeds, chance: Chance): Buffer {
  let bytes = Buffer.from(chance.pick(inputs))
  const vocabulary = [...words, ...words, ...WORDS]
  for (let changes = chance.pick([1, 1, 2, 2, 3, 4, 6, 8]); changes > 0; changes--)
    bytes = changed(bytes, inputs, vocabulary, chance)
  return bytes.length > LENGTH_MAX ? bytes.subarray(0, LENGTH_MAX) : bytes
}

function changed(bytes: Buffer<ArrayBuffer>, inputs: readonly Buffer[], words: readonly string[], chance: Chance) {
  const place = () => chance.integer(0, Math.max(0, bytes.length - 1))
  // Structure stands at the start of most formats, and at the end of some.
  const at = chance.chance(0.3) ? Math.min(place(), chance.integer(0, 256)) : place()
  const span = Math.min(bytes.length - at, chance.pick([1, 2, 4, 8, 16, 64, 512, 4_096]))
  const instead = (middle: Uint8Array, length: number) =>
    Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(at + length)])
  switch (chance.integer(0, 9)) {
    case 0:
      if (bytes.length > 0) bytes[at] = chance.integer(0, 255)
      return bytes
    case 1:
      if (bytes.length > 0) bytes[at] = bytes[at]! ^ (1 << chance.integer(0, 7))
      return bytes
    case 2:
      return bytes.fill(chance.pick(BYTES), at, at + span)
    case 3:
      return Buffer.from(bytes.subarray(0, at))
    case 4:
      return instead(Buffer.alloc(0), span)
    case 5:
      return instead(Buffer.concat(Array(chance.pick([2, 2, 3, 50])).fill(bytes.subarray(at, at + span))), span)
    case 6: {
      const other = chance.pick(inputs)
      const from = chance.integer(0, other.length)
      return instead(other.subarray(from, from + chance.pick([8, 64, 512, 4_096])), chance.chance(0.5) ? span : 0)
    }
    case 7:
      return instead(Buffer.from(chance.pick(words)), chance.chance(0.5) ? span : 0)
    case 8:
      return numberInstead(bytes, at, chance)
    default:
      return intInstead(bytes, at, chance)
  }
}

/** The next number that is text becomes another one. */
function numberInstead(bytes: Buffer<ArrayBuffer>, at: number, chance: Chance) {
  let start = at
  const isDigit = (i: number) => bytes[i]! >= 0x30 && bytes[i]! <= 0x39
  while (start < bytes.length && !isDigit(start)) start++
  let end = start
  while (end < bytes.length && isDigit(end)) end++
  return Buffer.concat([bytes.subarray(0, start), Buffer.from(chance.pick(NUMBERS)), bytes.subarray(end)])
}

/** Two or four bytes become a number of either order. */
function intInstead(bytes: Buffer<ArrayBuffer>, at: number, chance: Chance) {
  const value = chance.pick([0, 1, 2, 0x7f, 0xff, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff])
  const little = chance.chance(0.5)
  if (at + 4 > bytes.length) return bytes
  if (value <= 0xffff && chance.chance(0.5)) {
    if (little) bytes.writeUInt16LE(value, at)
    else bytes.writeUInt16BE(value, at)
  } else if (little) bytes.writeUInt32LE(value, at)
  else bytes.writeUInt32BE(value, at)
  return bytes
}
