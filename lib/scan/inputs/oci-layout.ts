/**
 * An OCI image layout (https://github.com/opencontainers/image-spec/blob/main/image-layout.md), as a folder or as a tar
 * of it: what `skopeo copy ... oci:`, `buildctl --output type=oci` and `docker save` since 25 write. Everything is found
 * by its digest and verified, as from a registry.
 */
import type { Limits } from '../../config.ts'
import { LongshoreError } from '../../errors.ts'
import { readBody } from '../../net/body.ts'
import { parseManifest } from '../../oci/manifest.ts'
import { type Descriptor, MEDIA_TYPES } from '../../oci/types.ts'
import { verified } from '../../oci/verify.ts'
import type { ImageContent } from '../target.ts'
import { type Files, readSmall } from './files.ts'
import { own } from './json-fields.ts'
import { named, type SavedImage } from './saved.ts'

const INDEX = 'index.json'

/** What containerd and Docker write beside the specification's own annotation, which may be the tag alone. */
const NAMES = ['io.containerd.image.name', 'org.opencontainers.image.ref.name']

export const isOciLayout = (files: Files): boolean =>
  files.sizeOf(INDEX) !== undefined && files.sizeOf('oci-layout') !== undefined

export interface LayoutImage {
  descriptor: Descriptor
  names: string[]
}

/**
 * The image of this name in the layout, or its only one.
 *
 * @throws LongshoreError `invalid-value` when the layout is none or holds another number of images than one
 */
export async function openOciLayout(files: Files, name: string | undefined, limits: Limits): Promise<SavedImage> {
  return openLayoutImage(files, named(await layoutImages(files, limits), name, files.name), limits)
}

export function openLayoutImage(files: Files, { descriptor, names }: LayoutImage, limits: Limits): SavedImage {
  return { image: names[0] ?? files.name, digest: descriptor.digest, content: layoutContent(files, limits) }
}

/** What the index names. An image that was saved under several tags stands there once for each. */
export async function layoutImages(files: Files, limits: Limits): Promise<LayoutImage[]> {
  const bytes = await readSmall(files, INDEX, limits.manifestBytesMax)
  if (hasNullForList(bytes)) return []
  const { manifests = [] } = parseManifest(bytes, { what: `${INDEX} in ${files.name}`, limits })
  const images = new Map<string, LayoutImage>()
  for (const descriptor of manifests) {
    const names = [...(images.get(descriptor.digest)?.names ?? []), ...namesOf(descriptor)]
    images.set(descriptor.digest, { descriptor, names: [...new Set(names)] })
  }
  return [...images.values()]
}

/** The first Docker 25 wrote null when it had nothing to list (moby#47210). */
function hasNullForList(bytes: Buffer): boolean {
  try {
    return own(JSON.parse(bytes.toString('utf8')), 'manifests') === null
  } catch {
    return false
  }
}

const namesOf = ({ annotations = {} }: Descriptor): string[] => NAMES.flatMap((key) => annotations[key] || [])

const { ociIndex, ociManifest, dockerList, dockerManifest } = MEDIA_TYPES
const MANIFESTS = new Set<string>([ociIndex, ociManifest, dockerList, dockerManifest])

/** Which images of a layout have which config. */
export interface ByConfig {
  found: Map<string, LayoutImage[]>
  /** Those with a manifest that is refused; the one who reads such an image is told why. */
  refused: LayoutImage[]
}

/**
 * The images by the digests of their configs; an index has one for each of its platforms that is there. Of an archive with
 * more manifests than `indexChildrenMax` some are left out.
 */
export async function imagesByConfig(files: Files, images: readonly LayoutImage[], limits: Limits): Promise<ByConfig> {
  const content = layoutContent(files, limits)
  const found = new Map<string, LayoutImage[]>()
  const refused = new Set<LayoutImage>()
  let left = limits.indexChildrenMax
  for (const image of images) {
    const seen = new Set<string>()
    const waiting = [image.descriptor]
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const { digest, mediaType } = next
      if (seen.has(digest) || !MANIFESTS.has(mediaType) || files.sizeOf(pathOf(digest)) === undefined) continue
      if (left-- <= 0) return { found, refused: [...refused] }
      seen.add(digest)
      const manifest = await unlessRefused(content.manifest('', digest))
      if (!manifest) refused.add(image)
      waiting.push(...(manifest?.manifests ?? []))
      const config = manifest?.config?.digest
      if (config) found.set(config, [...(found.get(config) ?? []), image])
    }
  }
  return { found, refused: [...refused] }
}

/** Undefined for what nobody may ask for, and what is refused again when somebody does. */
export async function unlessRefused<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof LongshoreError) return undefined
    throw error
  }
}

const pathOf = (digest: string) => `blobs/${digest.replace(':', '/')}`

function layoutContent(files: Files, limits: Limits): ImageContent {
  const blob: ImageContent['blob'] = async (_, descriptor) => {
    const what = `the blob ${descriptor.digest} in ${files.name}`
    const path = pathOf(descriptor.digest)
    const size = files.sizeOf(path)
    if (size === undefined) throw new LongshoreError('source-gone', `${files.name} does not hold ${descriptor.digest}`)
    if (size !== descriptor.size)
      throw new LongshoreError('size-mismatch', `${what} has ${size} bytes, but ${descriptor.size} are told`)
    return verified(files.open(path), descriptor, what)
  }
  return {
    host: files.name,
    blob,
    async manifest(_, digest) {
      const path = pathOf(digest)
      if (files.sizeOf(path) === undefined)
        throw new LongshoreError('source-gone', `${files.name} does not hold the manifest ${digest}`)
      const bytes = await readSmall(files, path, limits.manifestBytesMax)
      return parseManifest(bytes, { what: `${files.name}@${digest}`, digest, limits })
    },
    async blobBytes(repository, descriptor, { bytesMax = limits.manifestBytesMax } = {}) {
      const what = `the blob ${descriptor.digest} in ${files.name}`
      if (descriptor.size > bytesMax)
        throw new LongshoreError(
          'manifest-invalid',
          `${what} has ${descriptor.size} bytes; at most ${bytesMax} are read`,
        )
      return new Uint8Array(await readBody(await blob(repository, descriptor), bytesMax, what))
    },
  }
}
