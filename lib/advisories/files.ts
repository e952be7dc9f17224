/** The index files of one ecosystem: matches and their hashes by release, details for all of its releases. */
import { createHash } from 'node:crypto'
import { contentHash, encodeHashes } from './hashes.ts'
import { encodeIndex } from './index-file.ts'
import type { CveJoin } from './join.ts'
import type { RevisionFile } from './model.ts'
import type { PreparedRecord } from './prepared.ts'

/** What is said of one package, in the order of the records' ids. */
interface Told {
  matches: string[]
  /** Hashes of what findings show. */
  shown: string
}

function file(kind: RevisionFile['kind'], ecosystem: string, keys: number, bytes: Buffer): [RevisionFile, Buffer] {
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return [{ kind, ecosystem, sha256, bytes: bytes.length, keys }, bytes]
}

/** @param records of one ecosystem, sorted by id */
export function* filesOf(
  ecosystem: string,
  records: readonly PreparedRecord[],
  join: CveJoin,
): Generator<[RevisionFile, Buffer]> {
  const releases = new Map<string, Map<string, Told>>()
  const details: [string, string][] = []
  for (const { record, matches } of records) {
    const text = JSON.stringify(join.details(record))
    details.push([record.id, text])
    const shown = contentHash(text)
    for (const [release, name, json] of matches) {
      let names = releases.get(release)
      if (!names) {
        names = new Map()
        releases.set(release, names)
      }
      const told = names.get(name)
      if (told) {
        told.matches.push(json)
        told.shown += shown
      } else names.set(name, { matches: [json], shown })
    }
  }
  yield file('details', ecosystem, details.length, encodeIndex(details))
  for (const [release, names] of releases) {
    const entries: [string, string][] = []
    const hashes: [string, string][] = []
    for (const [name, { matches, shown }] of names) {
      const value = `[${matches.join(',')}]`
      entries.push([name, value])
      hashes.push([name, contentHash(value + shown)])
    }
    yield file('match', release, entries.length, encodeIndex(entries))
    yield file('hashes', release, hashes.length, encodeHashes(hashes))
  }
}
