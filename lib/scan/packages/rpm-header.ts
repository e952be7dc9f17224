/**
 * The header of one installed rpm package, as rpm's databases keep it: an index of tags and a data area, big-endian
 * (rpm manual, "Package format", without the magic that stands before it in a package file).
 */
import type { FoundPackage } from '../model.ts'
import { isField, type ReadingRoom, Unreadable } from './analyzer.ts'
import { isDistributionRpm } from './vendors.ts'

const TAG = {
  name: 1000,
  version: 1001,
  release: 1002,
  epoch: 1003,
  vendor: 1011,
  arch: 1022,
  oldFileNames: 1027,
  sourceRpm: 1044,
  dirIndexes: 1116,
  baseNames: 1117,
  dirNames: 1118,
} as const
const WANTED: ReadonlySet<number> = new Set(Object.values(TAG))

/** rpm itself refuses headers with more tags (header.c, HEADER_TAGS_MAX). */
const TAGS_MAX = 65_535
const ENTRY_BYTES = 16
/** Of one tag; far more files than any package has. A string takes one byte of the database, and many in memory. */
const STRINGS_MAX = 1_000_000
/** PATH_MAX of Linux. */
const PATH_CHARACTERS_MAX = 4_096

interface Place {
  at: number
  count: number
}

/** `name-version-release.src.rpm`; the two last hyphens divide, for a version has none. */
const SOURCE = /^(.+)-([^-]+)-([^-]+)\.(?:no)?src\.rpm$/

/**
 * The package of one header, or undefined for a public key, which rpm keeps as if it were a package.
 * `owns` takes every file of a package that its distribution built.
 *
 * @throws Unreadable, RangeError when it is no header
 */
export function readRpmHeader(blob: Buffer, path: string, owns: ReadingRoom['owns']): FoundPackage | undefined {
  const tags = blob.readUInt32BE(0)
  const dataBytes = blob.readUInt32BE(4)
  const data = 8 + tags * ENTRY_BYTES
  if (tags > TAGS_MAX || data + dataBytes > blob.length) throw new Unreadable('has a package header that was cut')
  const places = new Map<number, Place>()
  for (let at = 8; at < data; at += ENTRY_BYTES) {
    const tag = blob.readUInt32BE(at)
    if (!WANTED.has(tag)) continue
    places.set(tag, { at: data + blob.readUInt32BE(at + 8), count: blob.readUInt32BE(at + 12) })
  }
  const end = data + dataBytes
  const first = (tag: number): string | undefined => {
    const place = places.get(tag)
    return place && stringsAt(blob, { at: place.at, count: 1 }, end).next().value
  }
  const name = first(TAG.name)
  if (name === 'gpg-pubkey') return undefined
  const version = first(TAG.version)
  const release = first(TAG.release)
  if (!isField(name) || !isField(version) || !isField(release))
    throw new Unreadable('has a package without name, version or release')
  const epochAt = places.get(TAG.epoch)
  const epoch = epochAt ? blob.readUInt32BE(epochAt.at) : 0
  const full = `${epoch > 0 ? `${epoch}:` : ''}${version}-${release}`
  const architecture = first(TAG.arch)
  const told = SOURCE.exec(first(TAG.sourceRpm) ?? '')
  // The source's epoch is told nowhere; packages of one source share it but for a handful.
  const source =
    told && isField(told[1])
      ? { name: told[1], version: `${epoch > 0 ? `${epoch}:` : ''}${told[2]}-${told[3]}` }
      : { name, version: full }
  const found: FoundPackage = {
    kind: 'rpm',
    name,
    version: full,
    ...(isField(architecture) ? { architecture } : {}),
    source,
    path,
  }
  if (!isDistributionRpm(first(TAG.vendor), release)) return found
  for (const tag of [TAG.dirNames, TAG.baseNames, TAG.oldFileNames])
    if ((places.get(tag)?.count ?? 0) > STRINGS_MAX) throw new Unreadable('has a package with more files than any has')
  const directories = [...stringsAt(blob, places.get(TAG.dirNames), end)]
  const indexes = places.get(TAG.dirIndexes)
  let i = 0
  for (const base of stringsAt(blob, places.get(TAG.baseNames), end)) {
    if (!indexes || i >= indexes.count) break
    const directory = directories[blob.readUInt32BE(indexes.at + 4 * i++)] ?? ''
    if (directory.length + base.length <= PATH_CHARACTERS_MAX) owns(directory + base, found)
  }
  for (const file of stringsAt(blob, places.get(TAG.oldFileNames), end)) owns(file, found)
  return found
}

/** NUL-terminated, one after another. A count beyond the data ends with the data. */
function* stringsAt(blob: Buffer, place: Place | undefined, end: number): Generator<string> {
  let at = place?.at ?? end
  for (let left = place?.count ?? 0; left > 0 && at < end; left--) {
    const nul = blob.indexOf(0, at)
    if (nul < 0 || nul >= end) return
    yield blob.toString('utf8', at, nul)
    at = nul + 1
  }
}
