import { describe, expect, test } from 'vitest'
import type { Json } from '../../lib/glossary.ts'
import type { RunningRegistry } from '../../lib/local/registry/server.ts'
import { MEDIA_TYPES } from '../../lib/oci/types.ts'
import type { ReplicateParams } from '../../lib/replicate/definition.ts'
import { replicate, runReplicate } from '../../lib/replicate/job.ts'
import { clientOf, digestOf, failure } from '../oci/server.ts'
import {
  type HandedOver,
  limits,
  pushBlob,
  pushImage,
  pushIndex,
  pushManifest,
  type Run,
  registry,
  runOf,
} from './run.ts'

const replicating = (params: ReplicateParams, { context }: Run) => runReplicate(params, context)
const methods = (running: RunningRegistry) => running.requests.map((request) => request.method)

describe('a replication', () => {
  test('copies an index byte for byte, children before it and the tag last (fault 27)', async () => {
    const [from, to] = [await registry(), await registry()]
    const index = await pushIndex(from.host, 'team/app', '1')
    const run = runOf(from.host, 'team/app', index.digest)
    const { result } = await replicating({ source: `${from.host}/team/app:1`, target: `${to.host}/mirror/app:v1` }, run)
    expect(result).toMatchObject({
      digest: index.digest,
      target: { registry: to.host, repository: 'mirror/app', tag: 'v1', digest: index.digest },
      blobs: { copied: 5, mounted: 0, present: 0 },
    })
    expect(run.phases).toEqual(['plan', 'blobs', 'manifests', 'tag', 'verify'])
    const copied = await clientOf(to.host).manifest('mirror/app', 'v1')
    expect(
      Buffer.from(copied.bytes).equals(Buffer.from((await clientOf(from.host).manifest('team/app', '1')).bytes)),
    ).toBe(true)
    const puts = to.requests.filter(({ method, path }) => method === 'PUT' && path.includes('/manifests/'))
    expect(puts).toHaveLength(3)
    expect(puts.at(-1)?.path).toBe('/v2/mirror/app/manifests/v1')
    expect(to.openUploads()).toBe(0)
  })

  test('of an image that is there already is one request to the target and none to the source', async () => {
    const [from, to] = [await registry(), await registry()]
    const image = await pushImage(from.host, 'a', '1', ['x'])
    const params = { source: `${from.host}/a:1`, target: `${to.host}/a:1` }
    await replicating(params, runOf(from.host, 'a', image.digest))
    from.requests.length = 0
    to.requests.length = 0
    const { result } = await replicating(params, runOf(from.host, 'a', image.digest))
    expect(from.requests).toEqual([])
    expect(methods(to)).toEqual(['HEAD'])
    expect(result).toMatchObject({ requests: { source: 0, target: 1 }, bytes: { copied: 0 } })
  })

  test('moves only the blobs that are missing', async () => {
    const [from, to] = [await registry(), await registry()]
    const first = await pushImage(from.host, 'a', '1', ['base'])
    const second = await pushImage(from.host, 'a', '2', ['base', 'top'])
    await replicating({ source: `${from.host}/a:1`, target: `${to.host}/a:1` }, runOf(from.host, 'a', first.digest))
    const { result } = await replicating(
      { source: `${from.host}/a:2`, target: `${to.host}/a:2` },
      runOf(from.host, 'a', second.digest),
    )
    expect(result).toMatchObject({ blobs: { copied: 1, present: 2 }, bytes: { copied: 3 } })
  })

  test('within one registry mounts every blob and reads none', async () => {
    const both = await registry()
    const image = await pushImage(both.host, 'a', '1', ['x', 'y'])
    both.requests.length = 0
    const { result } = await replicating(
      { source: `${both.host}/a:1`, target: `${both.host}/b:1` },
      runOf(both.host, 'a', image.digest),
    )
    expect(result).toMatchObject({ blobs: { copied: 0, mounted: 3 }, bytes: { copied: 0 } })
    expect(both.requests.some(({ method, path }) => method === 'GET' && path.includes('/blobs/'))).toBe(false)
  })

  test('copies the digest pinned at submit though the tag has moved on (fault 28)', async () => {
    const [from, to] = [await registry(), await registry()]
    const old = await pushImage(from.host, 'a', '1', ['old'])
    await pushImage(from.host, 'a', '1', ['new'])
    await replicating({ source: `${from.host}/a:1`, target: `${to.host}/a:1` }, runOf(from.host, 'a', old.digest))
    expect((await clientOf(to.host).resolve('a', '1'))?.digest).toBe(old.digest)
  })

  test('with override false leaves another image alone', async () => {
    const [from, to] = [await registry(), await registry()]
    const image = await pushImage(from.host, 'a', '1', ['new'])
    const there = await pushImage(to.host, 'a', '1', ['old'])
    const params = { source: `${from.host}/a:1`, target: `${to.host}/a:1`, override: false }
    expect((await failure(replicating(params, runOf(from.host, 'a', image.digest)))).message).toContain('canceled')
    expect((await clientOf(to.host).resolve('a', '1'))?.digest).toBe(there.digest)
  })

  test('a platform filter rewrites the index and says so; one that leaves nothing out does not', async () => {
    const [from, to] = [await registry(), await registry()]
    const index = await pushIndex(from.host, 'a', '1')
    const params = { source: `${from.host}/a:1`, target: `${to.host}/a:1`, platforms: ['linux/arm64'] }
    const run = runOf(from.host, 'a', index.digest)
    const { result } = await replicating(params, run)
    const copied = await clientOf(to.host).manifest('a', '1')
    expect(copied.manifests?.map((child) => child.platform?.architecture)).toEqual(['arm64'])
    expect(result).toMatchObject({ digest: index.digest, target: { digest: copied.digest }, blobs: { copied: 3 } })
    expect(copied.digest).not.toBe(index.digest)
    expect(run.log.join()).toContain(copied.digest)
    await replicating({ ...params, platforms: ['linux/arm64', 'linux/amd64'] }, runOf(from.host, 'a', index.digest))
    expect((await clientOf(to.host).resolve('a', '1'))?.digest).toBe(index.digest)
    const missing = await failure(
      replicating({ ...params, platforms: ['linux/s390x'] }, runOf(from.host, 'a', index.digest)),
    )
    expect(missing).toMatchObject({ code: 'platform-not-found', side: 'source' })
    expect(missing.message).toContain('linux/amd64, linux/arm64/v8')
  })

  test('foreign layers are left at their URLs', async () => {
    const [from, to] = [await registry(), await registry()]
    const config = await pushBlob(from.host, 'a', '{}', MEDIA_TYPES.ociConfig)
    const foreign = {
      mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
      digest: digestOf('foreign'),
      size: 7,
      urls: ['http://127.0.0.1:1/never'],
    }
    const image = await pushManifest(from.host, 'a', '1', {
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.dockerManifest,
      config,
      layers: [foreign],
    } as { mediaType: string })
    const { result } = await replicating(
      { source: `${from.host}/a:1`, target: `${to.host}/a:1` },
      runOf(from.host, 'a', image.digest),
    )
    expect(result).toMatchObject({ blobs: { copied: 1 } })
  })

  test('stops in the middle of a blob, cancels the session and leaves no tag', async () => {
    const from = await registry()
    const stop = new AbortController()
    const reason = new Error('stopped by a person')
    const to = await registry(({ method }) => {
      if (method === 'PUT') stop.abort(reason)
      return undefined
    })
    const image = await pushImage(from.host, 'a', '1', ['x'.repeat(3_000_000)])
    const run = runOf(from.host, 'a', image.digest, { signal: stop.signal })
    expect(await failure(replicating({ source: `${from.host}/a:1`, target: `${to.host}/a:1` }, run))).toBe(reason)
    expect(await clientOf(to.host).resolve('a', '1')).toBeUndefined()
    expect(to.openUploads()).toBe(0)
  })

  test('hands over when the time is used, and the next run goes on from what is there', async () => {
    const [from, to] = [await registry(), await registry()]
    const image = await pushImage(from.host, 'a', '1', ['one', 'two', 'three'])
    const params = { source: `${from.host}/a:1`, target: `${to.host}/a:1` }
    // Time that is used as soon as the first blob is there.
    const arrived = () => to.requests.some(({ method, status }) => method === 'PUT' && status === 201)
    const run = runOf(from.host, 'a', image.digest, { remainingMs: () => (arrived() ? 0 : 600_000) })
    const one = { ...limits, blobsInParallelMax: 1 }
    const handed = (await failure(runReplicate(params, { ...run.context, limits: one }))) as HandedOver
    expect(handed.checkpoint).toMatchObject({ copied: 1, stuck: 0 })
    expect(await clientOf(to.host).resolve('a', '1')).toBeUndefined()
    const { result } = await replicating(params, runOf(from.host, 'a', image.digest, { checkpoint: handed.checkpoint }))
    expect(result).toMatchObject({ blobs: { copied: 4, mounted: 0, present: 0 }, bytes: { skipped: 0 } })
  })

  test('that gets nowhere says so in the third run, instead of going on for ever', async () => {
    const [from, to] = [await registry(), await registry()]
    const image = await pushImage(from.host, 'a', '1', ['x'])
    const params = { source: `${from.host}/a:1`, target: `${to.host}/a:1` }
    let checkpoint: Json | undefined
    for (let turn = 0; turn < 2; turn++) {
      const run = runOf(from.host, 'a', image.digest, { remainingMs: () => 0, checkpoint })
      checkpoint = ((await failure(replicating(params, run))) as HandedOver).checkpoint
    }
    const last = runOf(from.host, 'a', image.digest, { remainingMs: () => 0, checkpoint })
    expect((await failure(replicating(params, last))).code).toBe('no-progress')
  })

  test('tells on which side it failed', async () => {
    const [from, to] = [await registry(), await registry()]
    const image = await pushImage(from.host, 'a', '1', ['x'])
    const params = { source: `${from.host}/a:1`, target: `${to.host}/a:1` }
    const gone = runOf(from.host, 'a', digestOf('gone'))
    expect(await failure(replicating(params, gone))).toMatchObject({ code: 'source-gone', side: 'source' })
    await to.close()
    const dead = runOf(from.host, 'a', image.digest)
    expect(await failure(replicating(params, dead))).toMatchObject({ code: 'registry-unavailable', side: 'target' })
  })

  test('a child that an index names twice is read and written once', async () => {
    const [from, to] = [await registry(), await registry()]
    const child = await pushImage(from.host, 'a', undefined, ['x'])
    const index = await pushManifest(from.host, 'a', '1', {
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociIndex,
      manifests: [child, child],
    } as { mediaType: string })
    from.requests.length = 0
    await replicating({ source: `${from.host}/a:1`, target: `${to.host}/a:1` }, runOf(from.host, 'a', index.digest))
    const reads = from.requests.filter(({ path }) => path.includes('/manifests/'))
    const writes = to.requests.filter(({ method, path }) => method === 'PUT' && path.includes('/manifests/'))
    expect([reads.length, writes.length]).toEqual([2, 2])
  })

  test('an index nested too deeply is refused', async () => {
    const from = await registry()
    const to = await registry()
    let child = await pushImage(from.host, 'a', undefined, ['x'])
    for (let depth = 0; depth < 6; depth++)
      child = await pushManifest(from.host, 'a', undefined, {
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.ociIndex,
        manifests: [child],
      } as { mediaType: string })
    const error = await failure(
      replicating(
        { source: `${from.host}/a@${child.digest}`, target: `${to.host}/a:1` },
        runOf(from.host, 'a', child.digest),
      ),
    )
    expect(error).toMatchObject({ code: 'manifest-invalid', side: 'source' })
  })
})

describe('the parameters', () => {
  test.each([
    [{ source: 'r.example/a:1', target: 's.example/a:1' }, true],
    [{ source: 'r.example/a:1', target: 's.example/a:1', platforms: ['linux/arm64/v8'], override: false }, true],
    [{ source: 'r.example/a:1', target: 'r.example/a:1' }, false],
    [{ source: 'alpine', target: 'docker.io/library/alpine:latest' }, false],
    [{ source: 'r.example/A:1', target: 's.example/a:1' }, false],
    [{ source: 'r.example/a:1', target: `s.example/a@${digestOf('x')}` }, false],
    [{ source: 'r.example/a:1', target: 's.example/a:1', referrers: true }, false],
    [{ source: 'r.example/a:1', target: 's.example/a:1', platforms: [] }, false],
    [{ source: 'r.example/a:1', target: 's.example/a:1', platforms: ['linux'] }, false],
    [{ source: 'r.example/a:1', target: 's.example/a:1', platforms: Array(21).fill('linux/amd64') }, false],
    [{ source: 'r.example/a:1' }, false],
  ])('%j: %s', (params, valid) => {
    expect(replicate.params.safeParse(params).success).toBe(valid)
  })
})
