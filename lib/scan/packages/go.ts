/** Go's build information in a program (Go source, debug/buildinfo): the version of Go and the modules built in. */
import type { FoundPackage } from '../model.ts'
import { isField, type ReadingRoom, Unreadable } from './analyzer.ts'

/** Stands before the information, at a multiple of 16 bytes. */
export const GO_MARK = Buffer.from('\xff Go buildinf:', 'latin1')

const HEADER_BYTES = 32
const FLAGS_AT = 15
/** The strings follow the header; before Go 1.18 pointers stood there. */
const INLINE = 2
/** runtime/debug puts 16 bytes before and after the text, by which tools find it. */
const SENTINEL_BYTES = 16

/** What stands for the version of a directory. */
const DEVELOPMENT = '(devel)'

/** The packages of one program; `content` begins at the mark. Throws Unreadable or RangeError. */
export function readGoBuild(path: string, content: Buffer, { gap, packagesLeft }: ReadingRoom): FoundPackage[] {
  if ((content.readUInt8(FLAGS_AT) & INLINE) === 0)
    throw new Unreadable('was built with a Go older than 1.18, whose list of modules is not read')
  const version = lengthAndText(content, HEADER_BYTES)
  const information = lengthAndText(content, version.end)
  const packages: FoundPackage[] = []
  const add = (name: string | undefined, at: string | undefined) => {
    if (isField(name) && isField(at) && at !== DEVELOPMENT) packages.push({ kind: 'go', name, version: at, path })
  }
  // "go1.22.3", "go1.22.3 X:boringcrypto", or "devel go1.23-0f3b..." of a build from the repository.
  const release = /^go(\d[\w.]*)/.exec(version.text)?.[1]
  if (release) add('stdlib', semverOf(release))
  else gap(`was built with "${version.text.slice(0, 60).replace(/[^\x20-\x7e]/g, '?')}", which is no release of Go`)
  const text = information.text
  if (text.length < 2 * SENTINEL_BYTES + 1) {
    gap('was built without module information, so its modules are not known')
    return packages
  }
  let modules = 0
  const lines = text.slice(SENTINEL_BYTES, -SENTINEL_BYTES).split('\n')
  for (let i = 0; i < lines.length; i++) {
    if (packages.length > packagesLeft) return packages
    const [what, name, at] = lines[i]!.split('\t')
    // The commands of Go itself are of no module.
    if (what === 'mod' || what === 'dep' || (what === 'path' && name?.startsWith('cmd/'))) modules++
    if (what !== 'mod' && what !== 'dep') continue
    const [next, otherName, otherAt] = lines[i + 1]?.split('\t') ?? []
    // A module replaced by a directory has no version of its own: the replaced one is the best guess.
    if (next === '=>' && otherAt && otherAt !== DEVELOPMENT) add(otherName, otherAt)
    else add(name, at)
  }
  if (modules === 0) gap('was built outside of a module, so its modules are not known')
  return packages
}

/** Go writes 1.22rc1 where advisories write 1.22.0-rc1. */
function semverOf(release: string): string {
  const [, numbers, suffix] = /^(\d+(?:\.\d+)*)(?:-?([a-z].*))?$/.exec(release) ?? [undefined, release]
  const full = `${numbers}${'.0'.repeat(Math.max(0, 3 - numbers!.split('.').length))}`
  return suffix ? `${full}-${suffix}` : full
}

/** A length as a variable-length integer, then so many bytes. Latin-1 first: the sentinels are no text. */
function lengthAndText(content: Buffer, at: number): { text: string; end: number } {
  let length = 0
  let scale = 1
  let byte: number
  do {
    byte = content.readUInt8(at++)
    length += (byte & 0x7f) * scale
    scale *= 128
  } while (byte >= 0x80 && scale < 2 ** 35)
  if (at + length > content.length)
    throw new Unreadable('holds more build information than is read (limit executableBuildInfoBytesMax), or was cut')
  return { text: content.toString('latin1', at, at + length), end: at + length }
}
