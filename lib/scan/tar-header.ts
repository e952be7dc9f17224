/**
 * The header of an entry: whether a block is one, the numbers in it, and the entry it announces together with the
 * extension headers before it. Pure functions that read a block where it lies, because an archive may have millions.
 * What cannot be read throws `layer-invalid` and names the header by its number in the archive.
 */
import { LongshoreError } from '../errors.ts'
import { BLOCK, type EntryType, isExecutable, text, typeOf } from './tar-block.ts'
import { nameOf } from './tar-name.ts'
import { isSparsePax } from './tar-pax.ts'

export interface TarEntry {
  /** Normalised; the root directory is the empty string. */
  path: string
  type: EntryType
  /** Bytes of content; of a sparse file the stored ones. */
  size: number
  /** Target of a symbolic link as it stands, or the path of a hard link, normalised. */
  link: string
  /** The stored content is not the file's content. */
  sparse: boolean
  /** Some user may execute it. */
  executable: boolean
}

/** What pax and GNU headers say of the entry after them. */
export interface Extension {
  pax: Map<string, string> | undefined
  /** GNU long name. */
  path: string | undefined
  /** GNU long link name. */
  link: string | undefined
}

const OLD_SPARSE = 0x53 // S

export const invalidTar = (what: string, header: number) =>
  new LongshoreError('layer-invalid', `the tar archive ${what} (at header ${header})`)

/** Throws when the checksum in the block is not the block's. */
export function verifyHeader(block: Buffer, at: number, header: number): void {
  const told = octal(block, at + 148, 8, 'checksum', header)
  let sum = 8 * 32
  for (let i = at; i < at + 148; i++) sum += block[i]!
  for (let i = at + 156; i < at + BLOCK; i++) sum += block[i]!
  if (told === sum) return
  // Some old writers sum signed bytes; all readers accept both.
  for (let i = at; i < at + BLOCK; i++) if ((i < at + 148 || i >= at + 156) && block[i]! > 127) sum -= 256
  if (told !== sum) throw invalidTar('has a header with a wrong checksum', header)
}

/** The size field: octal, or base 256 when the first bit is set (GNU, star: sizes from 8 GiB). */
export function sizeOf(block: Buffer, at: number, header: number): number {
  const first = block[at + 124]!
  if ((first & 0x80) === 0) return octal(block, at + 124, 12, 'size', header)
  if ((first & 0x40) !== 0) throw invalidTar('has a negative size', header)
  let value = first & 0x3f
  for (let i = 125; i < 136; i++) {
    value = value * 256 + block[at + i]!
    if (value > Number.MAX_SAFE_INTEGER) throw invalidTar('has a size beyond all measure', header)
  }
  return value
}

/** The entry as the archive has it: path and link are not normalised yet. `size` is what `sizeOf` gave. */
export function entryOf(
  block: Buffer,
  at: number,
  size: number,
  before: Extension | undefined,
  header: number,
): TarEntry {
  const flag = block[at + 156]!
  const pax = before?.pax
  // An empty long name is none.
  let path = before?.path || (pax?.get('path') ?? nameOf(block, at))
  const link = before?.link || (pax?.get('linkpath') ?? text(block, at + 157, 100))
  const type = typeOf(flag, path)
  let bytes = size
  const paxSize = pax?.get('size')
  if (paxSize !== undefined) {
    bytes = Number(paxSize)
    if (!/^\d{1,16}$/.test(paxSize) || !Number.isSafeInteger(bytes))
      throw invalidTar('has a pax size that is none', header)
  }
  if (type !== 'file') bytes = 0
  const isOld = flag === OLD_SPARSE
  const sparsePax = !isOld && pax !== undefined && isSparsePax(pax)
  // The name in the header is one that an unpacker without sparse files would make; this one wins over a long name, too.
  if (sparsePax) path = pax.get('GNU.sparse.name') ?? path
  return { path, type, size: bytes, link, sparse: isOld || sparsePax, executable: isExecutable(block, at) }
}

/** Whether the map of an old GNU sparse file goes on in the next block. */
export const sparseGoesOn = (block: Buffer, at: number) => block[at + 156] === OLD_SPARSE && block[at + 482] !== 0

function octal(block: Buffer, at: number, length: number, field: string, header: number): number {
  let i = at
  const end = at + length
  while (i < end && (block[i] === 0x20 || block[i] === 0)) i++
  let value = 0
  for (; i < end && block[i] !== 0x20 && block[i] !== 0; i++) {
    const digit = block[i]! - 0x30
    if (digit < 0 || digit > 7) throw invalidTar(`has a ${field} that is not a number`, header)
    value = value * 8 + digit
  }
  return value
}
