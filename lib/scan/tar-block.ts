/** The fields of one block of a tar archive, as they stand in it. */

export const BLOCK = 512

export type EntryType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'device'

/** Content fills whole blocks. */
export const padded = (size: number) => Math.ceil(size / BLOCK) * BLOCK

export const isUstar = (block: Buffer, at: number) =>
  block[at + 257] === 0x75 && block.toString('latin1', at + 257, at + 263) === 'ustar\0'

export const isGnu = (block: Buffer, at: number) =>
  block[at + 257] === 0x75 && block.toString('latin1', at + 257, at + 265) === 'ustar  \0'

/** Whether one of the last three octal digits of the mode is odd. Nobody refuses an archive for its modes. */
export function isExecutable(block: Buffer, at: number): boolean {
  let end = at + 107
  while (end > at + 100 && (block[end]! < 0x30 || block[end]! > 0x37)) end--
  return ((block[end]! | block[end - 1]! | block[end - 2]!) & 1) === 1
}

export function isZero(block: Buffer, at: number): boolean {
  for (let i = at; i < at + BLOCK; i++) if (block[i] !== 0) return false
  return true
}

/** A field up to its first NUL. */
export function text(block: Buffer, at: number, length: number): string {
  const nul = block.indexOf(0, at)
  return block.toString('utf8', at, nul >= 0 && nul < at + length ? nul : at + length)
}

export function typeOf(flag: number, path: string): EntryType {
  switch (flag) {
    case 0x31:
      return 'hardlink'
    case 0x32:
      return 'symlink'
    case 0x33:
    case 0x34:
    case 0x36:
      return 'device'
    case 0x35:
      return 'directory'
    case 0:
      return path.endsWith('/') ? 'directory' : 'file'
    default:
      return 'file'
  }
}
