import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { RunningRegistry } from '../../lib/local/registry/server.ts'
import { type Descriptor, MEDIA_TYPES, type Platform } from '../../lib/oci/types.ts'
import { runReplicate } from '../../lib/replicate/job.ts'
import { planCopy, readRoot } from '../../lib/replicate/plan.ts'
import { clientOf, digestOf, failure } from '../oci/server.ts'
import { limits, pushBlob, pushImage, pushIndex, registry, runOf } from './run.ts'

const CACHE_CONFIG = 'application/vnd.buildkit.cacheconfig.v0'
const paths = ({ requests }: RunningRegistry) => requests.map(({ method, path }) => `${method} ${path}`)
const digests = (list: { digest: string }[]) => list.map(({ digest }) => digest)

/** An index as docker-registry takes it, which asks for each child by digest and does not care what it is. */
async function storeIndex(at: RunningRegistry, tag: string | undefined, manifests: object[]) {
  const mediaType = MEDIA_TYPES.ociIndex
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }))
  const index = { digest: digestOf(bytes), mediaType, size: bytes.length }
  await at.store.putManifest('a', { ...index, bytes }, tag)
  return { ...index, bytes }
}

/** What BuildKit before 0.21 pushes with `--cache-to type=registry`. */
async function buildCache(at: RunningRegistry) {
  const layer = await pushBlob(at.host, 'a', 'a layer of the cache')
  const config = await pushBlob(at.host, 'a', '{"layers":[],"records":[]}', CACHE_CONFIG)
  return { layer, config, index: await storeIndex(at, 'cache', [layer, config]) }
}

async function planOf(at: RunningRegistry, root: Descriptor, changed = limits, platforms: Platform[] = []) {
  const client = clientOf(at.host)
  return planCopy(client, 'a', await readRoot(client, 'a', root.digest, platforms, {}), changed, {})
}

describe('a plan', () => {
  test('takes blobs among the children of an index for blobs', async () => {
    const from = await registry()
    const { layer, config, index } = await buildCache(from)
    const { blobs, children } = await planOf(from, index)
    expect(blobs).toEqual([config, layer])
    expect(children).toEqual([])
    expect(paths(from).filter((path) => path.startsWith('GET'))).toEqual([`GET /v2/a/manifests/${index.digest}`])
  })

  test.each([
    ['application/vnd.oci.image.layer.v1.tar', 'blob'],
    ['application/vnd.oci.image.layer.v1.tar+zstd', 'blob'],
    ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'blob'],
    [MEDIA_TYPES.ociConfig, 'blob'],
    [MEDIA_TYPES.dockerConfig, 'blob'],
    [CACHE_CONFIG, 'blob'],
    ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', 'foreign'],
    ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', 'foreign'],
  ])('takes a child of the type %s for what it is: %s', async (mediaType, kind) => {
    const from = await registry()
    const child = { mediaType, digest: digestOf('x'), size: 1 }
    const { blobs, foreign, children } = await planOf(from, await storeIndex(from, undefined, [child]))
    expect(children).toEqual([])
    expect([blobs, foreign]).toEqual(kind === 'blob' ? [[child], 0] : [[], 1])
  })

  test('puts indexes after what they name, whatever blobs they name as well', async () => {
    const from = await registry()
    const blob = await pushBlob(from.host, 'a', 'named by an index')
    const image = await pushImage(from.host, 'a', undefined, ['x'])
    const inner = await storeIndex(from, undefined, [blob, image])
    // The inner one is read at the first level, as the outer one is.
    const outer = await storeIndex(from, undefined, [blob, inner])
    const root = await storeIndex(from, undefined, [outer, inner, image])
    const { children, blobs } = await planOf(from, root)
    expect(digests(children)).toEqual([image.digest, inner.digest, outer.digest])
    expect(digests(blobs)).toContain(blob.digest)
    expect(blobs).toHaveLength(3)
  })

  test('of more bytes of manifests than may be held ends before a child is read', async () => {
    const from = await registry()
    const index = await pushIndex(from.host, 'a', '1')
    const { children, root } = await planOf(from, index)
    const planBytesMax = children.reduce((sum, { size }) => sum + size, root.size)
    expect((await planOf(from, index, { ...limits, planBytesMax })).children).toHaveLength(2)
    from.requests.length = 0
    const error = await failure(planOf(from, index, { ...limits, planBytesMax: planBytesMax - 1 }))
    expect(error).toMatchObject({ code: 'manifest-invalid', retryable: false })
    expect(error.message).toContain(`${planBytesMax} bytes of manifests`)
    expect(error.message).toContain('LONGSHORE_PLAN_BYTES_MAX')
    expect(paths(from)).toEqual([`GET /v2/a/manifests/${index.digest}`])
  })
})

describe('a replication', () => {
  test('of a build cache copies the index and the blobs it names, those first', async () => {
    const from = await registry()
    const { layer, config, index } = await buildCache(from)
    let there: boolean[] = []
    const to: RunningRegistry = await registry(({ method, path }) => {
      if (method !== 'PUT' || path !== '/v2/a/manifests/cache') return undefined
      there = [layer, config].map(({ digest }) => to.store.hasBlob('a', digest))
      return { holdUntil: to.store.putManifest('a', index, 'cache'), status: 201 }
    })
    const { context } = runOf(from.host, 'a', index.digest)
    const { result } = await runReplicate({ source: `${from.host}/a:cache`, target: `${to.host}/a:cache` }, context)
    expect(result).toMatchObject({ blobs: { copied: 2 }, bytes: { copied: layer.size + config.size } })
    expect(there).toEqual([true, true])
    expect((await clientOf(to.host).resolve('a', 'cache'))?.digest).toBe(index.digest)
  })

  test.each([
    ['as it is', {}],
    ['with a filter', { platforms: ['linux/amd64'] }],
  ])('of an image pinned by its SHA-512, %s, knows it at the target, which tells the SHA-256', async (_, filter) => {
    let pinned: Buffer | undefined
    const from = await registry(({ path }) =>
      path.includes('/sha512:') && pinned
        ? { status: 200, headers: { 'content-type': MEDIA_TYPES.ociManifest }, body: pinned.toString() }
        : undefined,
    )
    const to = await registry()
    const image = await pushImage(from.host, 'a', '1', ['x'])
    pinned = Buffer.from((await clientOf(from.host).manifest('a', '1')).bytes)
    const digest = `sha512:${createHash('sha512').update(pinned).digest('hex')}`
    const params = { source: `${from.host}/a@${digest}`, target: `${to.host}/a:1`, ...filter }
    for (const copied of [2, 0]) {
      const { context, log } = runOf(from.host, 'a', digest)
      const { result } = await runReplicate(params, context)
      expect(result).toMatchObject({ digest, target: { digest: image.digest }, blobs: { copied } })
      expect(log.join()).not.toContain('another index')
    }
  })
})
