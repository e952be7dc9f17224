/**
 * Referrers (OCI distribution specification 1.1): what a registry stores about an image beside it. Registries without the
 * referrers API keep their list in an index under a tag that is made of the digest.
 */
import { LongshoreError } from '../errors.ts'
import { discard, readBody } from '../net/body.ts'
import { connectionOf } from './client.ts'
import { matches } from './digest.ts'
import { parseManifest } from './manifest.ts'
import { pullScope } from './scope.ts'
import type { CallOptions, Descriptor, Manifest, RegistryClient } from './types.ts'

/** "Referrers Tag Schema": the algorithm to 32 characters, the rest to 64. */
export const fallbackTag = (digest: string): string => {
  const [algorithm = '', encoded = ''] = digest.split(':')
  return `${algorithm.slice(0, 32)}-${encoded.slice(0, 64)}`
}

/** Answers of registries that do not know the API: 404 by the specification, the others by experience. */
const NO_API = [400, 404, 405, 406, 501]

/**
 * The descriptors of what refers to this digest, of these types of artifact; at most `referrersMax`. Not verified: what
 * they name is, when it is read.
 *
 * @throws LongshoreError those of the registry client, `registry-invalid`
 */
export async function listReferrers(
  client: RegistryClient,
  repository: string,
  digest: string,
  artifactTypes: readonly string[],
  options: CallOptions = {},
): Promise<Descriptor[]> {
  const { referrersMax } = connectionOf(client).limits
  const all = (await byApi(client, repository, digest, options)) ?? (await byTag(client, repository, digest, options))
  // Filtered here: a registry may ignore the filter in the query, and takes one type only.
  return all
    .filter(({ artifactType }) => artifactType !== undefined && artifactTypes.includes(artifactType))
    .slice(0, referrersMax)
}

/** Undefined: the registry has no referrers API. */
async function byApi(
  client: RegistryClient,
  repository: string,
  digest: string,
  options: CallOptions,
): Promise<Descriptor[] | undefined> {
  const connection = connectionOf(client)
  const { limits } = connection
  const what = `the referrers of ${client.host}/${repository}@${digest}`
  const path = `/v2/${repository}/referrers/${digest}`
  const found: Descriptor[] = []
  const seen = new Set<string>()
  for (let query: string | undefined = ''; query !== undefined && found.length < limits.referrersMax; ) {
    if (seen.has(query))
      throw new LongshoreError('registry-invalid', `${client.host} answers the same page of ${what} for ever`)
    seen.add(query)
    const answer = await connection.request(
      {
        method: 'GET',
        target: path + query,
        scopes: [pullScope(repository)],
        headers: { accept: 'application/vnd.oci.image.index.v1+json' },
        expect: [200, ...NO_API],
        what,
      },
      options,
    )
    if (answer.status !== 200) {
      await discard(answer.body)
      if (query === '') return undefined
      throw new LongshoreError('registry-invalid', `${client.host} answered ${answer.status} to a page of ${what}`)
    }
    const bytes = await readBody(answer.body, limits.manifestBytesMax, what)
    connection.countIn(bytes.byteLength, options)
    const index = parseManifest(bytes, { what, contentType: answer.headers['content-type'], limits })
    if (!index.manifests) throw new LongshoreError('registry-invalid', `${what} are not an index`)
    found.push(...index.manifests)
    query = nextQuery(answer.headers.link, answer.url)
  }
  return found
}

/** Only the query of a Link is used, so that it cannot lead elsewhere. */
function nextQuery(link: string | string[] | undefined, base: URL): string | undefined {
  const text = [link ?? ''].flat().join(', ').slice(0, 8_192)
  const target = /<([^<>]*)>[^<>]*;\s*rel="?next"?/i.exec(text)?.[1]
  return target !== undefined && URL.canParse(target, base.href) ? new URL(target, base.href).search : undefined
}

async function byTag(
  client: RegistryClient,
  repository: string,
  digest: string,
  options: CallOptions,
): Promise<Descriptor[]> {
  const found = await underFallbackTag(client, repository, digest, options)
  const index = found && isSubject(found, digest) ? undefined : found
  // Cosign puts signatures under tags that look alike; what is no index lists nothing.
  return index?.manifests ?? []
}

/** What stands under the tag of the referrers; undefined when there is none. */
export async function underFallbackTag(
  client: RegistryClient,
  repository: string,
  digest: string,
  options: CallOptions,
) {
  try {
    return await client.manifest(repository, fallbackTag(digest), options)
  } catch (error) {
    if (error instanceof LongshoreError && error.code === 'image-not-found') return undefined
    throw error
  }
}

/**
 * Whether what stands under the tag is the very image that it should list the referrers of: registry.gitlab.com reads the tag
 * as the digest it is made of (oras-go#1396). Then there is no list.
 */
export const isSubject = (found: Manifest, digest: string): boolean => matches(found.bytes, digest)
