/** What is to be scanned: from the pinned digest to one platform's manifest, its config and its layers. */
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { isDigest } from '../oci/digest.ts'
import { isForeignLayer } from '../oci/manifest.ts'
import { type Descriptor, type Manifest, MEDIA_TYPES, type Platform, type RegistryClient } from '../oci/types.ts'
import { choosePlatform, DEFAULT_PLATFORM, fits, formatPlatform, platformNotFound } from './platform.ts'

export interface ImageLayer {
  descriptor: Descriptor
  diffId: string
  /** Why the layer is not read: its content is elsewhere or not a tar archive. */
  unreadable?: string
}

/** An artifact is whatever a registry stores that is no container image: charts, signatures, SBOMs. */
export type Subject =
  | { kind: 'image'; digest: string; platform: string; layers: ImageLayer[] }
  | { kind: 'artifact'; digest: string; what: string }

/** Where an image is read from: a registry, or a file that holds the same. All that comes from it is verified. */
export type ImageContent = Pick<RegistryClient, 'host' | 'manifest' | 'blob' | 'blobBytes'>

interface Reading {
  client: ImageContent
  repository: string
  limits: Limits
  signal: AbortSignal
}

const CONFIGS: ReadonlySet<string> = new Set([MEDIA_TYPES.ociConfig, MEDIA_TYPES.dockerConfig])
const TAR = /[.+]tar(?:[.+](?:gzip|zstd))?$/

/**
 * Reads manifest and config of the image to scan. `asked` is undefined when no platform was named: then an index gives
 * linux/amd64 and a single image is taken as it is.
 *
 * @throws LongshoreError `platform-not-found`, `manifest-invalid`, and those of the registry client
 */
export async function findSubject(digest: string, asked: Platform | undefined, reading: Reading): Promise<Subject> {
  return descend(digest, asked, asked ?? DEFAULT_PLATFORM, reading, 0)
}

async function descend(
  digest: string,
  asked: Platform | undefined,
  wanted: Platform,
  reading: Reading,
  depth: number,
): Promise<Subject> {
  const { client, repository, limits, signal } = reading
  if (depth > limits.indexDepthMax)
    throw new LongshoreError(
      'manifest-invalid',
      `the index ${digest} is nested deeper than ${limits.indexDepthMax} (limit indexDepthMax)`,
    )
  const manifest = await client.manifest(repository, digest, { signal })
  const what = `${client.host}/${repository}@${digest}`
  if (!manifest.manifests) return readImage(manifest, asked, reading, what)
  if (manifest.artifactType) return { kind: 'artifact', digest, what: manifest.artifactType }
  const there: string[] = []
  // Children that do not tell their platform are looked into, in order.
  const candidates = choosePlatform(manifest.manifests, wanted, what)
  for (const child of candidates) {
    try {
      return await descend(child.digest, wanted, wanted, reading, depth + 1)
    } catch (error) {
      if (!(error instanceof LongshoreError) || error.code !== 'platform-not-found' || child.platform) throw error
      there.push(child.digest)
    }
  }
  throw platformNotFound(there, wanted, what)
}

async function readImage(
  manifest: Manifest,
  asked: Platform | undefined,
  reading: Reading,
  what: string,
): Promise<Subject> {
  const { digest, config, layers = [] } = manifest
  const artifact = manifest.artifactType ?? (config && !CONFIGS.has(config.mediaType) ? config.mediaType : undefined)
  if (!config || artifact) return { kind: 'artifact', digest, what: artifact ?? 'a manifest without a config' }
  // Attestations borrow the config type of images; their layers give them away.
  if (layers.length > 0 && layers.every((layer) => !isTar(layer.mediaType) && !isEncrypted(layer.mediaType)))
    return { kind: 'artifact', digest, what: layers[0]!.mediaType }
  const bytes = await reading.client.blobBytes(reading.repository, config, {
    signal: reading.signal,
    bytesMax: reading.limits.manifestBytesMax,
  })
  const { platform, diffIds } = readConfig(bytes, what)
  if (asked && !fits(platform, asked)) throw platformNotFound([formatPlatform(platform)], asked, what)
  if (diffIds.length !== layers.length)
    throw new LongshoreError(
      'manifest-invalid',
      `${what} has ${layers.length} layers, but its config names ${diffIds.length} diffIDs`,
    )
  return {
    kind: 'image',
    digest,
    platform: formatPlatform(platform),
    layers: layers.map((descriptor, i) => ({ descriptor, diffId: diffIds[i]!, ...unreadable(descriptor.mediaType) })),
  }
}

const isTar = (mediaType: string) => TAR.test(mediaType) || isForeignLayer(mediaType)
const isEncrypted = (mediaType: string) => mediaType.endsWith('+encrypted')

function unreadable(mediaType: string): { unreadable?: string } {
  if (isForeignLayer(mediaType)) return { unreadable: 'it may not be distributed and is not in the registry' }
  if (isEncrypted(mediaType)) return { unreadable: 'it is encrypted' }
  return isTar(mediaType) ? {} : { unreadable: `its media type ${mediaType.slice(0, 100)} is no tar archive` }
}

/** The parts of an image config (OCI image-spec, config.md) a scan needs. */
export function readConfig(bytes: Uint8Array, what: string): { platform: Platform; diffIds: string[] } {
  const invalid = (why: string) => new LongshoreError('manifest-invalid', `the config of ${what} ${why}`)
  let config: Record<string, unknown>
  try {
    config = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch (cause) {
    throw new LongshoreError('manifest-invalid', `the config of ${what} is not JSON`, { cause })
  }
  if (typeof config !== 'object' || config === null) throw invalid('is not a JSON object')
  const { os, architecture, variant, rootfs } = config
  const diffIds = (rootfs as { diff_ids?: unknown } | null | undefined)?.diff_ids ?? []
  if (!Array.isArray(diffIds) || !diffIds.every((id) => typeof id === 'string' && isDigest(id)))
    throw invalid('names diffIDs that are no digests')
  const platform: Platform = { os: text(os), architecture: text(architecture) }
  if (text(variant) !== '') platform.variant = text(variant)
  return { platform, diffIds }
}

/** Old images leave these fields out. */
const text = (value: unknown) => (typeof value === 'string' ? value.slice(0, 64) : '')
