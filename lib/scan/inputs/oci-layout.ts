/**
 * An OCI image layout (https://github.com/opencontainers/image-spec/blob/main/image-layout.md), as a folder or as a tar
 * of it: what `skopeo copy ... oci:`, `buildctl --output type=oci` and `docker save` since 25 write. Everything is found
 * by its digest and verified, as from a registry.
 */
import type { Limits } from '../../config.ts'
import { LongshoreError } from '../../errors.ts'
import { readBody } from '../../net/body.ts'
import { parseManifest } from '../../oci/manifest.ts'
import type { Descriptor } from '../../oci/types.ts'
import { verified } from '../../oci/verify.ts'
import type { ImageContent } from '../target.ts'
import { type Files, readSmall } from './files.ts'
import { named, type SavedImage } from './saved.ts'

export const INDEX = 'index.json'

/** What containerd and Docker write beside the specification's own annotation, which may be the tag alone. */
const NAMES = ['io.containerd.image.name', 'org.opencontainers.image.ref.name']

/**
 * The image of this name in the layout, or its only one.
 *
 * @throws LongshoreError `invalid-value` when the layout is none or holds another number of images than one
 */
export async function openOciLayout(files: Files, name: string | undefined, limits: Limits): Promise<SavedImage> {
  const bytes = await readSmall(files, INDEX, limits.manifestBytesMax)
  const { manifests } = parseManifest(bytes, { what: `${INDEX} in ${files.name}`, limits })
  const images = new Map((manifests ?? []).map((one) => [one.digest, { digest: one.digest, names: namesOf(one) }]))
  const { digest, names } = named([...images.values()], name, files.name)
  return { image: names[0] ?? files.name, digest, content: layoutContent(files, limits) }
}

const namesOf = ({ annotations = {} }: Descriptor): string[] => [
  ...new Set(NAMES.flatMap((key) => annotations[key] ?? [])),
]

function layoutContent(files: Files, limits: Limits): ImageContent {
  const pathOf = (digest: string) => `blobs/${digest.replace(':', '/')}`
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
