/** Collects from the entries of one layer what a scan needs, and forgets the rest. */
import type { Limits } from '../config.ts'
import { Gaps } from './gaps.ts'
import { LinkReads } from './link-reads.ts'
import { ANALYZER_VERSION, type FileOwner, type FoundPackage, type LayerInventory } from './model.ts'
import { OS_FILE_BYTES_MAX, OS_FILES } from './os.ts'
import { hashOf } from './overwritten.ts'
import { PackageBudget } from './package-budget.ts'
import { isPackageFolder } from './package-folders.ts'
import { type Analyzer, type ReadingRoom, Unreadable } from './packages/analyzer.ts'
import { EXECUTABLE_BYTES_MIN, ExecutableProbe, type ProbeResult, type Range } from './packages/executable.ts'
import { ANALYZERS } from './packages/index.ts'
import { OS_KINDS, PROGRAM_KINDS } from './packages/kinds.ts'
import { listAt } from './packages/lists.ts'
import { OwnedPaths } from './packages/owned.ts'
import { unreadKind } from './packages/unread.ts'
import { joinPath, nameOf, parentOf, showPath } from './paths.ts'
import { isPlace } from './places.ts'
import type { ContentSink, TarEntry, TarVisitor } from './tar.ts'
import { Tree } from './tree.ts'

/** What is known of a file. None of the fields: it only stands in the way of what was there. */
interface Seen {
  packages?: FoundPackage[]
  /** What could not be seen of it. */
  gaps?: string[]
  os?: string
  unread?: string
}

/** What the first reading of a layer passed over and the second is for. */
export interface SecondLook {
  /** Files that hard links name. */
  links: Set<string>
  /** Parts of programs, by path. */
  ranges: Map<string, Range>
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
  readonly #packages: PackageBudget
  readonly #owned: OwnedPaths
  /** In the second reading: what to look for. Contents may stand before or after the hard link that names them. */
  readonly #look: SecondLook
  readonly #linkReads = new LinkReads<Seen>()
  /** What only another reading can give. */
  readonly again: SecondLook = { links: new Set(), ranges: new Map() }
  #linkBytesLeft: number
  #pathBytesLeft: number
  /** Of files that have owners. */
  #ownedGapsLeft: number
  #hasLinks = false
  #entries = 0

  constructor(limits: Limits, look: SecondLook = { links: new Set(), ranges: new Map() }) {
    this.#limits = limits
    this.#look = look
    this.#owned = new OwnedPaths(limits.layerKeptPathBytesMax)
    this.#gaps = new Gaps(limits.gapsMax)
    this.#packages = new PackageBudget(limits.packagesMax, this.#gaps)
    this.#linkBytesLeft = limits.packageFileBytesMax
    this.#pathBytesLeft = limits.layerKeptPathBytesMax
    this.#ownedGapsLeft = limits.gapsMax
  }

  refused(sentence: string): void {
    this.#gaps.add(sentence)
  }

