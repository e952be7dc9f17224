/**
 * The inventories of an image's layers while it is put together. All are in memory at once, and a layer of a few KB may
 * tell of 200,000 packages: so they have a limit together. It is a sum, so whoever is read first makes no difference.
 */
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import type { LayerInventory } from './model.ts'

/** Roughly what a package and a place take in memory beside their paths. */
const PACKAGE_BYTES = 256
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
  const { packages, directories, opaque, whiteouts, shadows, databases, links, osFiles } = layer
  let bytes = packages.length * PACKAGE_BYTES
  for (const { path } of packages) bytes += path.length
  for (const places of [directories, opaque, whiteouts, shadows, databases, Object.keys(links), Object.values(osFiles)])
    for (const text of places) bytes += PLACE_BYTES + text.length
  return bytes
}
