import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { blob, image, index, layer } from '../../lib/local/demo/build.ts'
import { push } from '../../lib/local/demo/push.ts'
import { htmlPage, throttled } from '../../lib/local/registry/faults.ts'
import { type RegistryOptions, type RunningRegistry, startRegistry } from '../../lib/local/registry/server.ts'
import { rawRequest } from '../fixtures/raw-http.ts'

const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const INDEX = 'application/vnd.oci.image.index.v1+json'

describe.each(['memory', 'disk'] as const)('the demo registry, in %s', (kind) => {
  let folder: string
  const running: RunningRegistry[] = []
  const start = async (options: RegistryOptions = {}) => {
    const registry = await startRegistry({ ...(kind === 'disk' ? { dataDir: folder } : {}), ...options })
    running.push(registry)
    return registry
  }
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'longshore-registry-'))
  })
  afterEach(async () => {
    await Promise.all(running.splice(0).map((r) => r.close()))
    await rm(folder, { recursive: true, force: true })
  })

  const codes = (body: Buffer) => JSON.parse(body.toString()).errors.map((e: { code: string }) => e.code)
  const located = (registry: RunningRegistry, location: string | undefined, query = '') =>
    `${new URL(location ?? '', registry.url)}${query}`
  const upload = async (registry: RunningRegistry, repository: string, bytes: Uint8Array) => {
    const started = await rawRequest(`${registry.url}/v2/${repository}/blobs/uploads/`, { method: 'POST' })
    const url = located(registry, started.headers.location, `&digest=${sha256(bytes)}`)
    return rawRequest(url, { method: 'PUT', body: bytes })
  }

  test('says that it speaks the protocol', async () => {
    const registry = await start()
    const answer = await rawRequest(`${registry.url}/v2/`)
    expect(answer.status).toBe(200)
    expect(answer.headers['docker-distribution-api-version']).toBe('registry/2.0')
  })

  test('gives back an index pushed with two platforms, by tag and by digest, byte for byte', async () => {
    const registry = await start()
    const base = layer([{ path: 'etc/os-release', content: 'ID=debian\n' }])
    const built = index([
      image({ layers: [base] }),
      image({ layers: [base], platform: { os: 'linux', architecture: 'arm64' } }),
    ])

    const digest = await push(registry.url, 'team/app', '1.0', built)

    const byTag = await rawRequest(`${registry.url}/v2/team/app/manifests/1.0`)
    expect(byTag.status).toBe(200)
    expect(byTag.headers['content-type']).toBe(INDEX)
    expect(byTag.headers['docker-content-digest']).toBe(digest)
    expect(byTag.headers['content-length']).toBe(String(byTag.body.length))
    expect(sha256(byTag.body)).toBe(digest)
    for (const child of JSON.parse(byTag.body.toString()).manifests) {
      const manifest = await rawRequest(`${registry.url}/v2/team/app/manifests/${child.digest}`)
      expect(sha256(manifest.body)).toBe(child.digest)
      for (const l of JSON.parse(manifest.body.toString()).layers) {
        const content = await rawRequest(`${registry.url}/v2/team/app/blobs/${l.digest}`)
        expect(sha256(content.body)).toBe(l.digest)
      }
    }
    const head = await rawRequest(`${registry.url}/v2/team/app/manifests/1.0`, { method: 'HEAD' })
    expect(head.headers['content-length']).toBe(String(byTag.body.length))
    expect(head.body.length).toBe(0)
  })

  test('a second push of the same image sends one request', async () => {
    const registry = await start()
    const built = image({ layers: [layer([{ path: 'a', content: 'a' }])] })
    await push(registry.url, 'team/app', '1.0', built)
    registry.requests.length = 0
    await push(registry.url, 'team/app', '1.0', built)
    expect(registry.requests).toEqual([{ method: 'HEAD', path: '/v2/team/app/manifests/1.0', status: 200 }])
  })

  test('serves ranges of a blob', async () => {
    const registry = await start()
    const bytes = randomBytes(600_000)
    await upload(registry, 'a', bytes)
    const get = (range: string, method = 'GET') =>
      rawRequest(`${registry.url}/v2/a/blobs/${sha256(bytes)}`, { method, headers: { range } })

    const middle = await get('bytes=1000-400000')
    expect(middle.status).toBe(206)
    expect(middle.headers['content-range']).toBe('bytes 1000-400000/600000')
    expect(middle.body.equals(bytes.subarray(1000, 400_001))).toBe(true)
    expect((await get('bytes=599999-')).body).toEqual(bytes.subarray(599_999))
    expect((await get('bytes=-3')).body).toEqual(bytes.subarray(599_997))
    expect((await get('bytes=0-9999999')).body.length).toBe(600_000)
    expect((await get('bytes=10-20', 'HEAD')).headers['content-length']).toBe('11')
    const outside = await get('bytes=600000-')
    expect([outside.status, outside.headers['content-range']]).toEqual([416, 'bytes */600000'])
    for (const ignored of ['bytes=5-2', 'lines=1-2', 'bytes=0-1,4-5']) expect((await get(ignored)).status).toBe(200)
  })

  test('takes a blob in chunks that say where they belong', async () => {
    const registry = await start()
    const bytes = randomBytes(300_000)
    const started = await rawRequest(`${registry.url}/v2/a/blobs/uploads/`, { method: 'POST' })
    expect(started.status).toBe(202)
    const send = (from: number, to: number, location: string | undefined) =>
      rawRequest(located(registry, location), {
        method: 'PATCH',
        body: bytes.subarray(from, to),
        headers: { 'content-range': `${from}-${to - 1}` },
      })

    const first = await send(0, 100_000, started.headers.location)
    expect([first.status, first.headers.range]).toEqual([202, '0-99999'])
    const tooFar = await send(200_000, 300_000, first.headers.location)
    expect([tooFar.status, tooFar.headers.range, codes(tooFar.body)]).toEqual([416, '0-99999', ['RANGE_INVALID']])
    const state = await rawRequest(located(registry, first.headers.location))
    expect([state.status, state.headers.range]).toEqual([204, '0-99999'])
    const second = await send(100_000, 200_000, state.headers.location)
    const closed = await rawRequest(located(registry, second.headers.location, `&digest=${sha256(bytes)}`), {
      method: 'PUT',
      body: bytes.subarray(200_000),
      headers: { 'content-range': '200000-299999' },
    })

    expect(closed.status).toBe(201)
    expect(closed.headers.location).toBe(`/v2/a/blobs/${sha256(bytes)}`)
    expect((await rawRequest(located(registry, closed.headers.location))).body.equals(bytes)).toBe(true)
    expect(registry.openUploads()).toBe(0)
  })

  test('takes a blob in one POST, and sha512 digests', async () => {
    const registry = await start()
    const bytes = randomBytes(10_000)
    const digest = `sha512:${createHash('sha512').update(bytes).digest('hex')}`
    const answer = await rawRequest(`${registry.url}/v2/a/blobs/uploads/?digest=${digest}`, {
      method: 'POST',
      body: bytes,
    })
    expect(answer.status).toBe(201)
    expect((await rawRequest(`${registry.url}/v2/a/blobs/${digest}`)).body.equals(bytes)).toBe(true)
  })

  test('keeps nothing of an upload that does not match its digest, is cancelled or is never closed', async () => {
    const registry = await start()
    const bytes = randomBytes(1_000)
    const begin = async () =>
      (await rawRequest(`${registry.url}/v2/a/blobs/uploads/`, { method: 'POST' })).headers.location

    const wrong = await begin()
    const answer = await rawRequest(located(registry, wrong, `&digest=${sha256(Buffer.from('other'))}`), {
      method: 'PUT',
      body: bytes,
    })
    expect([answer.status, codes(answer.body)]).toEqual([400, ['DIGEST_INVALID']])
    const canceled = await begin()
    expect((await rawRequest(located(registry, canceled), { method: 'DELETE' })).status).toBe(204)
    expect(codes((await rawRequest(located(registry, canceled))).body)).toEqual(['BLOB_UPLOAD_UNKNOWN'])
    const open = await begin()
    await rawRequest(located(registry, open), { method: 'PATCH', body: bytes })
    expect(registry.openUploads()).toBe(1)
    await registry.close()

    if (kind === 'disk') {
      expect(await readdir(join(folder, 'uploads'))).toEqual([])
      expect(await readdir(join(folder, 'blobs'))).toEqual([])
    }
  })

  test('refuses an upload whose Location was rebuilt instead of followed', async () => {
    const registry = await start()
    const started = await rawRequest(`${registry.url}/v2/a/blobs/uploads/`, { method: 'POST' })
    const rebuilt = located(registry, started.headers.location).split('?')[0] ?? ''
    expect((await rawRequest(rebuilt, { method: 'PATCH', body: 'x' })).status).toBe(404)
    expect(
      (
        await rawRequest(located(registry, started.headers.location).replace('/a/', '/b/'), {
          method: 'PATCH',
          body: 'x',
        })
      ).status,
    ).toBe(404)
  })

  test('keeps what arrived when the connection is cut inside a PATCH', async () => {
    const registry = await start({
      hooks: (r) => (r.method === 'PATCH' && r.headers['x-cut'] ? { cutUploadAfterBytes: 150_000 } : undefined),
    })
    const bytes = randomBytes(400_000)
    const started = await rawRequest(`${registry.url}/v2/a/blobs/uploads/`, { method: 'POST' })
    const url = located(registry, started.headers.location)
    await expect(rawRequest(url, { method: 'PATCH', body: bytes, headers: { 'x-cut': 'yes' } })).rejects.toThrow()

    expect((await rawRequest(url)).headers.range).toBe('0-149999')
    await rawRequest(url, { method: 'PATCH', body: bytes.subarray(150_000) })
    const closed = await rawRequest(`${url}&digest=${sha256(bytes)}`, { method: 'PUT' })
    expect(closed.status).toBe(201)
    expect((await rawRequest(`${registry.url}/v2/a/blobs/${sha256(bytes)}`)).body.equals(bytes)).toBe(true)
  })

  test('mounts a blob of another repository, and opens an upload when there is none', async () => {
    const registry = await start()
    const bytes = randomBytes(100)
    await upload(registry, 'a', bytes)
    const mount = (digest: string, from: string) =>
      rawRequest(`${registry.url}/v2/b/c/blobs/uploads/?mount=${digest}&from=${from}`, { method: 'POST' })

    expect((await rawRequest(`${registry.url}/v2/b/c/blobs/${sha256(bytes)}`)).status).toBe(404)
    const mounted = await mount(sha256(bytes), 'a')
    expect([mounted.status, mounted.headers.location]).toEqual([201, `/v2/b/c/blobs/${sha256(bytes)}`])
    expect((await rawRequest(`${registry.url}/v2/b/c/blobs/${sha256(bytes)}`)).body.equals(bytes)).toBe(true)
    const absent = await mount(sha256(Buffer.from('absent')), 'a')
    expect(absent.status).toBe(202)
    expect(absent.headers.location).toContain('/v2/b/c/blobs/uploads/')
  })

  test('refuses a manifest whose content is not there, naming each missing digest', async () => {
    const registry = await start()
    const built = image({ layers: [layer([{ path: 'a', content: 'a' }])] })
    const put = (reference: string, type: string, body: Uint8Array) =>
      rawRequest(`${registry.url}/v2/a/manifests/${reference}`, {
        method: 'PUT',
        body,
        headers: { 'content-type': type },
      })

    const answer = await put('1', MANIFEST, built.manifest.bytes)
    expect(answer.status).toBe(404)
    expect(JSON.parse(answer.body.toString()).errors).toEqual([
      expect.objectContaining({ code: 'MANIFEST_BLOB_UNKNOWN', detail: { digest: built.config.descriptor.digest } }),
      expect.objectContaining({
        code: 'MANIFEST_BLOB_UNKNOWN',
        detail: { digest: built.layers[0]?.descriptor.digest },
      }),
    ])
    const list = await put('1', INDEX, index([built]).manifest.bytes)
    expect(codes(list.body)).toEqual(['MANIFEST_BLOB_UNKNOWN'])
    expect((await rawRequest(`${registry.url}/v2/a/manifests/1`)).status).toBe(404)
  })

  test.each([
    ['text that is not JSON', '1', MANIFEST, '{', 400, 'MANIFEST_INVALID'],
    ['an unknown media type', '1', 'text/plain', '{"schemaVersion":2}', 400, 'MANIFEST_INVALID'],
    [
      'a mediaType unlike Content-Type',
      '1',
      MANIFEST,
      `{"schemaVersion":2,"mediaType":"${INDEX}"}`,
      400,
      'MANIFEST_INVALID',
    ],
    ['no config', '1', MANIFEST, '{"schemaVersion":2,"layers":[]}', 400, 'MANIFEST_INVALID'],
    ['a bad tag', '.x', INDEX, '{"schemaVersion":2,"manifests":[]}', 400, 'TAG_INVALID'],
    ['another digest', `sha256:${'0'.repeat(64)}`, INDEX, '{"schemaVersion":2,"manifests":[]}', 400, 'DIGEST_INVALID'],
    ['more than 4 MiB', '1', INDEX, `{"schemaVersion":2,"manifests":[]}${' '.repeat(4_194_304)}`, 413, 'SIZE_INVALID'],
  ])('refuses a manifest with %s', async (_name, reference, type, body, status, code) => {
    const registry = await start()
    const answer = await rawRequest(`${registry.url}/v2/a/manifests/${reference}`, {
      method: 'PUT',
      body,
      headers: { 'content-type': type },
    })
    expect([answer.status, codes(answer.body)]).toEqual([status, [code]])
  })

  test('deletes a tag alone, a manifest with its tags, and a blob only from one repository', async () => {
    const registry = await start()
    const built = image({ layers: [layer([{ path: 'a', content: 'a' }])] })
    for (const [repository, tag] of [
      ['a', '1'],
      ['a', '2'],
      ['b', '1'],
    ] as const)
      await push(registry.url, repository, tag, built)
    const url = (repository: string, rest: string) => `${registry.url}/v2/${repository}/${rest}`
    const remove = async (address: string) => (await rawRequest(address, { method: 'DELETE' })).status
    const { digest } = built.manifest.descriptor
    const blobDigest = built.layers[0]?.descriptor.digest

    expect(await remove(url('a', 'manifests/1'))).toBe(202)
    expect((await rawRequest(url('a', 'manifests/2'))).status).toBe(200)
    expect(await remove(url('a', `manifests/${digest}`))).toBe(202)
    expect((await rawRequest(url('a', 'manifests/2'))).status).toBe(404)
    expect((await rawRequest(url('b', 'manifests/1'))).status).toBe(200)
    expect(await remove(url('a', `blobs/${blobDigest}`))).toBe(202)
    expect(await remove(url('a', `blobs/${blobDigest}`))).toBe(404)
    expect((await rawRequest(url('b', `blobs/${blobDigest}`))).status).toBe(200)
    expect(await remove(url('b', `blobs/${blobDigest}`))).toBe(202)
    expect(await registry.store.content.size(blobDigest ?? '')).toBeUndefined()
  })

  test('lists tags and repositories page by page, with a link to the next', async () => {
    const registry = await start()
    const built = index([])
    for (const tag of ['b', 'a', 'c', 'e', 'd']) await push(registry.url, 'team/app', tag, built)
    await push(registry.url, 'other', 'x', built)
    const tags: string[][] = []
    let next: string | undefined = '/v2/team/app/tags/list?n=2'
    while (next) {
      const answer = await rawRequest(registry.url + next)
      tags.push(JSON.parse(answer.body.toString()).tags)
      next = /^<([^>]+)>; rel="next"$/.exec(answer.headers.link ?? '')?.[1]
    }
    expect(tags).toEqual([['a', 'b'], ['c', 'd'], ['e']])
    const catalog = await rawRequest(`${registry.url}/v2/_catalog?n=1`)
    expect(JSON.parse(catalog.body.toString())).toEqual({ repositories: ['other'] })
    expect(catalog.headers.link).toBe('</v2/_catalog?n=1&last=other>; rel="next"')
    expect((await rawRequest(`${registry.url}/v2/none/tags/list`)).status).toBe(404)
    expect(codes((await rawRequest(`${registry.url}/v2/other/tags/list?n=x`)).body)).toEqual([
      'PAGINATION_NUMBER_INVALID',
    ])
  })

  test('finds the referrers of a manifest by artifact type, when it has that API', async () => {
    const registry = await start()
    const subject = image({ layers: [layer([{ path: 'a', content: 'a' }])] })
    await push(registry.url, 'a', '1', subject)
    const refer = (artifactType: string) =>
      image({ layers: [], manifest: { artifactType, subject: subject.manifest.descriptor } })
    const sbom = await push(registry.url, 'a', 'sbom', refer('application/spdx+json'))
    await push(registry.url, 'a', 'sig', refer('application/x-signature'))
    const url = `${registry.url}/v2/a/referrers/${subject.manifest.descriptor.digest}`

    const all = await rawRequest(url)
    expect(JSON.parse(all.body.toString()).manifests).toHaveLength(2)
    const some = await rawRequest(`${url}?artifactType=application/spdx%2Bjson`)
    expect(JSON.parse(some.body.toString()).manifests).toEqual([
      expect.objectContaining({ digest: sbom, artifactType: 'application/spdx+json' }),
    ])
    expect(some.headers['oci-filters-applied']).toBe('artifactType')
    const without = await start({ referrers: false, dataDir: undefined })
    expect((await rawRequest(url.replace(registry.url, without.url))).status).toBe(404)
  })

  test.each([
    ['an upper case name', '/v2/Team/app/manifests/1', 400, 'NAME_INVALID'],
    ['a name that climbs', '/v2/a/%2e%2e%2fb/manifests/1', 400, 'NAME_INVALID'],
    ['a broken digest', '/v2/a/blobs/sha256:12', 400, 'DIGEST_INVALID'],
    ['an unknown blob', `/v2/a/blobs/sha256:${'0'.repeat(64)}`, 404, 'BLOB_UNKNOWN'],
    ['an unknown tag', '/v2/a/manifests/none', 404, 'MANIFEST_UNKNOWN'],
    ['another path', '/v1/search', 404, 'UNSUPPORTED'],
  ])('answers %s with the code of the specification', async (_name, path, status, code) => {
    const registry = await start()
    const answer = await rawRequest(registry.url + path)
    expect([answer.status, codes(answer.body)]).toEqual([status, [code]])
  })

  test('a port that is taken is a rejected promise', async () => {
    const registry = await start()
    const port = Number(registry.host.split(':')[1])
    await expect(startRegistry({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })

  test('closing ends a request that hangs and may be repeated', async () => {
    const registry = await start({ hooks: () => ({ holdUntil: new Promise(() => undefined) }) })
    const arrived = new Promise<void>((resolve) => {
      const req = httpRequest(`${registry.url}/v2/`)
      req.on('error', () => resolve())
      req.on('socket', (socket) => socket.on('connect', () => void registry.close()))
      req.end()
    })
    await arrived
    await registry.close()
    await expect(rawRequest(`${registry.url}/v2/`)).rejects.toThrow()
  })

  test('basic authentication guards every route', async () => {
    const registry = await start({ credentials: { username: 'robot', password: 'canary-colon-a1:b2' } })
    const authorization = `Basic ${Buffer.from('robot:canary-colon-a1:b2').toString('base64')}`
    const built = image({ layers: [layer([{ path: 'a', content: 'a' }])] })

    const refused = await rawRequest(`${registry.url}/v2/`)
    expect([refused.status, codes(refused.body)]).toEqual([401, ['UNAUTHORIZED']])
    expect(refused.headers['www-authenticate']).toMatch(/^Basic realm="/)
    await expect(push(registry.url, 'a', '1', built)).rejects.toMatchObject({ code: 'registry-invalid' })
    expect(await push(registry.url, 'a', '1', built, { authorization })).toBe(built.manifest.descriptor.digest)
    expect(registry.requests.at(-1)).toMatchObject({ method: 'PUT', status: 201, authorization: 'Basic' })
  })

  test('bearer tokens do what their scope says, until they expire', async () => {
    let now = 1_000_000
    const credentials = {
      username: 'robot',
      password: 'canary-bearer-e3f9',
      scheme: 'bearer',
      tokenSeconds: 60,
    } as const
    const registry = await start({ credentials, now: () => now })
    const basic = `Basic ${Buffer.from('robot:canary-bearer-e3f9').toString('base64')}`

    const refused = await rawRequest(`${registry.url}/v2/a/b/blobs/uploads/`, { method: 'POST' })
    expect(refused.headers['www-authenticate']).toBe(
      `Bearer realm="${registry.url}/token",service="${registry.host}",scope="repository:a/b:pull,push"`,
    )
    expect((await rawRequest(`${registry.url}/token?scope=repository:a/b:pull`)).status).toBe(401)
    const granted = await rawRequest(`${registry.url}/token?scope=repository:a/b:pull`, {
      headers: { authorization: basic },
    })
    const authorization = `Bearer ${JSON.parse(granted.body.toString()).token}`
    const status = async (method: string, path: string) =>
      (await rawRequest(registry.url + path, { method, headers: { authorization } })).status
    expect(await status('GET', '/v2/a/b/manifests/1')).toBe(404)
    expect(await status('POST', '/v2/a/b/blobs/uploads/')).toBe(401)
    expect(await status('GET', '/v2/other/manifests/1')).toBe(401)
    now += 60_000
    expect(await status('GET', '/v2/a/b/manifests/1')).toBe(401)

    const offline = await rawRequest(`${registry.url}/token`, {
      method: 'POST',
      body: 'grant_type=password&username=robot&password=canary-bearer-e3f9&access_type=offline&scope=repository:a/b:pull',
    })
    const refreshed = await rawRequest(`${registry.url}/token`, {
      method: 'POST',
      body: `grant_type=refresh_token&refresh_token=${JSON.parse(offline.body.toString()).refresh_token}`,
    })
    expect(refreshed.status).toBe(200)
  })

  test('does wrong what a test asks for', async () => {
    const bytes = Buffer.alloc(200_000, 'x')
    const digest = sha256(bytes)
    let fault = {}
    const registry = await start({ hooks: (r) => (r.method === 'GET' ? fault : undefined) })
    await upload(registry, 'a', bytes)
    const get = (wrong: object) => {
      fault = wrong
      return rawRequest(`${registry.url}/v2/a/blobs/${digest}`)
    }

    const cut = await get({ cutAfterBytes: 70_000 })
    expect([cut.complete, cut.body.length]).toEqual([false, 70_000])
    const flipped = await get({ flipBitAtByte: 100_000 })
    expect([flipped.body.length, sha256(flipped.body) === digest]).toEqual([200_000, false])
    expect((await get({ contentLength: 300_000 })).complete).toBe(false)
    expect((await get(throttled('7'))).headers).toMatchObject({ 'retry-after': '7' })
    expect((await get(htmlPage())).headers['content-type']).toBe('text/html')
    expect((await get({ headers: { 'docker-content-digest': 'x' } })).headers['docker-content-digest']).toBe('x')
    await expect(get({ drop: true })).rejects.toThrow()
    expect((await get({})).complete).toBe(true)
  })

  test('an answer can stand still until the client has had enough', async () => {
    const bytes = Buffer.alloc(200_000, 'x')
    const registry = await start({ hooks: (r) => (r.method === 'GET' ? { stallAfterBytes: 80_000 } : undefined) })
    await upload(registry, 'a', bytes)
    const received = await new Promise<number>((resolve, reject) => {
      let count = 0
      const req = httpRequest(`${registry.url}/v2/a/blobs/${sha256(bytes)}`, { agent: false }, (response) => {
        response.on('error', () => undefined)
        response.on('data', (chunk) => {
          count += chunk.length
          if (count === 80_000) req.destroy()
        })
        response.on('close', () => resolve(count))
      })
      req.on('error', reject)
      req.end()
    })
    expect(received).toBe(80_000)
  })

  test('lets one request at a time write to an upload, and forgets what is cancelled meanwhile', async () => {
    const registry = await start()
    const started = await rawRequest(`${registry.url}/v2/a/blobs/uploads/`, { method: 'POST' })
    const url = located(registry, started.headers.location)
    const first = httpRequest(url, { method: 'PATCH', agent: false, headers: { 'content-length': 6 } })
    const answered = new Promise<number | undefined>((resolve, reject) => {
      first.on('error', reject)
      first.on('response', (response) => {
        response.resume()
        resolve(response.statusCode)
      })
    })
    first.write('abc')
    while ((await rawRequest(url)).headers.range !== '0-2');
    const second = await rawRequest(url, { method: 'PATCH', body: 'x' })
    expect([second.status, codes(second.body)]).toEqual([409, ['BLOB_UPLOAD_INVALID']])
    await rawRequest(url, { method: 'DELETE' })
    first.end('def')
    expect(await answered).toBe(404)
    expect(registry.openUploads()).toBe(0)
  })

  const onDisk = kind === 'disk' ? test : () => undefined
  onDisk('finds everything again after a restart', async () => {
    const first = await start()
    const built = index([image({ layers: [layer([{ path: 'a', content: 'a' }])] })])
    await push(first.url, 'team/app', '1.0', built)
    await push(first.url, 'team/app', '2.0', built)
    await rawRequest(`${first.url}/v2/team/app/manifests/2.0`, { method: 'DELETE' })
    await first.close()

    const second = await start()
    const manifest = await rawRequest(`${second.url}/v2/team/app/manifests/1.0`)
    expect(manifest.headers['docker-content-digest']).toBe(built.manifest.descriptor.digest)
    expect(second.store.tags('team/app')).toEqual(['1.0'])
    second.requests.length = 0
    await push(second.url, 'team/app', '1.0', built)
    expect(second.requests).toHaveLength(1)
  })
})

test('a media type of a docker image is kept', async () => {
  const registry = await startRegistry()
  try {
    const built = image({ layers: [layer([], { flavour: 'docker' })], flavour: 'docker' })
    await push(registry.url, 'a', '1', index([built], { flavour: 'docker' }))
    const answer = await rawRequest(`${registry.url}/v2/a/manifests/1`)
    expect(answer.headers['content-type']).toBe('application/vnd.docker.distribution.manifest.list.v2+json')
    expect(blob('x', 'y').descriptor.size).toBe(1)
  } finally {
    await registry.close()
  }
})
