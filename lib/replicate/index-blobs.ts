/**
 * What the children of an index are. The specification thinks of manifests; BuildKit before 0.21 keeps its cache in a
 * registry as an index of layers and one config of its own (moby/buildkit#2251), and registries take that. A child that
 * says it is a blob is one: read, moved and looked for as blobs are.
 */
import { type Descriptor, type Manifest, MEDIA_TYPES } from '../oci/types.ts'

/** Layers of both specifications, however compressed, those that may not be distributed too. */
const LAYER =
  /^application\/vnd\.(oci\.image\.layer\.(nondistributable\.)?v1\.tar|docker\.image\.rootfs\.(foreign\.)?diff\.tar)([.+]|$)/

const CONFIGS = new Set<string>([
  MEDIA_TYPES.ociConfig,
  MEDIA_TYPES.dockerConfig,
  'application/vnd.buildkit.cacheconfig.v0',
])

const isBlob = ({ mediaType }: Descriptor): boolean => LAYER.test(mediaType) || CONFIGS.has(mediaType)

/** The children of an index that are manifests; none of an image. */
export const childManifests = ({ manifests = [] }: Manifest): Descriptor[] =>
  manifests.filter((child) => !isBlob(child))

/** The children of an index that are blobs; none of an image. */
export const childBlobs = ({ manifests = [] }: Manifest): Descriptor[] => manifests.filter(isBlob)
