/** What an analyzer of one kind of package database is. */
import type { LimitName } from '../../config.ts'
import type { FoundPackage } from '../model.ts'

export interface Analyzer {
  kind: FoundPackage['kind']
  /** Whether the file at this path (normalised) is such a database; called for every file of a layer. */
  wants(path: string): boolean
  /** Larger files are not read, which is told as a gap. */
  bytesMax: LimitName
  /**
   * The packages of one file. `gap` takes a sentence about each entry that cannot be read.
   * @throws Unreadable when nothing of the file can be read
   */
  read(path: string, content: Buffer, gap: (sentence: string) => void): FoundPackage[]
}

/** The file is not what its path says; becomes a gap, never a failed scan. */
export class Unreadable extends Error {}

const FIELD = /^[^\s\x00-\x1f\x7f]{1,256}$/

/** A name or version as databases write them: no white space or control characters, at most 256 characters. */
export const isField = (value: unknown): value is string => typeof value === 'string' && FIELD.test(value)
