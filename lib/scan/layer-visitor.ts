/** Collects from the entries of one layer what a scan needs, and forgets the rest. */
import type { Limits } from '../config.ts'
import { Gaps } from './gaps.ts'
import { ANALYZER_VERSION, type FoundPackage, type LayerInventory } from './model.ts'
import { OS_FILE_BYTES_MAX, OS_FILES } from './os.ts'
import { Unreadable } from './packages/analyzer.ts'
import { ANALYZERS } from './packages/index.ts'
import { unreadKind } from './packages/unread.ts'
import { joinPath, nameOf, parentOf, showPath } from './paths.ts'
import { isPlace } from './places.ts'
import type { TarEntry, TarVisitor } from './tar.ts'
import { Tree } from './tree.ts'

/** What is known of a file. None of the fields: it only stands in the way of what was there. */
interface Seen {
  packages?: FoundPackage[]
  os?: string
  unread?: string
}

const WHITEOUT = '.wh.'
const OPAQUE = '.wh..wh..opq'
const OS_PATHS: ReadonlySet<string> = new Set(OS_FILES)

export class LayerVisitor implements TarVisitor {
  readonly #limits: Limits
  readonly #tree = new Tree<Seen>()
  readonly #whiteouts = new Set<string>()
  readonly #opaque = new Set<string>()
  readonly #gaps: Gaps
  /** Contents asked for by a hard link that stands before or after them, in the second pass. */
  readonly #linkTargets: ReadonlySet<string>
  readonly #linkContents = new Map<string, Buffer>()
  /** Hard links to files whose content was passed over, as target paths. */
  readonly missingLinkTargets = new Set<string>()
  #linkBytesLeft: number
  #pathBytesLeft: number
  #hasLinks = false
  #entries = 0
  #packages = 0

  constructor(limits: Limits, linkTargets: ReadonlySet<string> = new Set()) {
    this.#limits = limits
    this.#linkTargets = linkTargets
    this.#gaps = new Gaps(limits.gapsMax)
    this.#linkBytesLeft = limits.packageFileBytesMax
    this.#pathBytesLeft = limits.layerKeptPathBytesMax
  }

  refused(sentence: string): void {
    this.#gaps.add(sentence)
  }

