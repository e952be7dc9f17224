/**
 * Manifests and indexes: size first, then JSON, then shape. Media type, Content-Type and fields must tell the same
 * story, or an attacker shows one image to the scanner and another to the runtime (CVE-2021-41190).
 */
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { isDigest, matches, sha256 } from './digest.ts'
import { type Descriptor, type Manifest, MEDIA_TYPES, type Platform } from './types.ts'

const INDEXES = new Set<string>([MEDIA_TYPES.ociIndex, MEDIA_TYPES.dockerList])
const IMAGES = new Set<string>([MEDIA_TYPES.ociManifest, MEDIA_TYPES.dockerManifest])
const SCHEMA_1 = [
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
  'application/vnd.docker.distribution.manifest.v1+json',
]

/** All six types (reference/replication.md 2.1): asking for schema 1 as well lets us say clearly that we refuse it. */
export const MANIFEST_ACCEPT = [...INDEXES, ...IMAGES, ...SCHEMA_1].join(', ')

/** Layers that are not to be distributed: only their URLs are. Never fetched (CVE-2020-15157), never pushed. */
export const isForeignLayer = (mediaType: string): boolean =>
  mediaType.includes('.nondistributable.') || mediaType.includes('.foreign.')

export const isIndexType = (mediaType: string): boolean => INDEXES.has(mediaType)

const invalid = (what: string, why: string) => new LongshoreError('manifest-invalid', `${what}: ${why}`)

/** `application/json; charset=utf-8` is `application/json`: parameters are ignored. */
export const bareType = (contentType: string | undefined): string =>
  (contentType ?? '').split(';')[0]?.trim().toLowerCase() ?? ''

export interface ParseManifest {
  /** For error messages: `host/repository@digest`. */
  what: string
  contentType?: string | undefined
  /** Checked against the bytes when the manifest was asked for by digest. */
  digest?: string | undefined
  limits: Limits
}

/** Throws `manifest-too-large`, `digest-mismatch`, `manifest-invalid` or `unsupported-media-type`. */
export function parseManifest(bytes: Uint8Array, { what, contentType, digest, limits }: ParseManifest): Manifest {
  if (bytes.byteLength > limits.manifestBytesMax) throw tooLarge(what, limits)
  const actual = sha256(bytes)
  if (digest !== undefined && !matches(bytes, digest))
    throw new LongshoreError(
      'digest-mismatch',
      `${what}: the manifest hashes to ${actual}, but ${digest} was asked for`,
    )
  const fields = jsonObject(bytes, what)
  const mediaType = agreedType(fields, bareType(contentType), what)
  const manifest: Manifest = { digest: digest ?? actual, mediaType, size: bytes.byteLength, bytes }
  if (typeof fields.artifactType === 'string') manifest.artifactType = fields.artifactType
  if (fields.subject !== undefined) manifest.subject = descriptor(fields.subject, what, 'subject')
  if (INDEXES.has(mediaType)) {
    manifest.manifests = descriptors(fields.manifests, what, 'manifests', limits.indexChildrenMax)
  } else {
    manifest.config = descriptor(fields.config, what, 'config')
    manifest.layers = descriptors(fields.layers, what, 'layers', limits.manifestLayersMax)
  }
  return manifest
}

export const tooLarge = (what: string, limits: Limits): LongshoreError =>
  new LongshoreError('manifest-too-large', `${what}: the manifest is larger than ${limits.manifestBytesMax} bytes`)

function jsonObject(bytes: Uint8Array, what: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new LongshoreError('manifest-invalid', `${what}: the manifest is not JSON`, { cause })
  }
  if (!isObject(value)) throw invalid(what, 'the manifest is not a JSON object')
  return value
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The one media type on which header, field and shape agree. */
function agreedType(fields: Record<string, unknown>, header: string, what: string): string {
  const field = fields.mediaType
  if (field !== undefined && typeof field !== 'string') throw invalid(what, 'mediaType is not a string')
  if (fields.schemaVersion === 1 || SCHEMA_1.includes(header) || (field && SCHEMA_1.includes(field)))
    throw new LongshoreError(
      'unsupported-media-type',
      `${what} is a Docker schema 1 manifest (before 2017), which registries no longer take; push the image again with a current client`,
    )
  if (fields.schemaVersion !== 2) throw invalid(what, 'schemaVersion is not 2')
  const hasChildren = fields.manifests !== undefined
  const hasLayers = fields.layers !== undefined || fields.config !== undefined
  if (hasChildren && hasLayers) throw invalid(what, 'it has both layers and manifests')
  if (!hasChildren && !hasLayers) throw invalid(what, 'it has neither layers nor manifests')
  // Registries that do not know better send a generic type; those say nothing.
  const told = ['', 'application/json', 'application/octet-stream', 'text/plain'].includes(header) ? undefined : header
  if (told && field && told !== field) throw invalid(what, `Content-Type says ${told}, but mediaType says ${field}`)
  const mediaType = told ?? field ?? (hasChildren ? MEDIA_TYPES.ociIndex : MEDIA_TYPES.ociManifest)
  if (!INDEXES.has(mediaType) && !IMAGES.has(mediaType))
    throw new LongshoreError('unsupported-media-type', `${what} has the media type ${mediaType.slice(0, 100)}`)
  if (INDEXES.has(mediaType) !== hasChildren)
    throw invalid(what, `it says it is ${mediaType} but has ${hasChildren ? 'manifests' : 'layers'}`)
  return mediaType
}

function descriptors(value: unknown, what: string, field: string, max: number): Descriptor[] {
  if (!Array.isArray(value)) throw invalid(what, `${field} is not a list`)
  if (value.length > max) throw invalid(what, `${field} has ${value.length} entries; at most ${max} are read`)
  return value.map((entry, index) => descriptor(entry, what, `${field}[${index}]`))
}

function descriptor(value: unknown, what: string, field: string): Descriptor {
  if (!isObject(value)) throw invalid(what, `${field} is not a descriptor`)
  const { mediaType, digest, size, platform, artifactType, annotations } = value
  if (typeof mediaType !== 'string' || mediaType === '') throw invalid(what, `${field} has no mediaType`)
  if (typeof digest !== 'string' || !isDigest(digest)) throw invalid(what, `${field} has no valid digest`)
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0)
    throw invalid(what, `${field} has no valid size`)
  const result: Descriptor = { mediaType, digest, size }
  if (isObject(platform)) result.platform = platformOf(platform, what, field)
  if (typeof artifactType === 'string') result.artifactType = artifactType
  if (isObject(annotations)) result.annotations = strings(annotations)
  return result
}

function platformOf(value: Record<string, unknown>, what: string, field: string): Platform {
  const { os, architecture, variant } = value
  if (typeof os !== 'string' || typeof architecture !== 'string')
    throw invalid(what, `${field} has an invalid platform`)
  return { os, architecture, ...(typeof variant === 'string' && variant !== '' && { variant }) }
}

/** Without a prototype, so that a key such as `__proto__` is only a key. */
function strings(value: Record<string, unknown>): Record<string, string> {
  const result: Record<string, string> = Object.create(null)
  for (const [key, text] of Object.entries(value)) if (typeof text === 'string') result[key] = text
  return result
}
