/** apk's installed database (apk-package(5)): one-letter fields, records ended by an empty line. */
import type { FoundPackage } from '../model.ts'
import { type Analyzer, isField, tellDamage, Unreadable } from './analyzer.ts'

/** Alpine 3.23 moved the database under /usr. */
const PATHS = new Set(['lib/apk/db/installed', 'usr/lib/apk/db/installed'])

export const apk: Analyzer = {
  kind: 'apk',
  wants: (path) => PATHS.has(path),
  bytesMax: 'packageFileBytesMax',
  read: (path, content, { gap, owns, packagesLeft }) => {
    if (content.includes(0)) throw new Unreadable('is not a text file')
    const packages: FoundPackage[] = []
    let fields = new Map<string, string>()
    // Every field's line is a part of a record, so that one whose wanted fields are damaged is seen.
    let inside = false
    let owner: FoundPackage | undefined
    let strays = 0
    const finish = () => {
      if (!inside) return
      const found = readRecord(fields, path)
      if (found) packages.push(found)
      else gap(`has an entry that cannot be read: ${[...fields.values()].join(' ').slice(0, 80)}`)
      fields = new Map()
      inside = false
      owner = undefined
    }
    let directory = ''
    let at = 0
    while (at < content.length && packages.length <= packagesLeft) {
      const newline = content.indexOf(0x0a, at)
      const end = newline < 0 ? content.length : newline
      if (end === at) finish()
      else if (end > at + 1 && content[at + 1] === 0x3a) {
        inside = true
        // P package, V version, A architecture, o origin; F a directory, R a file in it; the rest describes files.
        const field = String.fromCharCode(content[at]!)
        const value = () => content.toString('utf8', at + 2, Math.min(end, at + 1024)).trim()
        if ('PVAo'.includes(field)) fields.set(field, value())
        else if (field === 'F') directory = value()
        else if (field === 'R') {
          // Name and version stand before the files.
          owner ??= readRecord(fields, path)
          owns(`${directory}/${value()}`, owner)
        }
      } else strays++
      at = end + 1
    }
    finish()
    tellDamage(content, strays, true, gap)
    return packages
  },
}

function readRecord(fields: Map<string, string>, path: string): FoundPackage | undefined {
  const name = fields.get('P')
  const version = fields.get('V')
  const architecture = fields.get('A')
  if (!isField(name) || !isField(version)) return undefined
  const origin = fields.get('o')
  // Subpackages are built from their origin in one go and share its version.
  const source = { name: isField(origin) ? origin : name, version }
  return { kind: 'apk', name, version, ...(isField(architecture) ? { architecture } : {}), source, path }
}
