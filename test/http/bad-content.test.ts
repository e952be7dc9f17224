/** Content that lies or is broken, seen by the worker: each job ends by itself, says why, and no target tag is partial. */
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import {
  type BuiltBlob,
  type BuiltImage,
  type BuiltIndex,
  blob,
  image,
  index,
  sha256,
} from '../../lib/local/demo/build.ts'
import type { Hooks } from '../../lib/local/registry/faults.ts'
import { MEDIA_TYPES } from '../../lib/oci/types.ts'
import { digestOf, serve } from '../oci/server.ts'
import { END, file } from '../scan/archives.ts'
import { type ApiWorld, apiWorld, appImage, BASE, nodeLayer } from './world.ts'

const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'

interface Ended {
  status: string
  error: { code: string; message: string; side?: string; retryable: boolean } | null
  result: { coverage: string; packages: number } | null
  attempt: number
}

const world = async (hooks?: Hooks) => {
  const made = await apiWorld(hooks ? { source: { hooks } } : {})
  await made.publishAdvisories()
  return made
}
const tagOf = (at: ApiWorld, repository = 'mirror/app') =>
  fetch(`${at.target.url}/v2/${repository}/manifests/1.0`, { method: 'HEAD' }).then(({ status }) => status)

async function scan(at: ApiWorld, host = at.source.host, platform?: string): Promise<Ended> {
  const params = { image: `${host}/team/app:1.0`, ...(platform ? { platform } : {}) }
  return await at.end(await at.submit({ type: 'scan', params }))
}
async function copy(at: ApiWorld, host = at.source.host, platforms?: string[]): Promise<Ended> {
  const params = { source: `${host}/team/app:1.0`, target: `${at.target.host}/mirror/app:1.0` }
  return await at.end(
    await at.submit({ type: 'replicate', params: { ...params, ...(platforms ? { platforms } : {}) } }),
  )
}

/** Both jobs end with this error, told with its side, and the target has no tag. */
async function expectBothFail(at: ApiWorld, code: string, retryable: boolean, host?: string) {
  for (const job of [await scan(at, host), await copy(at, host)]) {
    expect(job).toMatchObject({ status: 'error', error: { code, retryable } })
    expect(job.error?.message.length).toBeGreaterThan(20)
    // What cannot get better is not tried again.
    expect(job.attempt).toBe(retryable ? 5 : 1)
  }
  expect(await tagOf(at)).toBe(404)
}

const isBlob = (method: string, path: string) => method === 'GET' && path.includes('/blobs/sha256')
const isManifest = (method: string, path: string) => method === 'GET' && path.includes('/manifests/')

describe('a blob', () => {
  test('that is cut in the middle and cannot be continued fails all attempts, then the job', async () => {
    // A request to continue is hung up on: nothing moves on.
    const at = await world(({ method, path, headers }) =>
      isBlob(method, path) ? { cutAfterBytes: headers.range ? 0 : 60 } : undefined,
    )
    await at.push(appImage())
    await expectBothFail(at, 'registry-unavailable', true)
  })

  test('that is cut once is read on from there', async () => {
    let cuts = 0
    const at = await world(({ method, path }) =>
      isBlob(method, path) && cuts++ < 1 ? { cutAfterBytes: 60 } : undefined,
    )
    await at.push(appImage())
    expect(await scan(at)).toMatchObject({ status: 'success', attempt: 1 })
    cuts = 0
    expect(await copy(at)).toMatchObject({ status: 'success', attempt: 1 })
    expect(await tagOf(at)).toBe(200)
  })

  test('with a flipped bit is refused by its digest', async () => {
    const at = await world(({ method, path }) => (isBlob(method, path) ? { flipBitAtByte: 20 } : undefined))
    await at.push(appImage())
    await expectBothFail(at, 'digest-mismatch', false)
  })

  test.each([1, -1])('with a size in the manifest that is off by %i is refused', async (by) => {
    const at = await world()
    const { descriptor } = BASE
    const lying = image({ layers: [BASE], manifest: { layers: [{ ...descriptor, size: descriptor.size + by }] } })
    await push(at, lying)
    await expectBothFail(at, 'size-mismatch', false)
  })

  test('that the registry does not have is gone', async () => {
    const at = await world(({ method, path }) =>
      path.includes(`/blobs/${BASE.descriptor.digest}`) && method !== 'POST' ? { status: 404 } : undefined,
    )
    await at.push(image({ layers: [BASE] }))
    await expectBothFail(at, 'source-gone', false)
  })
})

