/**
 * Real images from code: tar, gzip or zstd layers, configs, manifests, indexes, and their push over HTTP. The same
 * input gives the same bytes on every machine. Used by the demo and by tests.
 *
 * @example
 * const app = layer([{ path: 'app/package.json', content: '{"name":"a","version":"1.0.0"}' }])
 * await push(registry.url, 'team/app', '1.0', image({ layers: [app] }))
 */
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import type { Descriptor, Platform } from '../../oci/types.ts'
import { MEDIA_TYPES } from '../../oci/types.ts'
import { type TarEntry, tarOf } from './tar.ts'
import { zstdFrame } from './zstd.ts'

export { type TarEntry, tarOf } from './tar.ts'
export { zstdFrame } from './zstd.ts'

/** Content with the descriptor that names it. */
export interface BuiltBlob {
  bytes: Uint8Array
  descriptor: Descriptor
}

export interface BuiltLayer extends BuiltBlob {
  /** Digest of the uncompressed tar. */
  diffId: string
}

export interface BuiltImage {
  kind: 'image'
  /** What is pushed as the manifest, byte for byte; its descriptor carries the platform. */
  manifest: BuiltBlob
  config: BuiltBlob
  layers: BuiltLayer[]
}

export interface BuiltIndex {
  kind: 'index'
  manifest: BuiltBlob
  children: (BuiltImage | BuiltIndex)[]
}

/** `docker`: the media types of Docker image manifest version 2, schema 2. */
export type Flavour = 'oci' | 'docker'
export type Compression = 'gzip' | 'zstd' | 'none'

export const sha256 = (bytes: Uint8Array | string): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`

export function blob(mediaType: string, content: Uint8Array | string): BuiltBlob {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  return { bytes, descriptor: { mediaType, digest: sha256(bytes), size: bytes.length } }
}

/** A layer of these entries, or of a tar as it is. `gzip` replaces zlib, for bytes that depend on no zlib version. */
export function layer(
  entries: readonly TarEntry[] | Uint8Array,
  options: { compression?: Compression; flavour?: Flavour; gzip?: (tar: Uint8Array) => Uint8Array } = {},
): BuiltLayer {
  const tar = entries instanceof Uint8Array ? entries : tarOf(entries)
  const compression = options.compression ?? 'gzip'
  const bytes =
    compression === 'gzip' ? (options.gzip ?? portableGzip)(tar) : compression === 'zstd' ? zstdFrame(tar) : tar
  return { ...blob(layerType(compression, options.flavour ?? 'oci'), bytes), diffId: sha256(tar) }
}

function layerType(compression: Compression, flavour: Flavour): string {
  const suffix = compression === 'none' ? '' : compression
  if (flavour === 'docker') return `application/vnd.docker.image.rootfs.diff.tar${suffix ? `.${suffix}` : ''}`
  return `application/vnd.oci.image.layer.v1.tar${suffix ? `+${suffix}` : ''}`
}

/** Node writes the operating system into byte 9 of the gzip header; 255 (unknown, RFC 1952) is the same everywhere. */
function portableGzip(tar: Uint8Array): Uint8Array {
  const bytes = gzipSync(tar)
  bytes[9] = 255
  return bytes
}

export interface ImageOptions {
  layers: BuiltLayer[]
  /** Default linux/amd64. */
  platform?: Platform
  /** Merged into the config document, e.g. `{ config: { Cmd: ['sh'] } }`. */
  config?: Record<string, unknown>
  /** Merged into the manifest last, e.g. annotations, subject, artifactType; may break it on purpose. */
  manifest?: Record<string, unknown>
  flavour?: Flavour
}

export function image(options: ImageOptions): BuiltImage {
  const { layers, platform = { os: 'linux', architecture: 'amd64' }, flavour = 'oci' } = options
  const types =
    flavour === 'oci' ? MEDIA_TYPES : { ociConfig: MEDIA_TYPES.dockerConfig, ociManifest: MEDIA_TYPES.dockerManifest }
  const config = json(types.ociConfig, {
    created: '2024-01-01T00:00:00Z',
    ...platform,
    config: {},
    rootfs: { type: 'layers', diff_ids: layers.map((l) => l.diffId) },
    history: layers.map((_, i) => ({ created: '2024-01-01T00:00:00Z', created_by: `layer ${i}` })),
    ...options.config,
  })
  const manifest = json(types.ociManifest, {
    schemaVersion: 2,
    mediaType: types.ociManifest,
    config: config.descriptor,
    layers: layers.map((l) => l.descriptor),
    ...options.manifest,
  })
  manifest.descriptor.platform = platform
  return { kind: 'image', manifest, config, layers }
}

export function index(
  children: (BuiltImage | BuiltIndex)[],
  options: { flavour?: Flavour; manifest?: Record<string, unknown> } = {},
): BuiltIndex {
  const mediaType = options.flavour === 'docker' ? MEDIA_TYPES.dockerList : MEDIA_TYPES.ociIndex
  const manifests = children.map((c) => c.manifest.descriptor)
  return {
    kind: 'index',
    manifest: json(mediaType, { schemaVersion: 2, mediaType, manifests, ...options.manifest }),
    children,
  }
}

const json = (mediaType: string, document: unknown) => blob(mediaType, JSON.stringify(document))
