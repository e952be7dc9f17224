/** Pushes what `build.ts` made through the distribution protocol: what is there already is not sent again. */
import { LongshoreError } from '../../errors.ts'
import type { BuiltBlob, BuiltImage, BuiltIndex } from './build.ts'

export interface PushOptions {
  /** Authorization header for a registry with basic authentication. */
  authorization?: string
}

/**
 * Pushes an image or an index with all its children, tag last, and returns its digest. `baseUrl` is
 * `http://127.0.0.1:port`. Idempotent. Throws `registry-invalid` with the answer of a registry that refuses.
 */
export async function push(
  baseUrl: string,
  repository: string,
  tag: string,
  built: BuiltImage | BuiltIndex,
  options: PushOptions = {},
): Promise<string> {
  const target: Target = { root: `${baseUrl.replace(/\/$/, '')}/v2/${repository}`, options }
  const { digest } = built.manifest.descriptor
  const there = await call(target, 'HEAD', `/manifests/${tag}`)
  if (there.headers.get('docker-content-digest') === digest) return digest
  await pushContent(target, built)
  await putManifest(target, tag, built.manifest)
  return digest
}

interface Target {
  root: string
  options: PushOptions
}

async function pushContent(target: Target, built: BuiltImage | BuiltIndex): Promise<void> {
  if (built.kind === 'index') {
    for (const child of built.children) {
      await pushContent(target, child)
      await putManifest(target, child.manifest.descriptor.digest, child.manifest)
    }
    return
  }
  for (const b of [built.config, ...built.layers]) await pushBlob(target, b)
}

/** One blob by POST and PUT, unless the repository has it. */
async function pushBlob(target: Target, blob: BuiltBlob): Promise<void> {
  const { digest } = blob.descriptor
  if ((await call(target, 'HEAD', `/blobs/${digest}`)).ok) return
  const started = await expect(await call(target, 'POST', '/blobs/uploads/'), 202, digest)
  const location = new URL(started.headers.get('location') ?? '', target.root)
  location.searchParams.set('digest', digest)
  await expect(await call(target, 'PUT', location, blob.bytes, 'application/octet-stream'), 201, digest)
}

async function putManifest(target: Target, reference: string, manifest: BuiltBlob): Promise<void> {
  const { mediaType } = manifest.descriptor
  await expect(await call(target, 'PUT', `/manifests/${reference}`, manifest.bytes, mediaType), 201, reference)
}

/** Fetch is slow for large bodies, but this sends a few hundred kilobytes. */
async function call(
  target: Target,
  method: string,
  path: string | URL,
  body?: Uint8Array,
  contentType?: string,
): Promise<Response> {
  const headers: Record<string, string> = {}
  if (target.options.authorization) headers.authorization = target.options.authorization
  if (contentType) headers['content-type'] = contentType
  const url = typeof path === 'string' ? target.root + path : path
  return fetch(url, { method, headers, body: body && new Uint8Array(body) })
}

async function expect(response: Response, status: number, item: string): Promise<Response> {
  if (response.status === status) {
    await response.arrayBuffer()
    return response
  }
  const text = (await response.text()).slice(0, 500)
  throw new LongshoreError('registry-invalid', `${response.url} refused ${item} with ${response.status}: ${text}`)
}
