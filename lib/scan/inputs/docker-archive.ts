/**
 * What `docker save` writes: `manifest.json` names a config and the layers of each image. Until Docker 25 layers are
 * `<id>/layer.tar`, not compressed; since then the archive is an OCI layout as well, and is read as one.
 */
import type { Limits } from '../../config.ts'
import { LongshoreError } from '../../errors.ts'
import { sha256 } from '../../oci/digest.ts'
import { type Descriptor, type Manifest, MEDIA_TYPES } from '../../oci/types.ts'
import { showPath } from '../paths.ts'
import { type ImageContent, readConfig } from '../target.ts'
import { type Files, pathIn, readSmall } from './files.ts'
import { listOf, textOf } from './json-fields.ts'
import {
  imagesByConfig,
  isOciLayout,
  type LayoutImage,
  layoutImages,
  openLayoutImage,
  openOciLayout,
  unlessRefused,
} from './oci-layout.ts'
import { means, named, type SavedImage, shortName } from './saved.ts'

const LIST = 'manifest.json'
const LAYER_TYPE = 'application/vnd.docker.image.rootfs.diff.tar'

interface ListedImage {
  /** Paths in the archive. */
  config: string
  layers: string[]
  names: string[]
}

/**
 * The image of this name in the archive, or its only one. An archive without manifests of its own is known by the digest
 * of the config, which is what Docker calls the id of an image.
 *
 * @throws LongshoreError `invalid-value`, `digest-mismatch`, `manifest-invalid`
 */
export async function openDockerArchive(files: Files, name: string | undefined, limits: Limits): Promise<SavedImage> {
  const isLayout = isOciLayout(files)
  if (files.sizeOf(LIST) === undefined) {
    if (isLayout) return openOciLayout(files, name, limits)
    throw new LongshoreError(
      'invalid-value',
      files.sizeOf('repositories') === undefined
        ? `${files.name} is no archive of docker save: it holds no ${LIST}`
        : `${files.name} was saved by a Docker before 1.10: load it and save it again`,
    )
  }
  const listing = listedImages(files, limits)
  const candidates = isLayout ? await inEitherList(files, (await unlessRefused(listing)) ?? [], limits) : await listing
  const chosen = named<LayoutImage | ListedImage>(candidates, name, files.name)
  return 'descriptor' in chosen ? openLayoutImage(files, chosen, limits) : openListed(files, chosen, limits)
}

async function listedImages(files: Files, limits: Limits): Promise<ListedImage[]> {
  const listed = jsonOf(await readSmall(files, LIST, limits.manifestBytesMax), files.name)
  return (Array.isArray(listed) ? listed : []).slice(0, limits.indexChildrenMax).map((one: unknown) => ({
    config: pathIn(textOf(one, 'Config') ?? ''),
    names: textsOf(one, 'RepoTags'),
    layers: textsOf(one, 'Layers').map(pathIn),
  }))
}

/**
 * The images of the layout, each with the names that `manifest.json` has for it too, and those that only `manifest.json`
 * has: Docker leaves images without a tag out of the index (moby#47210, moby#51389).
 */
async function inEitherList(
  files: Files,
  listed: readonly ListedImage[],
  limits: Limits,
): Promise<(LayoutImage | ListedImage)[]> {
  const inLayout = await layoutImages(files, limits)
  const { found, refused } = await imagesByConfig(files, inLayout, limits)
  const byName = new Map(refused.flatMap((one) => namesIn(one).map((name) => [name, [one]])))
  const alike = (image: ListedImage) => namesIn(image).flatMap((name) => byName.get(name) ?? [])
  const others: ListedImage[] = []
  for (const image of listed) {
    const same = found.get(await configDigest(files, image, limits)) ?? alike(image)
    if (same.length > 0) {
      const known = same.flatMap(({ names }) => names)
      same[0]!.names.push(...image.names.filter((name) => !known.some((full) => means(name, full))))
    } else if (files.sizeOf(image.config) !== undefined) others.push(image)
  }
  return [...inLayout, ...others]
}

/** What the list calls a config, or what it hashes to where that is no hash. Empty when there is none to read. */
async function configDigest(files: Files, { config }: ListedImage, limits: Limits): Promise<string> {
  const told = hashIn(config)
  if (told !== undefined) return `sha256:${told}`
  const bytes = await unlessRefused(readSmall(files, config, limits.manifestBytesMax))
  return bytes ? sha256(bytes) : ''
}

/** All that is known of an image whose manifest is refused. Without a name it is like another one without. */
const namesIn = ({ names }: { names: string[] }) => (names.length > 0 ? names.map(shortName) : [''])

async function openListed(files: Files, image: ListedImage, limits: Limits): Promise<SavedImage> {
  const { config, names, layers } = image
  const bytes = await readSmall(files, config, limits.manifestBytesMax)
  const digest = sha256(bytes)
  const told = hashIn(config)
  if (told !== undefined && digest !== `sha256:${told}`)
    throw new LongshoreError('digest-mismatch', `${showPath(config)} in ${files.name} hashes to ${digest}`)
  const { diffIds } = readConfig(bytes, files.name)
  if (diffIds.length !== layers.length || layers.length > limits.manifestLayersMax)
    throw new LongshoreError(
      'manifest-invalid',
      `${files.name} has ${layers.length} layers, but the config names ${diffIds.length} diffIDs`,
    )
  const content = archiveContent(
    files,
    bytes,
    digest,
    diffIds.map((diffId, i) => [diffId, layers[i]!]),
  )
  return { image: names[0] ?? files.name, digest, content }
}

/** What a config is called by; an archive may call it anything. */
const hashIn = (path: string): string | undefined => /(?:^|\/)(?:sha256:)?([0-9a-f]{64})(?:\.json)?$/.exec(path)?.[1]

const textsOf = (value: unknown, key: string): string[] =>
  listOf(value, key).filter((one): one is string => typeof one === 'string')

function jsonOf(bytes: Buffer, where: string): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw new LongshoreError('invalid-value', `${LIST} in ${where} is not JSON`, { cause })
  }
}

/** As a manifest whose layers are known by their diffIDs, which the reader of layers verifies. */
function archiveContent(
  files: Files,
  config: Buffer,
  digest: string,
  layers: [diffId: string, path: string][],
): ImageContent {
  const descriptorOf = ([diffId, path]: [string, string]): Descriptor => {
    const size = files.sizeOf(path)
    if (size === undefined) throw new LongshoreError('source-gone', `${files.name} does not hold ${showPath(path)}`)
    return { mediaType: LAYER_TYPE, digest: diffId, size }
  }
  const paths = new Map(layers)
  return {
    host: files.name,
    async manifest(): Promise<Manifest> {
      return {
        digest,
        mediaType: MEDIA_TYPES.dockerManifest,
        size: 0,
        bytes: new Uint8Array(),
        config: { mediaType: MEDIA_TYPES.dockerConfig, digest, size: config.length },
        layers: layers.map(descriptorOf),
      }
    },
    blobBytes: async () => new Uint8Array(config),
    blob: async (_, { digest: diffId }) => files.open(paths.get(diffId)!),
  }
}