describe('a layer', () => {
  const raw = (bytes: Uint8Array, tar: Uint8Array) => ({
    ...blob(LAYER, bytes),
    diffId: sha256(tar),
  })

  test('whose gzip is truncated cannot be scanned, and is copied byte for byte', async () => {
    const at = await world()
    const tar = Buffer.concat([file('a', 'x'.repeat(5_000)), END])
    await push(at, image({ layers: [raw(gzipSync(tar).subarray(0, -30), tar)] }))
    expect(await scan(at)).toMatchObject({ status: 'error', error: { code: 'layer-invalid', retryable: false } })
    expect(await copy(at)).toMatchObject({ status: 'success' })
  })

  test('that is no gzip cannot be scanned', async () => {
    const at = await world()
    const noise = Buffer.from('this is not gzip at all')
    await push(at, image({ layers: [raw(noise, noise)] }))
    expect(await scan(at)).toMatchObject({ status: 'error', error: { code: 'layer-invalid' } })
  })

  test('with another diffID than its config says cannot be scanned', async () => {
    const at = await world()
    await push(at, image({ layers: [{ ...BASE, diffId: sha256('other') }] }))
    expect(await scan(at)).toMatchObject({ status: 'error', error: { code: 'digest-mismatch' } })
  })

  test('with paths that climb out of the image writes nothing and hides nothing', async () => {
    const at = await world()
    const manifest = JSON.stringify({ name: 'left', version: '1.0.0' })
    const tar = Buffer.concat([
      file('../../etc/passwd', 'root::0:0::/:/bin/sh\n'),
      file('/etc/passwd', 'root::0:0::/:/bin/sh\n'),
      file('a/../../../tmp/x', 'x'),
      file('app/node_modules/left/package.json', manifest),
      END,
    ])
    await push(at, image({ layers: [raw(gzipSync(tar), tar)] }))
    const job = await scan(at)
    expect(job).toMatchObject({ status: 'success', result: { packages: 1 } })
    expect(['full', 'partial']).toContain(job.result?.coverage)
  })

  test('of an unknown media type makes the coverage partial, and is copied', async () => {
    const at = await world()
    const strange = { ...blob('application/vnd.example.layer', 'something'), diffId: sha256('something') }
    await push(at, image({ layers: [nodeLayer('left', '1.0.0'), strange] }))
    expect(await scan(at)).toMatchObject({ status: 'success', result: { coverage: 'partial', packages: 1 } })
    expect(await copy(at)).toMatchObject({ status: 'success' })
  })
})

describe('a manifest', () => {
  test('with a flipped bit is refused by its digest', async () => {
    const at = await world(({ method, path }) => (isManifest(method, path) ? { flipBitAtByte: 40 } : undefined))
    await at.push(appImage())
    await expectBothFail(at, 'digest-mismatch', false)
  })

  test.each([true, false])('of 5 MB is not read, announced by Content-Length: %s', async (announced) => {
    const bytes = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, x: 'x'.repeat(5_000_000) }),
    )
    const { at, host } = await lying(bytes, { announced })
    await expectBothFail(at, 'manifest-too-large', false, host)
  })

  const whole = { config: appImage().config.descriptor, layers: [] }
  test.each([
    ['an unknown media type', { schemaVersion: 2, mediaType: 'application/vnd.example+json', ...whole }],
    ['Docker schema 1', { schemaVersion: 1, name: 'team/app', tag: '1.0', fsLayers: [], history: [] }],
  ])('of %s is refused', async (_what, document) => {
    const mediaType =
      'mediaType' in document ? String(document.mediaType) : 'application/vnd.docker.distribution.manifest.v1+json'
    const { at, host } = await lying(Buffer.from(JSON.stringify(document)), { mediaType })
    await expectBothFail(at, 'unsupported-media-type', false, host)
  })

  test.each([
    ['JSON that is no object', '[]'],
    ['JSON without layers', JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest })],
    ['no JSON', 'manifest'],
  ])('that is %s is refused', async (_what, text) => {
    const { at, host } = await lying(Buffer.from(text))
    await expectBothFail(at, 'manifest-invalid', false, host)
  })
})

