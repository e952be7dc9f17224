/** What an analyzer of one kind of package database is. */
import type { LimitName, Limits } from '../../config.ts'
import type { FoundPackage } from '../model.ts'

export interface Analyzer {
  kind: FoundPackage['kind']
  /** Whether the file at this path (normalised) is such a database; called for every file of a layer. */
  wants(path: string): boolean
  /** Larger files are not read, which is told as a gap. */
  bytesMax: LimitName
  /**
   * The packages of one file; what cannot be read of it is told in the room.
   * @throws Unreadable when nothing of the file can be read
   */
  read(path: string, content: Buffer, room: ReadingRoom): FoundPackage[]
}

/** What an analyzer may use beside the file, and where it leaves what it has to say beside the packages. */
export interface ReadingRoom {
  limits: Limits
  /** Packages that the layer has room for. Who reads a list stops after one more, which tells that there are more. */
  packagesLeft: number
  /** A sentence about an entry that cannot be read; the path of the file is put before it. */
  gap(sentence: string): void
  /**
   * A file that a package of the distribution put there, as its database has it, with or without a leading slash. The
   * owner is told where a database tells anew of packages that were there before.
   */
  owns(path: string, owner?: FoundPackage): void
  /** What dpkg's list of this name has (`owned.ts`) was put there by a package of the distribution. */
  ownsList(list: string): void
}

/** The file is not what its path says; becomes a gap, never a failed scan. */
export class Unreadable extends Error {}

const FIELD = /^[^\s\x00-\x1f\x7f]{1,256}$/

/** A name or version as databases write them: no white space or control characters, at most 256 characters. */
export const isField = (value: unknown): value is string => typeof value === 'string' && FIELD.test(value)

/** Runs a reader of a binary format; a place outside the file is damage of the file, not a fault of ours. */
export function readingBinary<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof RangeError) throw new Unreadable(`is not a whole ${what}`)
    throw error
  }
}

/**
 * What damage a database made of lines shows beside its entries. One that is always written whole ends with a line break
 * (dpkg refuses it else): without one it was cut, and what came after is unknown.
 *
 * @param strays lines that are no fields
 */
export function tellDamage(content: Buffer, strays: number, whole: boolean, gap: (sentence: string) => void): void {
  if (strays > 0) gap(`has lines that are no fields (${strays}); packages may be missing`)
  if (whole && content.length > 0 && content.at(-1) !== 0x0a)
    gap('ends in the middle of a line: it was cut, and packages are missing')
}
