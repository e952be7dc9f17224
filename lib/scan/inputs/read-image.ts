/**
 * An image as an inventory outside of a job: nothing is put off, leased or handed over. What was read before, by whomever,
 * is taken from the same store as scans do.
 */
import type { BlobStore } from '../../blobs/port.ts'
import type { Limits } from '../../config.ts'
import { loadImage, loadLayer, saveImage, saveLayer } from '../inventories.ts'
import { readLayer } from '../layer.ts'
import { LayerInventories } from '../layer-inventories.ts'
import { mergeLayers } from '../merge.ts'
import { ANALYZER_VERSION, type ImageInventory, type LayerInventory } from '../model.ts'
import { parsePlatform } from '../platform.ts'
import { emptyLayer } from '../read-layers.ts'
import { findSubject, type ImageContent, type ImageLayer } from '../target.ts'

export interface ReadImageOptions {
  content: ImageContent
  repository: string
  /** Of a manifest or an index. */
  digest: string
  /** `os/architecture[/variant]` */
  platform?: string | undefined
  blobs: BlobStore
  limits: Limits
  signal: AbortSignal
  /** One sentence after each step. */
  tell(sentence: string): void
}

/** @throws LongshoreError those of `findSubject` and `readLayer` */
export async function readImage(options: ReadImageOptions): Promise<ImageInventory> {
  const { content, repository, digest, platform, blobs, limits, signal, tell } = options
  const pinned = { digest, platform: platform ?? '' }
  const known = await loadImage(blobs, pinned.digest, pinned.platform)
  if (known) {
    tell(`${digest} was read before`)
    return known
  }
  const asked = platform === undefined ? undefined : parsePlatform(platform)
  const subject = await findSubject(digest, asked, { client: content, repository, limits, signal })
  const common = { analyzer: ANALYZER_VERSION, digest: subject.digest }
  if (subject.kind === 'artifact') {
    const gap = `this is not a container image but an artifact (${subject.what.slice(0, 100)}); there is nothing to scan`
    return { ...common, platform: 'unknown', packages: [], layers: [], gaps: [gap], kind: 'artifact' }
  }
  tell(`${subject.digest} (${subject.platform}) has ${subject.layers.length} layers`)
  const found = await layersOf(subject.layers, options)
  const inventory: ImageInventory = {
    ...common,
    platform: subject.platform,
    ...mergeLayers(
      subject.layers.map(({ diffId }) => found.get(diffId)!),
      limits,
    ),
    layers: subject.layers.map(({ descriptor, diffId }) => ({ digest: descriptor.digest, diffId })),
    kind: 'image',
  }
  await saveImage(blobs, inventory, pinned)
  return inventory
}

/** Each layer once, by diffID; after a failure no other begins. */
async function layersOf(
  layers: readonly ImageLayer[],
  options: ReadImageOptions,
): Promise<Map<string, LayerInventory>> {
  const { content, repository, blobs, limits, signal, tell } = options
  const found = new LayerInventories(limits)
  const waiting = [...new Map(layers.map((layer) => [layer.diffId, layer])).values()].sort(
    (a, b) => b.descriptor.size - a.descriptor.size,
  )
  const ended = new AbortController()
  const either = AbortSignal.any([signal, ended.signal])
  const reader = async () => {
    for (let layer = waiting.shift(); layer; layer = waiting.shift()) {
      const { descriptor, diffId } = layer
      either.throwIfAborted()
      const known = layer.unreadable ? emptyLayer(layer) : await loadLayer(blobs, diffId)
      const read =
        known ??
        (await readLayer(
          {
            digest: descriptor.digest,
            diffId,
            size: descriptor.size,
            signal: either,
            open: () => content.blob(repository, descriptor, { signal: either }),
          },
          limits,
        ))
      if (!known) await saveLayer(blobs, read)
      found.set(diffId, read)
      const how = layer.unreadable ? `not read: ${layer.unreadable}` : known ? 'known already' : 'read'
      tell(`layer ${descriptor.digest.slice(0, 19)} ${how}: ${read.packages.length} packages`)
    }
  }
  const readers = Array.from({ length: Math.min(limits.layersInParallelMax, waiting.length) }, () =>
    reader().catch((error: unknown) => {
      ended.abort(error)
      throw error
    }),
  )
  // All come to rest before the first failure is told: nothing is read on behind the caller's back.
  const failed = (await Promise.allSettled(readers)).find((one) => one.status === 'rejected')
  if (failed) throw ended.signal.reason
  return found
}