describe('an index', () => {
  test('that names itself is refused by its digest', async () => {
    // Nobody can write a digest into the bytes it is made of: the registry lies about what it sends.
    const claimed = `sha256:${'c'.repeat(64)}`
    const child = { mediaType: MEDIA_TYPES.ociIndex, digest: claimed, size: 300 }
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [child] }))
    const { at, host } = await lying(bytes, { mediaType: MEDIA_TYPES.ociIndex, digest: claimed })
    await expectBothFail(at, 'digest-mismatch', false, host)
  })

  test('of indexes deeper than the limit is refused', async () => {
    const at = await world()
    let built: BuiltIndex = index([appImage()])
    for (let depth = 0; depth < 6; depth++) built = index([built])
    await at.push(built)
    await expectBothFail(at, 'manifest-invalid', false)
  })

  test('without the platform asked for says which there are', async () => {
    const at = await world()
    await at.push(index([appImage()]))
    const job = await scan(at, at.source.host, 'linux/s390x')
    expect(job).toMatchObject({ status: 'error', error: { code: 'platform-not-found', retryable: false }, attempt: 1 })
    expect(job.error?.message).toContain('linux/amd64')
    expect(await copy(at, at.source.host, ['linux/s390x'])).toMatchObject({
      status: 'error',
      error: { code: 'platform-not-found', side: 'source' },
    })
    expect(await tagOf(at)).toBe(404)
  })

  test('whose child is missing at the source fails and sets no tag (fault 30)', async () => {
    const built = appImage()
    const { digest } = built.manifest.descriptor
    const at = await world(({ method, path }) =>
      isManifest(method, path) && path.endsWith(digest) ? { status: 404 } : undefined,
    )
    await at.push(index([built]))
    await expectBothFail(at, 'source-gone', false)
  })
})

test('an artifact is no failure: the scan has coverage none, the copy is whole', async () => {
  const at = await world()
  await at.push(image({ layers: [BASE], manifest: { artifactType: 'application/vnd.example.chart' } }))
  expect(await scan(at)).toMatchObject({ status: 'success', result: { coverage: 'none', packages: 0 } })
  expect(await copy(at)).toMatchObject({ status: 'success' })
})

test('a job that failed on the way leaves a log whose last line is the reason', async () => {
  const at = await world(({ method, path }) => (isBlob(method, path) ? { flipBitAtByte: 20 } : undefined))
  await at.push(appImage())
  const id = await at.submit(`${at.source.host}/team/app:1.0`)
  const job = await at.end(id)
  const { text } = await at.get(`/v1/jobs/${id}/log`)
  expect(text.trimEnd().split('\n').at(-1)).toContain(`digest-mismatch: ${job.error.message}`)
  expect(job.links).not.toHaveProperty('report')
})

/** Into the store of the registry, past the checks of an honest upload. */
async function push(at: ApiWorld, built: BuiltImage): Promise<void> {
  const put = async (path: string, one: BuiltBlob) => {
    const response = await fetch(`${at.source.url}/v2/team/app/${path}`, {
      method: path.startsWith('manifests') ? 'PUT' : 'POST',
      headers: { 'content-type': one.descriptor.mediaType },
      body: new Uint8Array(one.bytes),
    })
    expect(response.status, await response.text()).toBe(201)
  }
  for (const one of [built.config, ...built.layers]) await put(`blobs/uploads/?digest=${one.descriptor.digest}`, one)
  await put('manifests/1.0', built.manifest)
}

/** A registry that answers every manifest with these bytes, under a digest of its choice. */
async function lying(
  bytes: Buffer,
  options: { mediaType?: string; digest?: string; announced?: boolean } = {},
): Promise<{ at: ApiWorld; host: string }> {
  const { mediaType = MEDIA_TYPES.ociManifest, digest = digestOf(bytes), announced = true } = options
  const server = await serve((request, response) => {
    if (!request.url?.includes('/manifests/')) return void response.writeHead(404).end()
    const head = request.method === 'HEAD'
    response.writeHead(200, {
      'content-type': mediaType,
      'docker-content-digest': digest,
      ...(announced || head ? { 'content-length': bytes.length } : {}),
    })
    response.end(head ? undefined : bytes)
  })
  const at = await apiWorld({ fixed: [{ host: server.host, insecure: true, allowPrivate: true }] })
  await at.publishAdvisories()
  return { at, host: server.host }
}