  entry(entry: TarEntry): boolean {
    this.#entries++
    const name = nameOf(entry.path)
    if (name.startsWith(WHITEOUT)) {
      this.#whiteout(entry.path, name)
      return false
    }
    if (entry.path === '') return false
    if (entry.type === 'directory') {
      // A directory where a database was, or where a link may lead to one.
      if ((isPlace(entry.path) || wanted(entry.path)) && this.#keep(entry.path))
        this.#tree.setDirectory(this.#land(entry.path), true)
      return false
    }
    const database = wanted(entry.path)
    if (!database && !isPlace(entry.path)) return this.#linkTargets.has(entry.path) && this.#wantLinked(entry)
    if (!this.#keep(entry.path)) return false
    const path = this.#land(entry.path)
    if (entry.type === 'symlink') {
      this.#symlink(path, entry)
      return false
    }
    if (entry.type === 'device') {
      this.#tree.setFile(path, {})
      return false
    }
    const unread = unreadKind(entry.path)
    this.#tree.setFile(path, unread ? { unread } : {})
    if (unread || !database) return this.#linkTargets.has(entry.path) && this.#wantLinked(entry)
    if (entry.type === 'file') return this.#fits(entry, bytesMaxOf(entry.path, this.#limits))
    this.#hardLink(path, entry)
    return false
  }

  content(entry: TarEntry, content: Buffer): void {
    if (this.#linkTargets.has(entry.path)) this.#linkContents.set(entry.path, content)
    if (wanted(entry.path)) this.#tree.setFile(this.#land(entry.path), this.#read(entry.path, content))
  }

  #fits(entry: TarEntry, bytesMax: number): boolean {
    if (!entry.sparse && entry.size <= bytesMax) return true
    const why = entry.sparse ? 'it is stored as a sparse file' : `it has more than ${bytesMax} bytes`
    this.#gaps.add(`${showPath(entry.path)} was not read because ${why}`)
    return false
  }

  #read(path: string, content: Buffer): Seen {
    if (OS_PATHS.has(path)) return { os: content.toString('utf8') }
    const analyzer = ANALYZERS.find((candidate) => candidate.wants(path))
    if (!analyzer) return {}
    try {
      const found = analyzer.read(path, content, (sentence) => this.#gaps.add(`${showPath(path)} ${sentence}`))
      const room = Math.max(0, this.#limits.packagesMax - this.#packages)
      if (found.length > room) {
        this.#gaps.add(`the layer has more than ${this.#limits.packagesMax} packages; the rest was not judged`)
        found.length = room
      }
      this.#packages += found.length
      return { packages: found }
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      this.#gaps.add(`${showPath(path)} ${error.message}`)
      return {}
    }
  }

  #symlink(path: string, entry: TarEntry): void {
    if (ANALYZERS.some((analyzer) => analyzer.wants(entry.path)))
      this.#gaps.add(`${showPath(entry.path)} is a symbolic link and was not read`)
    // Inside node_modules links are how packages are shared; nothing is ever written through them.
    if (entry.path.includes('node_modules')) this.#tree.setFile(path, {})
    else {
      this.#tree.setLink(path, entry.link)
      this.#hasLinks = true
    }
  }

  /** A second name of a file: the same content under this path. */
  #hardLink(path: string, entry: TarEntry): void {
    const known = this.#linkContents.get(entry.link)
    const seen = this.#tree.get(this.#land(entry.link))
    if (known) this.#tree.setFile(path, this.#read(entry.path, known))
    else if (seen?.packages || seen?.os !== undefined) {
      const packages = seen.packages?.map((found) => ({ ...found, path: entry.path }))
      this.#tree.setFile(path, packages ? { ...seen, packages } : seen)
    } else if (this.#linkTargets.has(entry.link)) {
      this.#gaps.add(
        `${showPath(entry.path)} is a hard link to ${showPath(entry.link)}, which this layer does not hold`,
      )
    } else if (this.#keep(entry.link)) this.missingLinkTargets.add(entry.link)
  }

  #wantLinked(entry: TarEntry): boolean {
    if (entry.type !== 'file' || !this.#fits(entry, this.#limits.manifestFileBytesMax)) return false
    this.#linkBytesLeft -= entry.size
    return this.#linkBytesLeft >= 0
  }

  #whiteout(path: string, name: string): void {
    const parent = parentOf(path)
    if (!this.#keep(path)) return
    if (name === OPAQUE) this.#opaque.add(parent)
    // `.wh..wh.` names are notes of aufs, not whiteouts (OCI image layer specification).
    else if (!name.startsWith('.wh..wh.') && name.length > WHITEOUT.length)
      this.#whiteouts.add(joinPath(parent, name.slice(WHITEOUT.length)))
  }

  /** Counts a path against what one layer may make us remember. */
  #keep(path: string): boolean {
    this.#pathBytesLeft -= path.length + 64
    if (this.#pathBytesLeft >= 0) return true
    this.#gaps.add(
      'the layer changes more places than are remembered (limit layerKeptPathBytesMax): packages may be missing, or ' +
        'reported though they were removed',
    )
    return false
  }

  #land(path: string): string {
    return this.#hasLinks ? this.#tree.land(path) : path
  }

  inventory(diffId: string, bytes: number): LayerInventory {
    const inventory: LayerInventory = {
      analyzer: ANALYZER_VERSION,
      diffId,
      packages: [],
      databases: [],
      unread: {},
      osFiles: {},
      whiteouts: [...this.#whiteouts].sort(),
      opaque: [...this.#opaque].sort(),
      shadows: [],
      directories: this.#tree.directories(),
      links: Object.fromEntries(this.#tree.links()),
      entries: this.#entries,
      bytes,
      gaps: this.#gaps.list(),
    }
    for (const [path, seen] of this.#tree.values()) {
      if (seen.packages) {
        inventory.databases.push(path)
        for (const found of seen.packages) inventory.packages.push(found.path === path ? found : { ...found, path })
      } else if (seen.os !== undefined) inventory.osFiles[path] = seen.os
      else if (seen.unread) inventory.unread[path] = seen.unread
      else inventory.shadows.push(path)
    }
    return inventory
  }
}

const wanted = (path: string) =>
  OS_PATHS.has(path) || ANALYZERS.some((analyzer) => analyzer.wants(path)) || unreadKind(path) !== undefined

function bytesMaxOf(path: string, limits: Limits): number {
  const analyzer = ANALYZERS.find((candidate) => candidate.wants(path))
  return analyzer ? limits[analyzer.bytesMax] : OS_FILE_BYTES_MAX
}
