/**
 * Contents that hard links name, in the second reading of a layer: each is read once for each name that could make a
 * difference, however many links there are. A thousand links to one large archive would be read for hours.
 */
import type { FoundPackage } from './model.ts'
import { OS_KINDS } from './packages/kinds.ts'
import { nameOf } from './paths.ts'
import type { TarEntry } from './tar.ts'

/** Of one content, each under another name. */
const NAMES_MAX = 16

export class LinkReads<Seen> {
  readonly #contents = new Map<string, Buffer>()
  readonly #reads = new Map<string, Map<string, Seen>>()

  /** A path may come again in a layer: links behind it name the new content. */
  keep(path: string, content: Buffer): void {
    this.#contents.set(path, content)
    this.#reads.delete(path)
  }

  content(link: string): Buffer | undefined {
    return this.#contents.get(link)
  }

  /** What `read` gives, or `again` of what it gave before. A sentence when there are too many names. */
  read(
    { path, link }: TarEntry,
    kind: FoundPackage['kind'] | undefined,
    { read, again }: { read: () => Seen; again: (before: Seen) => Seen },
  ): Seen | string {
    // What a file of a language says may depend on its own name, what a database of the system says on all of its path.
    const name = kind && !OS_KINDS.has(kind) ? `${kind} ${nameOf(path)}` : path
    const reads = this.#reads.get(link) ?? new Map<string, Seen>()
    this.#reads.set(link, reads)
    const before = reads.get(name)
    if (before !== undefined) return again(before)
    if (reads.size >= NAMES_MAX)
      return `was not read: it is one of more than ${NAMES_MAX} differently named hard links to a file`
    const seen = read()
    reads.set(name, seen)
    return seen
  }
}
