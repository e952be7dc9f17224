/**
 * Which files of a layer an OS package put there. A language package among them is the OS package's: its distribution
 * patches it under another version, and would be reported twice. Only paths at which a language package may be found
 * are kept, so that the 100,000 paths of a distribution cost nothing.
 */
import { ANALYZERS } from './index.ts'
import { OS_KINDS } from './kinds.ts'

const LISTS = /^var\/lib\/dpkg\/(?:info\/[^/]+\.list|status\.d\/[^/]+\.md5sums)$/

/** Files of dpkg that list the files of one package; they hold no packages themselves. */
export const isFileList = (path: string): boolean => path.startsWith('var/lib/dpkg/') && LISTS.test(path)

const LANGUAGES = ANALYZERS.filter(({ kind }) => !OS_KINDS.has(kind))
/** Programs seldom have an extension and never stand there. */
const NO_PROGRAM = /^(?:usr\/share|usr\/include|etc|var)\/|\.[^/]*$/

/** Paths of one layer that are looked at; a workstation has 500,000. */
const PATHS_MAX = 2_000_000

export class OwnedPaths {
  readonly #paths = new Set<string>()
  #bytesLeft: number
  #pathsLeft = PATHS_MAX

  /** `bytesMax` bounds what is kept; beyond it a package may be counted twice. */
  constructor(bytesMax: number) {
    this.#bytesLeft = bytesMax
  }

  /** As a package's file list has it, with or without a leading slash. */
  readonly add = (told: string): void => {
    if (this.#pathsLeft-- <= 0) return
    const path = plain(told)
    if (NO_PROGRAM.test(path) && !LANGUAGES.some((analyzer) => analyzer.wants(path))) return
    this.#bytesLeft -= path.length + 64
    if (this.#bytesLeft >= 0) this.#paths.add(path)
  }

  has(path: string): boolean {
    return this.#paths.has(plain(path))
  }

  /** Takes one of dpkg's lists: a path a line, or a checksum and a path. */
  addList(content: Buffer): void {
    let at = 0
    while (at < content.length) {
      const newline = content.indexOf(0x0a, at)
      const end = newline < 0 ? content.length : newline
      const line = content.toString('utf8', at, Math.min(end, at + 4_096))
      this.add(/^[0-9a-f]{32} {2}/.test(line) ? line.slice(34) : line)
      at = end + 1
    }
  }
}

/** Without the leading slash, and with merged /usr: a list may say `/bin/sh` where the layer has `usr/bin/sh`. */
const plain = (path: string) => path.replace(/^\.?\//, '').replace(/^usr\/(?=(?:bin|sbin|lib|lib64)\/)/, '')
