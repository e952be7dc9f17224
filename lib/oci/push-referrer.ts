/**
 * Pushes an artifact that refers to an image. The same content gives the same manifest, so doing it twice leaves one; a
 * crash between the artifact and the list of a registry without the referrers API is mended by doing it again.
 */
import { Readable } from 'node:stream'
import { LongshoreError } from '../errors.ts'
import { sha256 } from './digest.ts'
import { fallbackTag, isSubject, listReferrers, underFallbackTag } from './referrers.ts'
import { type CallOptions, type Descriptor, type Manifest, MEDIA_TYPES, type RegistryClient } from './types.ts'

/** OCI image specification, "Guidance for an Empty Descriptor". */
const EMPTY = { mediaType: 'application/vnd.oci.empty.v1+json', bytes: Buffer.from('{}') }

/** Others write the list too, and nothing locks it: after each write it is looked at again. */
const WRITES_MAX = 3

export interface Artifact {
  /** The image or index it is about, which the repository holds. */
  subject: Descriptor
  /** Of the artifact and of its one layer. */
  artifactType: string
  content: Uint8Array
  annotations?: Record<string, string>
}

/**
 * Returns the digest of the artifact's manifest, and whether it had to be pushed.
 *
 * @throws LongshoreError those of uploads; `manifest-rejected` also when the tag of the referrers is taken by something else, or
 * cannot be set
 */
export async function pushReferrer(
  client: RegistryClient,
  repository: string,
  artifact: Artifact,
  options: CallOptions = {},
): Promise<{ digest: string; pushed: boolean }> {
  const { subject, artifactType, content } = artifact
  const manifest = manifestOf(artifact)
  const known = await listReferrers(client, repository, subject.digest, [artifactType], options)
  if (known.some(({ digest }) => digest === manifest.digest)) return { digest: manifest.digest, pushed: false }
  await upload(client, repository, manifest.config!, EMPTY.bytes, options)
  await upload(client, repository, manifest.layers![0]!, content, options)
  let noted: string | undefined
  const onSubject = (digest: string) => {
    noted = digest
  }
  await client.putManifest(repository, manifest.digest, manifest, { ...options, onSubject })
  if (noted !== subject.digest) await list(client, repository, manifest, artifact, options)
  return { digest: manifest.digest, pushed: true }
}

function manifestOf({ subject, artifactType, content, annotations }: Artifact): Manifest {
  const config = { mediaType: EMPTY.mediaType, digest: sha256(EMPTY.bytes), size: EMPTY.bytes.length }
  const layer = { mediaType: artifactType, digest: sha256(content), size: content.byteLength }
  const { mediaType, digest, size } = subject
  const document = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    artifactType,
    config,
    layers: [layer],
    subject: { mediaType, digest, size },
    ...(annotations ? { annotations } : {}),
  }
  const bytes = Buffer.from(JSON.stringify(document))
  return {
    digest: sha256(bytes),
    mediaType: MEDIA_TYPES.ociManifest,
    size: bytes.length,
    bytes,
    config,
    layers: [layer],
    artifactType,
    subject: document.subject,
  }
}

async function upload(
  client: RegistryClient,
  repository: string,
  descriptor: Descriptor,
  content: Uint8Array,
  options: CallOptions,
): Promise<void> {
  if (await client.hasBlob(repository, descriptor, options)) return
  await client.upload(repository, descriptor, async () => Readable.from([Buffer.from(content)]), options)
}

/** Adds the artifact to the index under the tag of the referrers, as the specification asks of clients. */
async function list(
  client: RegistryClient,
  repository: string,
  manifest: Manifest,
  { subject, artifactType, annotations }: Artifact,
  options: CallOptions,
): Promise<void> {
  const tag = fallbackTag(subject.digest)
  const { mediaType, digest, size } = manifest
  const descriptor = { mediaType, digest, size, artifactType, ...(annotations ? { annotations } : {}) }
  for (let n = 0; n <= WRITES_MAX; n++) {
    const found = await underFallbackTag(client, repository, subject.digest, options)
    const isOfSubject = found !== undefined && isSubject(found, subject.digest)
    if (isOfSubject && n > 0)
      throw new LongshoreError(
        'manifest-rejected',
        `${client.host}/${repository}:${tag} still is ${subject.digest} itself after a list was put there: this registry has no referrers API and reads that tag as a digest, so ${digest} is stored but cannot be listed`,
      )
    const index = isOfSubject ? undefined : found
    if (index && !index.manifests)
      throw new LongshoreError(
        'manifest-rejected',
        `${client.host}/${repository}:${tag} is no index of referrers; remove that tag, then ${digest} can be listed under it`,
      )
    if (index?.manifests?.some((one) => one.digest === digest)) return
    await client.putManifest(repository, tag, withEntry(index, descriptor), options)
  }
  throw new LongshoreError(
    'upload-rejected',
    `${client.host}/${repository}:${tag} was overwritten by others ${WRITES_MAX + 1} times; ${digest} is not listed there`,
  )
}

/** Whatever else stands in the index, also fields we do not know, stays as it is. */
function withEntry(index: Manifest | undefined, descriptor: Descriptor): Manifest {
  const before = index ? (JSON.parse(Buffer.from(index.bytes).toString('utf8')) as { manifests: unknown[] }) : undefined
  const document = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociIndex,
    ...before,
    manifests: [...(before?.manifests ?? []), descriptor],
  }
  const bytes = Buffer.from(JSON.stringify(document))
  return { digest: sha256(bytes), mediaType: MEDIA_TYPES.ociIndex, size: bytes.length, bytes }
}
