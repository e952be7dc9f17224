/**
 * Java archives, and archives inside them: Maven's `pom.properties` first, else what the manifest and the file's name
 * say. Class files alone tell nothing.
 */
import type { FoundPackage } from '../model.ts'
import { nameOf } from '../paths.ts'
import { type Analyzer, isField, type ReadingRoom, Unreadable } from './analyzer.ts'
import { type ArchiveBudget, archiveBudget, type Member, openZip } from './zip.ts'

const ARCHIVE = /\.(?:[jwe]ar|par|hpi|jpi)$/
const PROPERTIES = /(?:^|\/)META-INF\/maven\/[^/]+\/[^/]+\/pom\.properties$/
const MANIFEST = 'META-INF/MANIFEST.MF'
/** `log4j-core-2.14.1.jar`: the version begins at the first hyphen before a digit. */
const FILE_NAME = /^(.+?)-(\d[\w.+-]*?)\.\w+$/
const FILE_NAME_CHARACTERS_MAX = 256

export const java: Analyzer = {
  kind: 'maven',
  // Called for every file of a layer: most are passed over by their last letter.
  wants: (path) => (path.endsWith('r') || path.endsWith('i')) && ARCHIVE.test(path),
  bytesMax: 'archiveFileBytesMax',
  read(path, content, room) {
    const walk: Walk = { path, room, budget: archiveBudget(room.limits), packages: [], nameless: [], damaged: [] }
    readArchive(walk, content, { inside: '', depth: 0, bytesMax: room.limits.archiveFileBytesMax })
    tell(room, walk.nameless, 'tells no Maven coordinates and cannot be judged')
    tell(room, walk.damaged, 'cannot be read')
    return walk.packages
  },
}

interface Walk {
  path: string
  room: ReadingRoom
  budget: ArchiveBudget
  packages: FoundPackage[]
  nameless: string[]
  damaged: string[]
}

function tell({ gap }: ReadingRoom, members: string[], what: string): void {
  if (members.length === 0) return
  const more = members.length > 1 ? ` (and ${members.length - 1} more inside it)` : ''
  gap(members[0] ? `holds ${JSON.stringify(members[0].slice(0, 200))}, which ${what}${more}` : `${what}${more}`)
}

/** Where an archive is in the outer one; `bytesMax` is what archives inside it may take of memory at one time. */
interface Place {
  inside: string
  depth: number
  bytesMax: number
}

function readArchive(walk: Walk, content: Buffer, { inside, depth, bytesMax }: Place): void {
  const { limits, packagesLeft } = walk.room
  const zip = openZip(content, walk.budget)
  const add = (name: string, version: string) => {
    const found: FoundPackage = { kind: 'maven', name, version, path: walk.path }
    walk.packages.push(inside ? { ...found, member: inside } : found)
  }
  let manifest: Map<string, string> | undefined
  let named = false
  let holdsOthers = false
  for (const member of zip.members) {
    if (walk.packages.length > packagesLeft) return
    const wanted = PROPERTIES.test(member.name) ? 'properties' : member.name === MANIFEST ? 'manifest' : undefined
    const nested = !wanted && ARCHIVE.test(member.name)
    if (!wanted && !nested) continue
    const name = inside ? `${inside}!/${member.name}` : member.name
    try {
      if (nested) {
        if (depth >= limits.archiveDepthMax)
          throw new Unreadable(`lies deeper than ${limits.archiveDepthMax} archives (limit archiveDepthMax)`)
        const archive = zip.read(member, bytesMax)
        readArchive(walk, archive, { inside: name, depth: depth + 1, bytesMax: bytesMax - archive.length })
        holdsOthers = true
        continue
      }
      const text = zip.read(member, limits.manifestFileBytesMax).toString('utf8')
      if (wanted === 'manifest') manifest = readManifest(text)
      else {
        const [group, artifact, version] = ['groupId', 'artifactId', 'version'].map((key) => property(text, key))
        if (!isField(group) || !isField(artifact) || !isField(version)) throw new Unreadable('has no coordinates')
        add(`${group}:${artifact}`, version)
        named = true
      }
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      walk.damaged.push(name)
    }
  }
  if (named) return
  // What is inside names itself; the archive around it may be a library as well.
  const file = nameOf(inside || walk.path)
  const guess = fromManifest(manifest ?? new Map(), file)
  if (guess) add(guess.name, guess.version)
  if (guess?.name.includes(':')) return
  if (holdsOthers && (isApplication(file, zip.members) || (!guess && !hasClasses(zip.members)))) return
  walk.nameless.push(inside)
}

/** Applications have no advisories; their libraries are what is judged. */
const isApplication = (file: string, members: readonly Member[]): boolean =>
  !/\.(?:jar|par)$/.test(file) || members.some(({ name }) => /^(?:BOOT|WEB)-INF\//.test(name))

const hasClasses = (members: readonly Member[]): boolean => members.some(({ name }) => name.endsWith('.class'))

const property = (text: string, key: string) =>
  new RegExp(`^[ \\t]*${key}[ \\t]*[=:][ \\t]*(\\S+)[ \\t\\r]*$`, 'm').exec(text)?.[1]

/** The main section; a line that begins with a space continues the one before (JAR file specification). */
function readManifest(text: string): Map<string, string> {
  const fields = new Map<string, string>()
  const main = text.split(/\r?\n\r?\n/, 1)[0]!
  for (const line of main.replace(/\r?\n /g, '').split(/\r?\n/)) {
    const colon = line.indexOf(': ')
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 2).trim())
  }
  return fields
}

/** The name has a group when one is told, which matching needs; else it is at least part of the inventory. */
function fromManifest(manifest: Map<string, string>, file: string): { name: string; version: string } | undefined {
  const byName = file.length <= FILE_NAME_CHARACTERS_MAX ? FILE_NAME.exec(file) : null
  const symbolic = manifest.get('Bundle-SymbolicName')?.split(';')[0]?.trim()
  const artifact = byName?.[1] ?? plain(manifest.get('Implementation-Title')) ?? plain(symbolic)
  const version = byName?.[2] ?? plain(manifest.get('Implementation-Version')) ?? plain(manifest.get('Bundle-Version'))
  if (!isField(artifact) || !isField(version)) return undefined
  const group = plain(manifest.get('Implementation-Vendor-Id')) ?? groupOf(symbolic, artifact)
  return { name: group ? `${group}:${artifact}` : artifact, version }
}

const plain = (value: string | undefined) => (isField(value) && !/[:/]/.test(value) ? value : undefined)

/** `org.slf4j.api` of `slf4j-api` is the group `org.slf4j`: what is left without the words of the artifact's end. */
function groupOf(symbolic: string | undefined, artifact: string): string | undefined {
  if (!isField(symbolic) || !symbolic.includes('.')) return undefined
  const words = symbolic.split('.')
  const last = words.at(-1)!
  if (symbolic.endsWith(`.${artifact}`)) return symbolic.slice(0, -artifact.length - 1)
  return artifact.endsWith(`-${last}`) || artifact === last ? words.slice(0, -1).join('.') : undefined
}
