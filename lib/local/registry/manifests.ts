/** Manifests by tag and digest, and the referrers of a manifest. */
import { type Answer, jsonAnswer, type OciCode, RegistryProblem } from './answer.ts'
import { bodyOf, type Call, digestOf, hashLike } from './call.ts'

/** OCI distribution, "Pushing Manifests": a registry should accept 4 MiB and answer 413 beyond its limit. */
const MANIFEST_BYTES_MAX = 4_194_304
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

const INDEX_TYPES = new Set([
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
])
const MANIFEST_TYPES = new Set([
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
])

interface Descriptor {
  mediaType?: string
  digest: string
  size?: number
  urls?: string[]
}
interface ManifestDocument {
  schemaVersion?: number
  mediaType?: string
  artifactType?: string
  annotations?: Record<string, string>
  config?: Descriptor
  layers?: Descriptor[]
  manifests?: Descriptor[]
  subject?: Descriptor
}

/** `referrers`: whether subjects are taken note of. */
export async function manifestRoute(call: Call, reference: string, referrers: boolean): Promise<Answer> {
  if (!reference.includes(':') && !TAG.test(reference))
    throw new RegistryProblem('TAG_INVALID', `"${reference}" is not a tag`)
  if (reference.includes(':')) digestOf(reference)
  switch (call.method) {
    case 'GET':
    case 'HEAD':
      return read(call, reference)
    case 'PUT':
      return put(call, reference, referrers)
    case 'DELETE':
      return remove(call, reference)
    default:
      throw new RegistryProblem('UNSUPPORTED', `${call.method} is not possible on a manifest`)
  }
}

const unknown = (reference: string) =>
  new RegistryProblem('MANIFEST_UNKNOWN', 'the repository does not know this manifest', { details: [{ reference }] })

async function read(call: Call, reference: string): Promise<Answer> {
  const manifest = await call.store.manifest(call.repository, reference)
  if (!manifest) throw unknown(reference)
  const headers = {
    'content-type': manifest.mediaType,
    'content-length': manifest.bytes.length,
    'docker-content-digest': manifest.digest,
    etag: `"${manifest.digest}"`,
  }
  return { status: 200, headers, body: call.method === 'HEAD' ? undefined : manifest.bytes }
}

async function remove(call: Call, reference: string): Promise<Answer> {
  const done = reference.includes(':')
    ? await call.store.removeManifest(call.repository, reference)
    : call.store.removeTag(call.repository, reference)
  if (!done) throw unknown(reference)
  return { status: 202, headers: { 'content-length': 0 } }
}

async function put(call: Call, reference: string, referrers: boolean): Promise<Answer> {
  const bytes = await bodyOf(call.request, MANIFEST_BYTES_MAX)
  const mediaType = (call.request.headers['content-type'] ?? '').split(';')[0]?.trim() ?? ''
  const document = documentOf(bytes, mediaType)
  const digest = hashLike(reference, bytes)
  if (reference.includes(':') && digest !== reference)
    throw new RegistryProblem('DIGEST_INVALID', 'the manifest does not match the digest it was put under', {
      details: [{ expected: reference, got: digest }],
    })
  const missing = await missingOf(call, document)
  if (missing.length > 0)
    throw new RegistryProblem('MANIFEST_BLOB_UNKNOWN', 'the manifest names content the repository does not know', {
      details: missing.map((m) => ({ digest: m })),
    })
  await call.store.putManifest(
    call.repository,
    { digest, mediaType, bytes },
    reference.includes(':') ? undefined : reference,
  )
  const headers: Record<string, string | number> = {
    location: `/v2/${call.repository}/manifests/${digest}`,
    'docker-content-digest': digest,
    'content-length': 0,
  }
  if (document.subject && referrers) headers['oci-subject'] = document.subject.digest
  return { status: 201, headers }
}

function documentOf(bytes: Buffer, mediaType: string): ManifestDocument {
  const invalid = (why: string, code: OciCode = 'MANIFEST_INVALID') => new RegistryProblem(code, why)
  if (!INDEX_TYPES.has(mediaType) && !MANIFEST_TYPES.has(mediaType))
    throw invalid(`"${mediaType}" is not a manifest media type this registry takes`)
  let document: ManifestDocument
  try {
    document = JSON.parse(bytes.toString('utf8'))
  } catch {
    throw invalid('the manifest is not JSON')
  }
  if (document === null || typeof document !== 'object' || document.schemaVersion !== 2)
    throw invalid('schemaVersion must be 2')
  if (document.mediaType !== undefined && document.mediaType !== mediaType)
    throw invalid(`mediaType is "${document.mediaType}" but Content-Type is "${mediaType}"`)
  const isIndex = INDEX_TYPES.has(mediaType)
  if (isIndex ? !Array.isArray(document.manifests) : !document.config || !Array.isArray(document.layers))
    throw invalid(isIndex ? 'an index needs "manifests"' : 'a manifest needs "config" and "layers"')
  for (const d of descriptorsOf(document)) digestOf(String(d?.digest))
  if (document.subject) digestOf(String(document.subject.digest))
  return document
}

const descriptorsOf = (d: ManifestDocument) => [
  ...(d.config ? [d.config] : []),
  ...(d.layers ?? []),
  ...(d.manifests ?? []),
]

/** Digests the manifest needs and the repository lacks. A `subject` may come later (distribution specification). */
async function missingOf(call: Call, document: ManifestDocument): Promise<string[]> {
  const missing = []
  // A build cache is an index of blobs, which registries take.
  for (const d of document.manifests ?? [])
    if (call.store.resolve(call.repository, d.digest) === undefined && !call.store.hasBlob(call.repository, d.digest))
      missing.push(d.digest)
  // Layers with urls ("foreign") are fetched elsewhere.
  for (const d of [...(document.config ? [document.config] : []), ...(document.layers ?? [])])
    if (!d.urls?.length && !call.store.hasBlob(call.repository, d.digest)) missing.push(d.digest)
  return missing
}

/** `GET referrers/<digest>`: an index of the manifests whose subject it is; empty when there are none. */
export async function referrersRoute(call: Call, subject: string): Promise<Answer> {
  digestOf(subject)
  const wanted = call.url.searchParams.get('artifactType')
  const manifests = []
  for await (const m of call.store.manifests(call.repository)) {
    const document = JSON.parse(m.bytes.toString('utf8')) as ManifestDocument
    if (document.subject?.digest !== subject) continue
    const artifactType = document.artifactType ?? document.config?.mediaType
    if (wanted !== null && wanted !== artifactType) continue
    manifests.push({
      mediaType: m.mediaType,
      digest: m.digest,
      size: m.bytes.length,
      ...(artifactType ? { artifactType } : {}),
      ...(document.annotations ? { annotations: document.annotations } : {}),
    })
  }
  const mediaType = 'application/vnd.oci.image.index.v1+json'
  return jsonAnswer(
    200,
    { schemaVersion: 2, mediaType, manifests },
    { 'content-type': mediaType, ...(wanted === null ? {} : { 'oci-filters-applied': 'artifactType' }) },
  )
}
