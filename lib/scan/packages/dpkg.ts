/** dpkg's status file (dpkg-query(1), deb-control(5)) and the single files of distroless images. */
import type { FoundPackage } from '../model.ts'
import { nameOf } from '../paths.ts'
import { type Analyzer, isField, tellDamage, Unreadable } from './analyzer.ts'
import { dpkgList, singleList } from './lists.ts'
import { isDistributionDeb } from './vendors.ts'

const STATUS = 'var/lib/dpkg/status'
const STATUS_DIRECTORY = 'var/lib/dpkg/status.d/'

/** The file is on disk in these states, whatever was asked for it: `hold ok installed` is installed too (dpkg(1)). */
const PRESENT = new Set(['installed', 'unpacked', 'half-configured', 'triggers-awaited', 'triggers-pending'])
/** Removed, never there, or not unpacked to the end. Any other word is damage. */
const ABSENT = new Set(['not-installed', 'config-files', 'half-installed'])

/** `name` or `name (version)`: the version is told only when it differs from the binary's, as after a binNMU. */
const SOURCE = /^(\S+)(?: \((\S+)\))?$/

const WANTED = new Set(['Package', 'Status', 'Version', 'Architecture', 'Source', 'Maintainer', 'Origin'])

export const dpkg: Analyzer = {
  kind: 'dpkg',
  wants: (path) =>
    path === STATUS ||
    (path.startsWith(STATUS_DIRECTORY) &&
      !path.includes('/', STATUS_DIRECTORY.length) &&
      // Distroless keeps the checksums of `base` beside it in `base.md5sums`.
      !path.endsWith('.md5sums')),
  bytesMax: 'packageFileBytesMax',
  read: (path, content, { gap, ownsList, packagesLeft }) => {
    if (content.includes(0)) throw new Unreadable('is not a text file')
    const packages: FoundPackage[] = []
    const strays = { lines: 0 }
    for (const stanza of stanzas(content, strays)) {
      if (packages.length > packagesLeft) break
      const found = readStanza(stanza, path)
      if (typeof found === 'string') gap(`${found}: ${shown(stanza)}`)
      if (typeof found !== 'object') continue
      packages.push(found)
      const [maintainer, origin] = [stanza.get('Maintainer'), stanza.get('Origin')]
      const told = { version: found.version, ...(maintainer ? { maintainer } : {}), ...(origin ? { origin } : {}) }
      if (isDistributionDeb(told)) for (const list of listsOf(path, found)) ownsList(list)
    }
    tellDamage(content, strays.lines, path === STATUS, gap)
    return packages
  },
}

/** Enough of an entry to find it. */
const shown = (stanza: ReadonlyMap<string, string>) =>
  ['Package', 'Status', 'Version', 'Architecture', 'Source']
    .flatMap((name) => stanza.get(name) ?? [])
    .join(' ')
    .slice(0, 80)

/** Packages that may be installed for several architectures have theirs in the name of their list. */
const listsOf = (path: string, { name, architecture }: FoundPackage): string[] =>
  path === STATUS ? [dpkgList(name), dpkgList(`${name}:${architecture ?? ''}`)] : [singleList(nameOf(path))]

/**
 * Line by line, so that a file of many MB is never a string as a whole. Every field's line counts as a part of a stanza,
 * so that one whose wanted fields are damaged is seen; lines that are none are counted in `strays`.
 */
function* stanzas(content: Buffer, strays: { lines: number }): Generator<Map<string, string>> {
  let fields = new Map<string, string>()
  let inside = false
  let at = 0
  while (at < content.length) {
    const found = content.indexOf(0x0a, at)
    const end = found < 0 ? content.length : found
    if (end === at || (end === at + 1 && content[at] === 0x0d)) {
      if (inside) yield fields
      fields = new Map()
      inside = false
    } else if (content[at] === 0x20 || content[at] === 0x09) {
      if (!inside) strays.lines++
    } else {
      const colon = fieldEnd(content, at, end)
      if (colon === undefined) strays.lines++
      else {
        inside = true
        // Wanted names are short; descriptions and file lists are passed over unread.
        const name = colon - at <= 12 ? content.toString('latin1', at, colon) : ''
        if (WANTED.has(name)) fields.set(name, content.toString('utf8', colon + 1, Math.min(end, colon + 1024)).trim())
      }
    }
    at = end + 1
  }
  if (inside) yield fields
}

/** Where the colon after a field's name stands: visible ASCII without a space (deb822(5)). */
function fieldEnd(content: Buffer, at: number, end: number): number | undefined {
  let i = at
  while (i < end && content[i]! > 0x20 && content[i]! < 0x7f && content[i] !== 0x3a) i++
  return i > at && i < end && content[i] === 0x3a ? i : undefined
}

/** The package, nothing when it is not installed, or why that cannot be told. */
function readStanza(fields: Map<string, string>, path: string): FoundPackage | undefined | string {
  const status = fields.get('Status')
  const unreadable = 'has an entry that cannot be read'
  // The files of status.d have no Status: they are there because the package is.
  if (status === undefined && path === STATUS) return 'has an entry without a status'
  const state = status?.split(/\s+/)[2] ?? ''
  if (status !== undefined && ABSENT.has(state)) return undefined
  if (status !== undefined && !PRESENT.has(state)) return unreadable
  const name = fields.get('Package')
  const version = fields.get('Version')
  const architecture = fields.get('Architecture')
  if (!isField(name) || !isField(version)) return unreadable
  const told = SOURCE.exec(fields.get('Source') ?? name)
  if (!told || !isField(told[1]) || (told[2] !== undefined && !isField(told[2]))) return unreadable
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
