/** Reading one database file as a scan does, and changing files as damage would. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { defaultLimits, type Limits } from '../../../lib/config.ts'
import type { FoundPackage } from '../../../lib/scan/model.ts'
import { type Analyzer, Unreadable } from '../../../lib/scan/packages/analyzer.ts'

export interface Read {
  packages: FoundPackage[]
  gaps: string[]
  owned: string[]
  /** Whose each of the owned files is. */
  owners: unknown[]
  /** Names of dpkg's lists whose files are the distribution's. */
  lists: string[]
  /** The sentence of `Unreadable`, when the file was. */
  unreadable?: string
}

/** Never throws for what a file may hold: whatever is not `Unreadable` is a fault. */
export function readFile(
  analyzer: Analyzer,
  path: string,
  content: Buffer | string,
  limits: Limits = defaultLimits,
): Read {
  const read: Read = { packages: [], gaps: [], owned: [], owners: [], lists: [] }
  const room = {
    limits,
    packagesLeft: limits.packagesMax,
    gap: (sentence: string) => void read.gaps.push(sentence),
    owns: (owned: string, owner?: FoundPackage) => {
      read.owned.push(owned)
      read.owners.push(owner)
    },
    ownsList: (list: string) => void read.lists.push(list),
  }
  try {
    read.packages = analyzer.read(path, Buffer.from(content as string), room)
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    read.unreadable = error.message
  }
  return read
}

export const fixture = (name: string) =>
  gunzipSync(readFileSync(join(import.meta.dirname, '../../fixtures', `${name}.gz`)))

/** Deterministic numbers in [0, below). */
export function numbers(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** The file with a few bytes changed, cut, doubled or set to extremes. */
export function damage(content: Buffer, seed: number): Buffer {
  const next = numbers(seed * 2_654_435_761)
  let bytes = Buffer.from(content)
  for (let changes = 1 + next(6); changes > 0 && bytes.length > 0; changes--) {
    const at = next(bytes.length)
    switch (next(6)) {
      case 0:
        bytes[at] = next(256)
        break
      case 1:
        bytes[at] = bytes[at]! ^ (1 << next(8))
        break
      case 2:
        bytes.fill([0, 0xff, 0x7f, 0x80][next(4)]!, at, Math.min(bytes.length, at + 1 + next(8)))
        break
      case 3:
        bytes = Buffer.from(bytes.subarray(0, at))
        break
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(next(bytes.length), at + next(64))])
        break
      default:
        // Structure stands at the start of most formats.
        bytes[next(Math.min(bytes.length, 256))] = next(256)
    }
  }
  return bytes
}
