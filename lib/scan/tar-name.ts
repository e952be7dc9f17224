/** The name in a header of tar, which is two fields in some formats. */
import { isGnu, isUstar, text } from './tar-block.ts'

export function nameOf(block: Buffer, at: number): string {
  const name = text(block, at, 100)
  const prefix = prefixOf(block, at)
  return prefix ? `${prefix}/${name}` : name
}

function prefixOf(block: Buffer, at: number): string {
  if (isUstar(block, at)) {
    // star keeps times in the last bytes of the prefix.
    const star = block.toString('latin1', at + 508, at + 512) === 'tar\0'
    return text(block, at + 345, star ? 131 : 155)
  }
  // GNU keeps times where ustar has the prefix. Go once wrote prefixes there, and its reader still takes what is no time
  // for one; who did not would see a file where the container has another.
  if (!isGnu(block, at) || (isTime(block, at + 345) && isTime(block, at + 357))) return ''
  const prefix = text(block, at + 345, 155)
  return /^[\0-\x7f]*$/.test(prefix) ? prefix : ''
}

/** Whether 12 bytes are a number as Go reads one: empty, octal, or base 256 that fits 63 bits. */
function isTime(block: Buffer, at: number): boolean {
  const first = block[at]!
  if (first === 0) return true
  if ((first & 0x80) === 0) {
    const digits = block.toString('latin1', at, at + 12).replace(/^[ \0]+|[ \0]+$/g, '')
    // 21 digits of eight are 63 bits; the field has 12.
    return /^[0-7]*(?:\0|$)/.test(digits) && !digits.startsWith('\0')
  }
  const inverted = (first & 0x40) === 0 ? 0 : 0xff
  // Twelve bytes, of which eight may count.
  for (let i = 1; i < 4; i++) if ((block[at + i]! ^ inverted) !== 0) return false
  return ((first ^ inverted) & 0x7f) === 0 && ((block[at + 4]! ^ inverted) & 0x80) === 0
}
