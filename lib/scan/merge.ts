/**
 * Layers applied bottom up, as a container runtime stacks them: whiteouts and opaque directories hide what is below
 * them and nothing of their own layer, files and links replace whole directories, links in a path are followed.
 */
import type { Limits } from '../config.ts'
import { Gaps } from './gaps.ts'
import type { FoundPackage, ImagePackage, LayerInventory } from './model.ts'
import { readOs } from './os.ts'
import { identity, overwrittenFiles, unseenOf } from './overwritten.ts'
import { isMissedAt, isPackageFolder } from './package-folders.ts'
import { ANALYZERS } from './packages/index.ts'
import { showPath } from './paths.ts'
import { Tree } from './tree.ts'

interface Visible {
  packages?: ImagePackage[]
  os?: string
  unread?: string
  gaps?: string[]
  /** Its OS package answers for it, and for what could not be seen of it (`unseenOf`). */
  owned?: string
}

/** What the merge can say of an image; the rest of an `ImageInventory` comes from its manifest. */
export interface Merged {
  os?: { id: string; version: string; name?: string }
  packages: ImagePackage[]
  gaps: string[]
}

/**
 * The packages a container of these layers has. Each names the layer that brought it: for a database that is rewritten
 * as a whole (dpkg, apk) the lowest layer since which this name, version and architecture stood in it without a break.
 *
 * @param layers bottom up
 */
export function mergeLayers(layers: readonly LayerInventory[], limits: Limits): Merged {
  const tree = new Tree<Visible>()
  const gaps = new Gaps(limits.gapsMax)
  for (const layer of layers) {
    for (const gap of layer.gaps) gaps.add(gap)
    apply(tree, layer)
  }
  const packages: ImagePackage[] = []
  const osFiles: Record<string, string> = {}
  const unread = new Map<string, string[]>()
  for (const [path, seen] of tree.values()) {
    if (seen.os !== undefined) osFiles[path] = seen.os
    for (const gap of seen.gaps ?? []) gaps.add(`${showPath(path)} ${gap}`)
    if (seen.unread) unread.set(seen.unread, [...(unread.get(seen.unread) ?? []), path])
    for (const found of seen.packages ?? []) packages.push(found)
  }
  for (const [kind, paths] of unread) gaps.add(unreadGap(kind, paths))
  for (const gap of misplaced(tree)) gaps.add(gap)
  if (packages.length > limits.packagesMax) {
    gaps.add(`the image has more than ${limits.packagesMax} packages; the rest was not judged`)
    packages.length = limits.packagesMax
  }
  const os = readOs(osFiles)
  return { ...(os ? { os } : {}), packages, gaps: gaps.list() }
}

function apply(tree: Tree<Visible>, layer: LayerInventory): void {
  const byPath = new Map<string, FoundPackage[]>(layer.databases.map((path) => [path, []]))
  for (const found of layer.packages) byPath.get(found.path)?.push(found)
  const overwritten = overwrittenFiles(tree, layer, byPath)
  // Directories first: one that replaces a link must not let this layer's whiteouts through to where the link led.
  // Shortest first, so that parents are settled before what is in them.
  for (const path of byLength(layer.directories)) tree.setDirectory(tree.land(path))
  // Read before anything is hidden: a database that is whited out and written anew has a break.
  for (const path of layer.opaque) tree.clear(tree.resolve(path, 'follow'))
  for (const path of layer.whiteouts) tree.remove(tree.land(path))
  for (const [path, target] of Object.entries(layer.links)) tree.setLink(tree.land(path), target)
  for (const path of layer.shadows) tree.setFile(tree.land(path), {})
  for (const [path, what] of Object.entries(layer.unread)) tree.setFile(tree.land(path), { unread: what })
  for (const [path, text] of Object.entries(layer.osFiles)) tree.setFile(tree.land(path), { os: text })
  for (const [path, found] of byPath) {
    const place = tree.land(path)
    const before = new Map(tree.get(place)?.packages?.map((known) => [identity(known), known.layer]))
    const told = overwritten.has(path) ? found.map(({ owned: _, ...one }) => one) : found
    const packages = told.map((one) => ({
      ...one,
      path: place,
      layer: before.get(identity(one)) ?? layer.diffId,
    }))
    tree.setFile(place, { packages })
  }
  for (const [path, found] of [...Object.entries(layer.fileGaps ?? {}), ...overwritten]) {
    const place = tree.land(path)
    tree.setFile(place, { ...tree.get(place), gaps: found })
  }
  for (const [path, owner] of Object.entries(layer.owners ?? {})) {
    const place = tree.land(path)
    if (!overwritten.has(path)) tree.setFile(place, { ...tree.get(place), owned: unseenOf(owner) })
  }
}

const byLength = (paths: readonly string[]) => [...paths].sort((a, b) => a.length - b.length)

function unreadGap(kind: string, paths: string[]): string {
  const more = paths.length > 1 ? ` and ${paths.length - 1} more` : ''
  return `${kind} packages are not read: ${showPath(paths[0]!)}${more}`
}

const OS_DATABASES = [
  'var/lib/dpkg/status',
  'lib/apk/db/installed',
  'usr/lib/apk/db/installed',
  'var/lib/rpm/Packages',
  'usr/lib/sysimage/rpm/rpmdb.sqlite',
]

/** Databases, and folders of packages, that a link leads to a place where no analyzer looks for them. */
function* misplaced(tree: Tree<Visible>): Generator<string> {
  for (const path of OS_DATABASES) {
    const real = tree.resolve(path, 'follow')
    if (real === path || ANALYZERS.some((analyzer) => analyzer.wants(real))) continue
    if (!tree.get(real)?.packages)
      yield `${showPath(path)} is reached through a symbolic link at ${showPath(real)}, where it is not read`
  }
  for (const [path] of tree.links()) {
    const isDatabase = !OS_DATABASES.includes(path) && ANALYZERS.some((analyzer) => analyzer.wants(path))
    if (!isDatabase && !isPackageFolder(path)) continue
    const real = tree.resolve(path, 'follow')
    if (isMissedAt(path, real))
      yield `${showPath(path)} is a symbolic link to ${showPath(real)}, where packages are not looked for`
    if (isDatabase && !ANALYZERS.some((analyzer) => analyzer.wants(real)))
      yield `${showPath(path)} is a symbolic link to ${showPath(real)}, where it is not read`
  }
}
