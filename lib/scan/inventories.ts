/**
 * Inventories as they are kept: content-addressed by what was analysed and how, gzipped JSON. Written at least once;
 * equal inputs give equal inventories, so a second write changes nothing.
 */
import { createHash } from 'node:crypto'
import { gunzipSync, gzipSync } from 'node:zlib'
import type { BlobStore } from '../blobs/port.ts'
import type { ExceptionRule } from './exceptions/model.ts'
import { ANALYZER_VERSION, type ImageInventory, type LayerInventory } from './model.ts'

/** 200,000 packages are about 60 MB of JSON; an inventory of our own is never larger. */
const INVENTORY_BYTES_MAX = 268_435_456

const keyOf = (folder: string, ...parts: string[]) =>
  `inventories/${folder}/${createHash('sha256').update(parts.join('\n')).digest('hex')}`

export const layerKey = (diffId: string) => `${keyOf('layers', diffId, String(ANALYZER_VERSION))}.json.gz`

/** `digest` of the platform manifest. */
export const imageKey = (digest: string) => `${keyOf('images', digest, String(ANALYZER_VERSION))}.json.gz`

/** Which platform manifest a digest and a requested platform came to; `platform` is empty when none was asked for. */
const choiceKey = (digest: string, platform: string) => `${keyOf('choices', digest, platform)}.json`

async function load<T>(blobs: BlobStore, key: string): Promise<T | undefined> {
  const bytes = await blobs.get(key)
  if (!bytes) return undefined
  try {
    const text = key.endsWith('.gz') ? gunzipSync(bytes, { maxOutputLength: INVENTORY_BYTES_MAX }) : bytes
    return JSON.parse(Buffer.from(text).toString('utf8')) as T
  } catch {
    // Whatever damaged it, reading the layer again mends it.
    return undefined
  }
}

const save = (blobs: BlobStore, key: string, value: unknown) =>
  blobs.put(key, gzipSync(JSON.stringify(value)), { contentType: 'application/gzip' })

export async function loadLayer(blobs: BlobStore, diffId: string): Promise<LayerInventory | undefined> {
  const layer = await load<LayerInventory>(blobs, layerKey(diffId))
  return layer?.diffId === diffId && layer.analyzer === ANALYZER_VERSION ? layer : undefined
}

/** Only for an inventory whose diffID was verified. */
export const saveLayer = (blobs: BlobStore, layer: LayerInventory) => save(blobs, layerKey(layer.diffId), layer)

/** The inventory of a digest that was scanned before for this platform: nothing has to be asked of the registry. */
export async function loadImage(
  blobs: BlobStore,
  digest: string,
  platform: string,
): Promise<ImageInventory | undefined> {
  const choice = await load<{ digest: string }>(blobs, choiceKey(digest, platform))
  return choice ? loadImageByDigest(blobs, choice.digest) : undefined
}

/** The same by the digest of the platform manifest itself. */
export async function loadImageByDigest(blobs: BlobStore, digest: string): Promise<ImageInventory | undefined> {
  const image = await load<ImageInventory>(blobs, imageKey(digest))
  return image?.digest === digest && image.analyzer === ANALYZER_VERSION ? image : undefined
}

/** The inventory first: a choice never points at nothing. */
export async function saveImage(
  blobs: BlobStore,
  inventory: ImageInventory,
  pinned: { digest: string; platform: string },
): Promise<void> {
  await save(blobs, imageKey(inventory.digest), inventory)
  await blobs.put(choiceKey(pinned.digest, pinned.platform), JSON.stringify({ digest: inventory.digest }), {
    contentType: 'application/json',
  })
}

/** What VEX documents beside an image say, by tenant: another one's registry has no say in it. */
const vexKey = (tenant: string, digest: string) => `${keyOf('vex', tenant, digest)}.json.gz`

export const saveVex = (blobs: BlobStore, tenant: string, digest: string, rules: readonly ExceptionRule[]) =>
  save(blobs, vexKey(tenant, digest), rules)

/** Empty when no scan of the image has looked for any. */
export const loadVex = async (blobs: BlobStore, tenant: string, digest: string): Promise<ExceptionRule[]> =>
  (await load<ExceptionRule[]>(blobs, vexKey(tenant, digest))) ?? []
