/** dpkg's status file (dpkg-query(1), deb-control(5)) and the single files of distroless images. */
import type { FoundPackage } from '../model.ts'
import { type Analyzer, isField, Unreadable } from './analyzer.ts'

const STATUS = 'var/lib/dpkg/status'
const STATUS_DIRECTORY = 'var/lib/dpkg/status.d/'

/** The file is on disk in these states, whatever was asked for it: `hold ok installed` is installed too (dpkg(1)). */
const PRESENT = new Set(['installed', 'unpacked', 'half-configured', 'triggers-awaited', 'triggers-pending'])

/** `name` or `name (version)`: the version is told only when it differs from the binary's, as after a binNMU. */
const SOURCE = /^(\S+)(?: \((\S+)\))?$/

const WANTED = new Set(['Package', 'Status', 'Version', 'Architecture', 'Source'])

export const dpkg: Analyzer = {
  kind: 'dpkg',
  wants: (path) =>
    path === STATUS ||
    (path.startsWith(STATUS_DIRECTORY) &&
      !path.includes('/', STATUS_DIRECTORY.length) &&
      // Distroless keeps the checksums of `base` beside it in `base.md5sums`.
      !path.endsWith('.md5sums')),
  bytesMax: 'packageFileBytesMax',
  read: (path, content, { gap }) => {
    if (content.includes(0)) throw new Unreadable('is not a text file')
    const packages: FoundPackage[] = []
    for (const stanza of stanzas(content)) {
      const found = readStanza(stanza, path)
      if (found === 'unreadable')
        gap(`has an entry that cannot be read: ${[...stanza.values()].join(' ').slice(0, 80)}`)
      else if (found) packages.push(found)
    }
    return packages
  },
}

/** Line by line, so that a file of many MB is never a string as a whole. */
function* stanzas(content: Buffer): Generator<Map<string, string>> {
  let fields = new Map<string, string>()
  let at = 0
  while (at < content.length) {
    const found = content.indexOf(0x0a, at)
    const end = found < 0 ? content.length : found
    if (end === at || (end === at + 1 && content[at] === 0x0d)) {
      if (fields.size > 0) yield fields
      fields = new Map()
    } else if (content[at] !== 0x20 && content[at] !== 0x09) {
      const colon = content.indexOf(0x3a, at)
      // Wanted names are short; descriptions and file lists are passed over unread.
      if (colon > at && colon - at <= 12 && colon < end) {
        const name = content.toString('latin1', at, colon)
        if (WANTED.has(name)) fields.set(name, content.toString('utf8', colon + 1, Math.min(end, colon + 1024)).trim())
      }
    }
    at = end + 1
  }
  if (fields.size > 0) yield fields
}

function readStanza(fields: Map<string, string>, path: string): FoundPackage | undefined | 'unreadable' {
  const status = fields.get('Status')
  // The files of status.d have no Status: they are there because the package is.
  if (status !== undefined && !PRESENT.has(status.split(/\s+/)[2] ?? '')) return undefined
  if (status === undefined && path === STATUS) return undefined
  const name = fields.get('Package')
  const version = fields.get('Version')
  const architecture = fields.get('Architecture')
  if (!isField(name) || !isField(version)) return 'unreadable'
  const told = SOURCE.exec(fields.get('Source') ?? name)
  if (!told || !isField(told[1]) || (told[2] !== undefined && !isField(told[2]))) return 'unreadable'
  const found: FoundPackage = {
    kind: 'dpkg',
    name,
    version,
    path,
    source: { name: told[1], version: told[2] ?? version },
  }
  if (isField(architecture)) found.architecture = architecture
  return found
}
