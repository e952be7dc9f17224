/**
 * The inventories of an image's layers while it is put together. All are in memory at once, and a layer of a few KB may
 * tell of 200,000 packages: so they have a limit together. It is a sum, so whoever is read first makes no difference.
 */
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import type { FoundPackage, LayerInventory } from './model.ts'

/** Roughly what they take in memory beside their texts. */
const PACKAGE_BYTES = 160
const SOURCE_BYTES = 96
const OWNER_BYTES = 128
const PLACE_BYTES = 64

/** By diffID. Adding throws `layer-too-large` when they are larger together than `layerInventoriesBytesMax`. */
export class LayerInventories extends Map<string, LayerInventory> {
  readonly #limits: Limits
  #bytes = 0

  constructor(limits: Limits) {
    super()
    this.#limits = limits
  }

  override set(diffId: string, inventory: LayerInventory): this {
    const { layerInventoriesBytesMax } = this.#limits
    this.#bytes += sizeOf(inventory)
    if (this.#bytes > layerInventoriesBytesMax)
      throw new LongshoreError(
        'layer-too-large',
        `what the layers of the image hold takes more than ${layerInventoriesBytesMax} bytes together (limit layerInventoriesBytesMax, LONGSHORE_LAYER_INVENTORIES_BYTES_MAX)`,
        { side: 'source' },
      )
    return super.set(diffId, inventory)
  }
}

function sizeOf(layer: LayerInventory): number {
  const { packages, directories, opaque, whiteouts, shadows, databases, gaps } = layer
  const { links, osFiles, unread, fileGaps = {}, owners = {} } = layer
  let bytes = 0
  for (const found of packages)
    bytes += PACKAGE_BYTES + textsOf(found) + found.path.length + (found.member?.length ?? 0)
  for (const [path, owner] of Object.entries(owners))
    bytes += OWNER_BYTES + path.length + textsOf(owner) + placesOf(owner.gaps ?? [])
  for (const places of [directories, opaque, whiteouts, shadows, databases, gaps]) bytes += placesOf(places)
  for (const told of [links, osFiles, unread]) bytes += placesOf(Object.keys(told)) + placesOf(Object.values(told))
  return bytes + placesOf(Object.keys(fileGaps)) + placesOf(Object.values(fileGaps).flat())
}

const textsOf = ({
  name,
  version,
  architecture = '',
  source,
}: Pick<FoundPackage, 'name' | 'version' | 'architecture' | 'source'>): number =>
  name.length +
  version.length +
  architecture.length +
  (source ? SOURCE_BYTES + source.name.length + source.version.length : 0)

function placesOf(texts: readonly string[]): number {
  let bytes = 0
  for (const text of texts) bytes += PLACE_BYTES + text.length
  return bytes
}
