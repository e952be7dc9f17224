/**
 * Which files of a layer are not their OS package's any more. apk and rpm tell of all packages in every layer that
 * installs one, so only the layers below say whether a package brought a file, or whether somebody else has put another
 * in its place. A file that holds what it held below was only copied up, by `chmod` or `setcap` for example.
 */
import { sha256 } from '../oci/digest.ts'
import type { FileOwner, FoundPackage, ImagePackage, LayerInventory } from './model.ts'
import { OS_KINDS } from './packages/kinds.ts'
import type { Tree } from './tree.ts'

/** Of a file that the layers so far have. */
interface Below {
  packages?: ImagePackage[]
  /** Its OS package answers for it: `unseenOf` what could not be seen of it. */
  owned?: string
}

/**
 * Paths of this layer, with what could not be seen of their files. To be asked before the layer hides anything: what was
 * whited out and written anew may be the same.
 *
 * @param found packages of the layer by path
 */
export function overwrittenFiles(
  tree: Tree<Below>,
  layer: LayerInventory,
  found: ReadonlyMap<string, readonly FoundPackage[]>,
): Map<string, string[]> {
  const files = new Map<string, string[]>()
  if (!layer.owners) return files
  const below = new Set<string>()
  // A layer may be there twice.
  for (const [, { packages = [] }] of tree.values())
    for (const known of packages)
      if (OS_KINDS.has(known.kind) && known.layer !== layer.diffId) below.add(identity(known))
  for (const [path, owner] of Object.entries(layer.owners)) {
    if (!below.has(identity(owner))) continue
    const before = tree.get(tree.land(path))
    const isSame =
      before?.owned === unseenOf(owner) && contentOf(before.packages ?? []) === contentOf(found.get(path) ?? [])
    if (!isSame) files.set(path, gapsOf(owner))
  }
  return files
}

/** The same for files of which the same could not be seen, whichever of their layers had room for the sentences. */
export const unseenOf = ({ unseen, gaps = [] }: FileOwner): string => unseen ?? hashOf(gaps)

export const hashOf = (gaps: readonly string[]): string =>
  gaps.length > 0 ? sha256(Buffer.from(gaps.join('\n'))).slice(-16) : ''

const gapsOf = ({ unseen, gaps = [] }: FileOwner): string[] =>
  unseen === undefined ? gaps : ['was not read in full; its layer has too many such files to say why']

export const identity = (found: Pick<FoundPackage, 'name' | 'version' | 'architecture'>) =>
  `${found.name}\0${found.version}\0${found.architecture ?? ''}`

const contentOf = (packages: readonly FoundPackage[]) =>
  packages
    .map((found) => `${found.kind}\0${identity(found)}\0${found.member ?? ''}`)
    .sort()
    .join('\n')
