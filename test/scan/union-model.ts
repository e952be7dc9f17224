/**
 * A naive union file system: whole trees in memory, entries applied one after the other as containerd's differ does
 * it. Only good for small cases, and shares no code with what it judges.
 */
export interface ModelEntry {
  path: string
  type: 'file' | 'dir' | 'symlink'
  content?: string
  linkname?: string
}

/** A runtime would refuse to unpack such an image. */
export class LinkLoop extends Error {}

interface File {
  layer: number
  kind: 'file' | 'dir' | 'link'
  content: string
  children: Map<string, File>
}

const make = (kind: File['kind'], layer: number, content = ''): File => ({ kind, layer, content, children: new Map() })

/** Contents by path of all files a container of these layers sees; each with the number of its layer. */
export function unionOf(layers: ModelEntry[][]): Map<string, { content: string; layer: number }> {
  const root = make('dir', -1)
  layers.forEach((entries, layer) => {
    for (const entry of entries) apply(root, entry, layer)
  })
  const files = new Map<string, { content: string; layer: number }>()
  const visit = (node: File, path: string) => {
    if (node.kind === 'file') files.set(path, { content: node.content, layer: node.layer })
    for (const [name, child] of node.children) visit(child, path ? `${path}/${name}` : name)
  }
  visit(root, '')
  return files
}

function apply(root: File, entry: ModelEntry, layer: number): void {
  const segments = entry.path.split('/')
  const name = segments.pop()!
  const parent = enter(root, segments, layer, !name.startsWith('.wh.'))
  if (!parent) return
  if (name === '.wh..wh..opq') {
    for (const child of [...parent.children.keys()]) removeLower(parent, child, layer)
    return
  }
  if (name.startsWith('.wh.')) {
    removeLower(parent, name.slice(4), layer)
    return
  }
  const there = parent.children.get(name)
  if (entry.type === 'dir') {
    if (there?.kind === 'dir') there.layer = layer
    else parent.children.set(name, make('dir', layer))
    return
  }
  const made = entry.type === 'file' ? make('file', layer, entry.content) : make('link', layer, entry.linkname)
  parent.children.set(name, made)
}

/** Hides what lower layers put there; what this layer put there, and the way to it, stays. */
function removeLower(parent: File, name: string, layer: number): void {
  const node = parent.children.get(name)
  if (!node) return
  for (const child of [...node.children.keys()]) removeLower(node, child, layer)
  if (node.layer < layer && node.children.size === 0) parent.children.delete(name)
}

/** The directory at these segments, links followed; missing ones are made, and what is no directory is replaced. */
function enter(root: File, segments: string[], layer: number, create: boolean): File | undefined {
  let stack = [root]
  const waiting = [...segments]
  for (let hops = 0; waiting.length > 0; ) {
    const segment = waiting.shift()!
    if (segment === '' || segment === '.') continue
    if (segment === '..') {
      if (stack.length > 1) stack.pop()
      continue
    }
    const here = stack.at(-1)!
    let next = here.children.get(segment)
    if (next?.kind === 'link') {
      if (++hops > 40) throw new LinkLoop()
      if (next.content.startsWith('/')) stack = [root]
      waiting.unshift(...next.content.split('/'))
      continue
    }
    if (next?.kind !== 'dir') {
      if (!create) return undefined
      next = make('dir', layer)
      here.children.set(segment, next)
    }
    stack.push(next)
  }
  return stack.at(-1)
}
