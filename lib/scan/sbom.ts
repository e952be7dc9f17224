/** The inventory of an image as an SBOM: CycloneDX 1.6, what is downloaded and what is pushed beside the image. */
import { writeSbom } from '../report/cyclonedx.ts'
import { packageEntries } from './entries.ts'
import type { ImageInventory } from './model.ts'

/**
 * Pure: equal inventories give equal bytes, there is no time in it. `image` is a reference for people; by default the
 * image is named by its digest.
 */
export const sbomOf = (inventory: ImageInventory, image = ''): string =>
  writeSbom({
    image,
    digest: inventory.digest,
    platform: inventory.platform,
    ...(inventory.os ? { os: { id: inventory.os.id, version: inventory.os.version } } : {}),
    gaps: inventory.gaps,
    layers: inventory.layers,
    packages: packageEntries(inventory.packages, inventory.os).map(({ found, entry }) =>
      found.owned ? { ...entry, owned: found.owned } : entry,
    ),
  })
