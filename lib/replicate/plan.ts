/**
 * What has to be at the target before the tag may name it: every manifest below the root, and every blob below those.
 * Nothing is written here.
 */
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { sha256 } from '../oci/digest.ts'
import { isForeignLayer, isIndexType } from '../oci/manifest.ts'
import type { CallOptions, Descriptor, Manifest, Platform, RegistryClient } from '../oci/types.ts'
import { childBlobs, childManifests } from './index-blobs.ts'
import { eachInParallel } from './parallel.ts'
import { filterIndex, formatPlatform, platformMatches } from './platforms.ts'

export interface Plan {
  /** The manifest the tag will name. */
  root: Manifest
  /** The manifests below the root, children before the indexes that name them, each once. */
  children: Manifest[]
  /** Configs, layers and what indexes name of blobs, each digest once, largest first: the longest stream starts first. */
  blobs: Descriptor[]
  /** Layers that live at their own URLs: never fetched and never pushed. */
  foreign: number
}

/**
 * Reads the root by its pinned digest. With platforms, an index is cut down to them and a single image must match. It is
 * named by its SHA-256, whatever it was pinned by: that is what registries tell of a tag.
 */
export async function readRoot(
  source: RegistryClient,
  repository: string,
  digest: string,
  platforms: readonly Platform[],
  options: CallOptions,
): Promise<Manifest> {
  const pinned = await source.manifest(repository, digest, options)
  const root = { ...pinned, digest: sha256(pinned.bytes) }
  if (platforms.length === 0) return root
  const what = `${source.host}/${repository}@${digest}`
  if (root.manifests) return filterIndex(root, platforms, what)
  const platform = root.config && platformOf(await source.blobBytes(repository, root.config, options))
  if (platform && platforms.some((wish) => platformMatches(wish, platform))) return root
  throw new LongshoreError(
    'platform-not-found',
    `${what} is an image for ${platform ? formatPlatform(platform) : 'no platform that it tells'}, not for ${platforms.map(formatPlatform).join(', ')}`,
    { side: 'source' },
  )
}

function platformOf(config: Uint8Array): Platform | undefined {
  try {
    const { os, architecture, variant } = JSON.parse(new TextDecoder().decode(config)) as Partial<Platform>
    return os && architecture ? { os, architecture, ...(variant && { variant }) } : undefined
  } catch {
    return undefined
  }
}

/**
 * Walks from the root to the blobs, a level at a time. A digest is read once, so that an index naming itself or a
 * shared child ends; depth, and number and bytes of all manifests, are limited. Throws `manifest-invalid`.
 */
export async function planCopy(
  source: RegistryClient,
  repository: string,
  root: Manifest,
  limits: Limits,
  options: CallOptions,
): Promise<Plan> {
  const what = `${source.host}/${repository}@${root.digest}`
  const seen = new Set([root.digest])
  const levels: Manifest[][] = [[root]]
  let bytes = root.size
  for (let level = levels[0] ?? []; level.length > 0; ) {
    const wanted = newChildren(level, seen)
    bytes += wanted.reduce((sum, { size }) => sum + size, 0)
    checkExtent(what, { depth: wanted.length > 0 ? levels.length : 0, manifests: seen.size, bytes }, limits)
    const children: Manifest[] = []
    await eachInParallel(wanted, limits.blobsInParallelMax, options.signal, async (child, signal) => {
      const manifest = await source.manifest(repository, child.digest, { ...options, signal })
      if (manifest.size !== child.size)
        throw new LongshoreError(
          'size-mismatch',
          `${what}: its child ${child.digest} has ${manifest.size} bytes, the index tells ${child.size}`,
        )
      children.push(manifest)
    })
    level = children
    if (children.length > 0) levels.push(children)
  }
  const manifests = levels.flat()
  return { root, children: deepestFirst(levels), ...blobsOf(manifests) }
}

/** `bytes` by what the indexes tell, so that nothing is read in vain; a child of another size ends the plan. */
function checkExtent(what: string, extent: { depth: number; manifests: number; bytes: number }, limits: Limits): void {
  const { depth, manifests, bytes } = extent
  if (depth > limits.indexDepthMax)
    throw new LongshoreError('manifest-invalid', `${what}: indexes are nested deeper than ${limits.indexDepthMax}`)
  if (manifests > limits.indexChildrenMax)
    throw new LongshoreError('manifest-invalid', `${what} leads to more than ${limits.indexChildrenMax} manifests`)
  if (bytes > limits.planBytesMax)
    throw new LongshoreError(
      'manifest-invalid',
      `${what} leads to ${bytes} bytes of manifests; at most ${limits.planBytesMax} are held (LONGSHORE_PLAN_BYTES_MAX)`,
    )
}

function newChildren(level: readonly Manifest[], seen: Set<string>): Descriptor[] {
  const wanted: Descriptor[] = []
  for (const child of level.flatMap(childManifests)) {
    if (seen.has(child.digest)) continue
    seen.add(child.digest)
    wanted.push(child)
  }
  return wanted
}

/**
 * A manifest found on one level may be named again by an index further down (it is read once, at its first level);
 * so images go before indexes, and indexes from the deepest level up after what they name.
 */
function deepestFirst(levels: readonly Manifest[][]): Manifest[] {
  const below = levels.slice(1).reverse().flat()
  const images = below.filter((manifest) => !isIndexType(manifest.mediaType))
  const indexes = below.filter((manifest) => isIndexType(manifest.mediaType))
  const placed = new Set(images.map((manifest) => manifest.digest))
  const ordered: Manifest[] = []
  // Each round places at least one index, because digests cannot form a circle; depth limits keep this small.
  for (let left = indexes; left.length > 0; ) {
    const ready = left.filter((index) => childManifests(index).every((child) => placed.has(child.digest)))
    for (const index of ready.length > 0 ? ready : left) {
      placed.add(index.digest)
      ordered.push(index)
    }
    left = left.filter((index) => !placed.has(index.digest))
  }
  return [...images, ...ordered]
}

function blobsOf(manifests: readonly Manifest[]): { blobs: Descriptor[]; foreign: number } {
  const blobs = new Map<string, Descriptor>()
  const foreign = new Set<string>()
  for (const manifest of manifests)
    for (const blob of [...blobsOfImage(manifest), ...childBlobs(manifest)]) {
      if (isForeignLayer(blob.mediaType)) foreign.add(blob.digest)
      else blobs.set(blob.digest, blob)
    }
  return { blobs: [...blobs.values()].sort((a, b) => b.size - a.size), foreign: foreign.size }
}

const blobsOfImage = ({ config, layers = [] }: Manifest): Descriptor[] => (config ? [config, ...layers] : layers)