  entry(entry: TarEntry): boolean | ContentSink {
    this.#entries++
    const name = nameOf(entry.path)
    if (name.startsWith(WHITEOUT)) {
      this.#whiteout(entry.path, name)
      return false
    }
    if (entry.path === '') return false
    const analyzer = analyzerOf(entry.path)
    const unread = unreadKind(entry.path)
    const database = analyzer !== undefined || unread !== undefined || OS_PATHS.has(entry.path)
    if (entry.type === 'directory') {
      // A directory where a database was, or where a link may lead to one.
      if ((isPlace(entry.path) || database) && this.#keep(entry.path))
        this.#tree.setDirectory(this.#land(entry.path), true)
      return false
    }
    if (!database) return this.#other(entry)
    if (!this.#keep(entry.path)) return false
    const path = this.#land(entry.path)
    if (entry.type === 'symlink') {
      this.#symlink(path, entry, analyzer !== undefined)
      return false
    }
    this.#tree.setFile(path, entry.type !== 'device' && unread ? { unread } : {})
    if (entry.type === 'device') return false
    if (unread) return this.#look.links.has(entry.path) && this.#wantLinked(entry)
    if (entry.type === 'hardlink') {
      this.#hardLink(path, entry)
      return false
    }
    const why = refusal(entry, analyzer ? this.#limits[analyzer.bytesMax] : OS_FILE_BYTES_MAX)
    if (why) this.#tree.setFile(path, { gaps: [why] })
    return !why
  }

  /** What is no database by its path: a place to remember, a list of files, a program, a target of a link. */
  #other(entry: TarEntry): boolean | ContentSink {
    const linked = this.#look.links.has(entry.path)
    if (isPlace(entry.path) || (entry.type === 'symlink' && isPackageFolder(entry.path))) {
      if (!this.#keep(entry.path)) return false
      const path = this.#land(entry.path)
      if (entry.type === 'symlink') {
        this.#symlink(path, entry, false)
        return false
      }
      this.#tree.setFile(path, {})
    }
    if (entry.type === 'hardlink') this.#secondName(entry)
    if (entry.type !== 'file') return false
    if (linked) return this.#wantLinked(entry)
    if (listAt(entry.path) !== undefined) return refusal(entry, this.#limits.packageListBytesMax) === undefined
    if (!entry.executable || entry.sparse || entry.size < EXECUTABLE_BYTES_MIN) return false
    const { path } = entry
    return new ExecutableProbe(path, entry.size, {
      limits: this.#limits,
      packagesLeft: this.#packages.left,
      range: this.#look.ranges.get(path),
      done: (result) => this.#program(path, result),
    })
  }

  content(entry: TarEntry, content: Buffer): void {
    if (this.#look.links.has(entry.path)) this.#linkReads.keep(entry.path, content)
    const list = listAt(entry.path)
    if (list !== undefined) this.#owned.addList(content, list)
    else if (OS_PATHS.has(entry.path) || analyzerOf(entry.path))
      this.#tree.setFile(this.#land(entry.path), this.#read(entry.path, content))
  }

  #program(path: string, { packages, gaps, again }: ProbeResult): void {
    if (again && this.#keep(path)) this.again.ranges.set(path, again)
    if ((!packages && gaps.length === 0) || !this.#keep(path)) return
    const seen: Seen = { packages: this.#packages.take(packages ?? []) }
    if (gaps.length > 0) seen.gaps = gaps
    this.#tree.setFile(this.#land(path), seen)
  }

  #read(path: string, content: Buffer): Seen {
    if (OS_PATHS.has(path)) return { os: content.toString('utf8') }
    const analyzer = analyzerOf(path)
    if (!analyzer) return {}
    const gaps: string[] = []
    const room: ReadingRoom = {
      limits: this.#limits,
      packagesLeft: this.#packages.left,
      gap: (sentence) => {
        if (gaps.length <= this.#limits.gapsMax) gaps.push(sentence)
      },
      owns: this.#owned.add,
      ownsList: this.#owned.addListName,
    }
    const seen: Seen = {}
    try {
      seen.packages = this.#packages.take(analyzer.read(path, content, room))
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      gaps.push(error.message)
    }
    if (gaps.length > 0) seen.gaps = gaps
    return seen
  }

  #symlink(path: string, entry: TarEntry, database: boolean): void {
    // Inside node_modules links are how packages are shared; nothing is ever written through them.
    if (entry.path.includes('node_modules') && !isPackageFolder(entry.path)) {
      this.#tree.setFile(path, database ? { gaps: ['is a symbolic link and was not read'] } : {})
    } else {
      // Where it leads, and whether it is read there, is known when all layers are.
      this.#tree.setLink(path, entry.link)
      this.#hasLinks = true
    }
  }

  /** A second name of a file: the same content under this path. */
  #hardLink(path: string, entry: TarEntry): void {
    const known = this.#linkReads.content(entry.link)
    const seen = this.#tree.get(this.#land(entry.link))
    if (known) this.#tree.setFile(path, this.#readLinked(entry, known))
    else if (seen?.packages || seen?.gaps || seen?.os !== undefined) {
      this.#tree.setFile(path, this.#again(seen, entry.path))
    } else if (this.#look.links.has(entry.link)) {
      this.#gaps.add(
        `${showPath(entry.path)} is a hard link to ${showPath(entry.link)}, which this layer does not hold`,
      )
    } else if (this.#keep(entry.link)) this.again.links.add(entry.link)
  }

  #readLinked(entry: TarEntry, content: Buffer): Seen {
    const found = this.#linkReads.read(entry, analyzerOf(entry.path)?.kind, {
      read: () => this.#read(entry.path, content),
      again: (before) => this.#again(before, entry.path),
    })
    return typeof found === 'string' ? { gaps: [found] } : found
  }

  /** The same under another name. */
  #again(seen: Seen, path: string): Seen {
    return seen.packages ? { ...seen, packages: this.#packages.takeAgain(seen.packages, path) } : seen
  }

  /** Of a program, which is no database by its path. */
  #secondName(entry: TarEntry): void {
    const seen = this.#tree.get(this.#land(entry.link))
    if (!seen?.packages?.some(({ kind }) => PROGRAM_KINDS.has(kind)) || !this.#keep(entry.path)) return
    this.#tree.setFile(this.#land(entry.path), this.#again(seen, entry.path))
  }

  #wantLinked(entry: TarEntry): boolean {
    const why = refusal(entry, this.#limits.packageFileBytesMax)
    if (why) this.#gaps.add(`${showPath(entry.path)} ${why}`)
    if (entry.type !== 'file' || why) return false
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
      gaps: [],
    }
    const fileGaps = new Map<string, string[]>()
    const owners = new Map<string, FileOwner>()
    let room = this.#limits.gapsMax
    for (const [path, seen] of this.#tree.values()) {
      const owned = this.#owned.has(path) && !seen.packages?.some(({ kind }) => OS_KINDS.has(kind))
      // What an OS package put there is judged by its distribution, whether it can be read or not.
      if (seen.gaps && !owned) {
        // So many stay with their files; of the rest it does not matter whether a later layer removes them.
        room -= seen.gaps.length
        if (room >= 0) fileGaps.set(path, seen.gaps)
        else for (const gap of seen.gaps) this.#gaps.add(`${showPath(path)} ${gap}`)
      }
      const owner = owned ? this.#ownerOf(path, seen) : undefined
      if (owner) owners.set(path, owner)
      if (seen.packages) {
        inventory.databases.push(path)
        for (const found of seen.packages) inventory.packages.push({ ...found, path, ...(owned ? { owned } : {}) })
      } else if (seen.os !== undefined) inventory.osFiles[path] = seen.os
      else if (seen.unread) inventory.unread[path] = seen.unread
      else inventory.shadows.push(path)
    }
    if (fileGaps.size > 0) inventory.fileGaps = Object.fromEntries(fileGaps)
    if (owners.size > 0) inventory.owners = Object.fromEntries(owners)
    inventory.gaps = this.#gaps.list()
    return inventory
  }

  /** Nothing when no other layer could make a difference. */
  #ownerOf(path: string, seen: Seen): FileOwner | undefined {
    const found = this.#owned.ownerOf(path)
    const { gaps = [] } = seen
    if (!found || (!seen.packages && gaps.length === 0)) return undefined
    const { name, version, architecture } = found
    const owner: FileOwner = { name, version, ...(architecture && { architecture }) }
    if (gaps.length === 0) return owner
    if (gaps.length > this.#ownedGapsLeft) return { ...owner, unseen: hashOf(gaps) }
    this.#ownedGapsLeft -= gaps.length
    return { ...owner, gaps }
  }
}

const analyzerOf = (path: string): Analyzer | undefined => ANALYZERS.find((analyzer) => analyzer.wants(path))

/** Why the content of a file is not kept, or undefined when it is. */
function refusal(entry: TarEntry, bytesMax: number): string | undefined {
  if (entry.sparse) return 'was not read because it is stored as a sparse file'
  return entry.size > bytesMax ? `was not read because it has more than ${bytesMax} bytes` : undefined
}
