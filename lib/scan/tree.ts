/**
 * The few places of a file system a scan has to remember, with symbolic links, as a tree. One layer and the merged
 * image are both such a tree.
 */
import { joinPath, nameOf, parentOf } from './paths.ts'

interface Node<T> {
  children?: Map<string, Node<T>>
  /** Target of a symbolic link as it stands. */
  link?: string
  value?: T
  /** Told to be a directory, not only implied by what is beneath. */
  directory?: boolean
}

/** Linux gives up after 40 (path_resolution(7)). */
const HOPS_MAX = 40
/**
 * Steps of one path with all that its links add. Honest ones take some dozens; 40 links that go `x/../` for 4 KiB each
 * would take 80,000, which is milliseconds for every file beneath them.
 */
const STEPS_MAX = 1_024

export class Tree<T> {
  readonly #root: Node<T> = {}

  /**
   * The path with all symbolic links on the way followed, and the last one too if asked. `..` stops at the root, as in
   * a container. A loop, or a way without end, cannot be followed: the path then stays as it is.
   */
  resolve(path: string, last: 'follow' | 'keep'): string {
    const waiting = path.split('/').reverse()
    let done: string[] = []
    let nodes: (Node<T> | undefined)[] = [this.#root]
    let hops = 0
    let steps = waiting.length
    while (waiting.length > 0) {
      const segment = waiting.pop()!
      if (segment === '' || segment === '.') continue
      if (segment === '..') {
        if (done.length > 0) {
          done.pop()
          nodes.pop()
        }
        continue
      }
      const node = nodes.at(-1)?.children?.get(segment)
      if (node?.link !== undefined && (last === 'follow' || waiting.length > 0)) {
        if (++hops > HOPS_MAX) return path
        if (node.link.startsWith('/')) {
          done = []
          nodes = [this.#root]
        }
        const target = node.link.split('/')
        steps += target.length
        if (steps > STEPS_MAX) return path
        for (let i = target.length - 1; i >= 0; i--) waiting.push(target[i]!)
        continue
      }
      done.push(segment)
      nodes.push(node)
    }
    return done.join('/')
  }

  /** The path with its parents resolved: where an entry of this name really lands. */
  land(path: string): string {
    const parent = parentOf(path)
    return parent === '' ? path : joinPath(this.resolve(parent, 'follow'), nameOf(path))
  }

  get(path: string): T | undefined {
    return this.#find(path)?.value
  }

  /** A non-directory takes the place of whatever was there and beneath. */
  setFile(path: string, value: T): void {
    const node = this.#make(path)
    node.children = node.link = node.directory = undefined
    node.value = value
  }

  setLink(path: string, target: string): void {
    const node = this.#make(path)
    node.children = node.value = node.directory = undefined
    node.link = target
  }

  /** A directory replaces a file or a link; a directory that is there keeps its content. `remember` makes it a place. */
  setDirectory(path: string, remember = false): void {
    const node = remember ? this.#make(path) : this.#find(path)
    if (!node) return
    node.link = node.value = undefined
    if (remember) node.directory = true
  }

  remove(path: string): void {
    if (path === '') this.clear('')
    else this.#find(parentOf(path))?.children?.delete(nameOf(path))
  }

  /** Removes what is beneath, not the directory itself. */
  clear(path: string): void {
    const node = this.#find(path)
    if (node) node.children = undefined
  }

  /** All values in the order of their paths' code units. */
  values(): [path: string, value: T][] {
    const found: [string, T][] = []
    this.#walk((path, node) => {
      if (node.value !== undefined) found.push([path, node.value])
    })
    return found
  }

  links(): [path: string, target: string][] {
    const found: [string, string][] = []
    this.#walk((path, node) => {
      if (node.link !== undefined) found.push([path, node.link])
    })
    return found
  }

  directories(): string[] {
    const found: string[] = []
    this.#walk((path, node) => {
      if (node.directory) found.push(path)
    })
    return found
  }

  #walk(visit: (path: string, node: Node<T>) => void): void {
    const waiting: [string, Node<T>][] = [['', this.#root]]
    while (waiting.length > 0) {
      const [path, node] = waiting.pop()!
      visit(path, node)
      const names = [...(node.children?.keys() ?? [])].sort().reverse()
      for (const name of names) waiting.push([joinPath(path, name), node.children!.get(name)!])
    }
  }

  #find(path: string): Node<T> | undefined {
    let node: Node<T> | undefined = this.#root
    if (path !== '') for (const segment of path.split('/')) node = node?.children?.get(segment)
    return node
  }

  #make(path: string): Node<T> {
    let node = this.#root
    for (const segment of path.split('/')) {
      // A file or a link on the way cannot hold anything: the writer of the archive meant a directory.
      node.value = node.link = undefined
      node.children ??= new Map()
      let child = node.children.get(segment)
      if (!child) {
        child = {}
        node.children.set(segment, child)
      }
      node = child
    }
    return node
  }
}
