/**
 * Which files of a layer a package of the distribution put there. A language package among them is that package's: the
 * distribution patches it under another version, and would be reported twice. Packages of others (`vendors.ts`) own
 * nothing here, for no distribution has advisories for what they brought. Only paths at which a language package may be
 * found are kept, so that the 100,000 paths of a distribution cost nothing.
 */
import type { FoundPackage } from '../model.ts'
import { ANALYZERS } from './index.ts'
import { OS_KINDS } from './kinds.ts'

const LANGUAGES = ANALYZERS.filter(({ kind }) => !OS_KINDS.has(kind))
/** Programs seldom have an extension and never stand there. */
const NO_PROGRAM = /^(?:usr\/share|usr\/include|etc|var)\/|\.[^/]*$/

/** Where distributions put files (hier(7)); `/opt`, `/usr/local`, `/srv` and the homes are left to others. */
const SYSTEM = /^(?:usr\/(?!local\/)|bin\/|sbin\/|lib[^/]*\/|etc\/|var\/)/

/** Paths of one layer that are looked at; a workstation has 500,000. */
const PATHS_MAX = 2_000_000

export class OwnedPaths {
  /** With the package, where the database told it. One object for all of its files. */
  readonly #paths = new Map<string, FoundPackage | undefined>()
  /** Paths of dpkg's lists by the list's name; lists come before and after the entries that say whose they are. */
  readonly #lists = new Map<string, string[]>()
  readonly #ownLists = new Set<string>()
  #bytesLeft: number
  #pathsLeft = PATHS_MAX

  /** `bytesMax` bounds what is kept; beyond it a package may be counted twice. */
  constructor(bytesMax: number) {
    this.#bytesLeft = bytesMax
  }

  /** As a package's file list has it, with or without a leading slash. */
  readonly add = (told: string, owner?: FoundPackage): void => {
    const path = this.#kept(told)
    if (path !== undefined) this.#paths.set(path, owner)
  }

  /** What this list has, read already or still to come, is the distribution's. */
  readonly addListName = (name: string): void => {
    this.#ownLists.add(name)
  }

  #kept(told: string): string | undefined {
    if (this.#pathsLeft-- <= 0) return undefined
    const path = plain(told)
    if (!SYSTEM.test(path)) return undefined
    if (NO_PROGRAM.test(path) && !LANGUAGES.some((analyzer) => analyzer.wants(path))) return undefined
    this.#bytesLeft -= path.length + 64
    return this.#bytesLeft >= 0 ? path : undefined
  }

  /** To be asked when all of the layer was seen. */
  has(path: string): boolean {
    for (const name of this.#ownLists) {
      for (const listed of this.#lists.get(name) ?? []) this.#paths.set(listed, undefined)
      this.#lists.delete(name)
    }
    this.#ownLists.clear()
    return this.#paths.has(plain(path))
  }

  /** To be asked after `has`. Of several packages that have the file the one that was told last. */
  ownerOf(path: string): FoundPackage | undefined {
    return this.#paths.get(plain(path))
  }

  /** Takes one of dpkg's lists: a path a line, or a checksum and a path. Without a name nobody can own what it has. */
  addList(content: Buffer, name = ''): void {
    // A list costs its name too, and an archive of names alone packs very well.
    this.#bytesLeft -= name.length + 64
    this.#lists.delete(name)
    if (this.#bytesLeft < 0) return
    const paths: string[] = []
    this.#lists.set(name, paths)
    let at = 0
    while (at < content.length) {
      const newline = content.indexOf(0x0a, at)
      const end = newline < 0 ? content.length : newline
      const line = content.toString('utf8', at, Math.min(end, at + 4_096))
      const path = this.#kept(/^[0-9a-f]{32} {2}/.test(line) ? line.slice(34) : line)
      if (path !== undefined) paths.push(path)
      at = end + 1
    }
  }
}

/** Without the leading slash, and with merged /usr: a list may say `/bin/sh` where the layer has `usr/bin/sh`. */
const plain = (path: string) => path.replace(/^\.?\//, '').replace(/^usr\/(?=(?:bin|sbin|lib|lib64)\/)/, '')
