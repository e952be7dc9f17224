/** What cargo-auditable leaves in a Rust program (rust-secure-code/cargo-auditable, PARSING.md): JSON in a zlib stream. */
import { inflateSync } from 'node:zlib'
import type { FoundPackage } from '../model.ts'
import { isField, type ReadingRoom, Unreadable } from './analyzer.ts'
import { own, readJson } from './json.ts'

/** The crates of one program from the content of its section `.dep-v0`. Throws Unreadable. */
export function readRustAudit(
  path: string,
  content: Buffer,
  { limits, gap, packagesLeft }: ReadingRoom,
): FoundPackage[] {
  let json: Buffer
  try {
    json = inflateSync(content, { maxOutputLength: limits.packageListBytesMax })
  } catch {
    throw new Unreadable('has a list of crates that does not inflate')
  }
  const list = own(readJson(json), 'packages')
  if (!Array.isArray(list)) throw new Unreadable('has a list of crates that is none')
  const packages: FoundPackage[] = []
  let unread = 0
  for (const entry of list) {
    if (packages.length > packagesLeft) break
    // Build scripts are not in the program; what is not from crates.io has no advisories there.
    if (own(entry, 'kind') === 'build' || own(entry, 'source') !== 'crates.io') continue
    const name = own(entry, 'name')
    const version = own(entry, 'version')
    if (isField(name) && isField(version)) packages.push({ kind: 'cargo', name, version, path })
    else unread++
  }
  if (unread > 0) gap(`has ${unread} crates without a name or version`)
  return packages
}
