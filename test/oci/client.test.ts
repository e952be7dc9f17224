import { once } from 'node:events'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { Readable } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { readBody } from '../../lib/net/body.ts'
import { createOpenRegistry } from '../../lib/oci/open.ts'
import {
  answerManifest,
  clientOf,
  digestOf,
  failure,
  fixedRandom,
  imageManifest,
  serve,
  testLimits,
  virtualClock,
} from './server.ts'

const layer = Buffer.alloc(300_000, 'layer')
const descriptor = { mediaType: 'application/octet-stream', digest: digestOf(layer), size: layer.length }
const read = async (stream: Promise<Readable>) => readBody(await stream, 1e7, 'the blob')

describe('resolving and reading manifests', () => {
  test('HEAD tells the digest in one request', async () => {
    const manifest = imageManifest()
    const server = await serve((_, response) => answerManifest(response, manifest))
    const client = clientOf(server.host)
    expect(await client.resolve('team/app', '1')).toMatchObject({ digest: manifest.digest, size: manifest.size })
    expect(server.seen.map((request) => request.method)).toEqual(['HEAD'])
    expect(client.counts.requests).toBe(1)
  })

  test('HEAD without a digest falls back to GET', async () => {
    const manifest = imageManifest()
    const server = await serve((request, response) => {
      if (request.method === 'HEAD') response.writeHead(200, { 'content-type': manifest.mediaType }).end()
      else answerManifest(response, manifest)
    })
    expect((await clientOf(server.host).resolve('team/app', '1'))?.digest).toBe(manifest.digest)
  })

  test('a missing tag resolves to nothing, is image-not-found to read, and a missing digest is source-gone', async () => {
    const server = await serve((_, response) =>
      response.writeHead(404, { 'content-type': 'application/json' }).end('{}'),
    )
    const client = clientOf(server.host)
    expect(await client.resolve('team/app', '1')).toBeUndefined()
    expect((await failure(client.manifest('team/app', '1'))).code).toBe('image-not-found')
    expect((await failure(client.manifest('team/app', descriptor.digest))).code).toBe('source-gone')
  })

  test('other bytes than the digest asked for, or than the header says, are refused', async () => {
    const manifest = imageManifest('one')
    const other = imageManifest('two')
    const server = await serve((request, response) =>
      request.url?.endsWith(':lying')
        ? response.end()
        : answerManifest(
            response,
            manifest,
            request.url?.endsWith('lying') ? { 'docker-content-digest': other.digest } : {},
          ),
    )
    const client = clientOf(server.host)
    expect((await failure(client.manifest('team/app', other.digest))).code).toBe('digest-mismatch')
    expect((await failure(client.manifest('team/app', 'lying'))).code).toBe('digest-mismatch')
    expect((await client.manifest('team/app', manifest.digest)).bytes).toEqual(manifest.bytes)
  })

  test('a manifest of 5 MB is not read, with or without a length', async () => {
    const server = await serve((request, response) => {
      const big = Buffer.alloc(5_000_000, ' ')
      response.writeHead(200, request.url?.endsWith('told') ? { 'content-length': big.length } : {})
      response.end(big)
    })
    expect((await failure(clientOf(server.host).manifest('team/app', 'told'))).code).toBe('manifest-too-large')
    expect((await failure(clientOf(server.host).manifest('team/app', 'chunked'))).code).toBe('manifest-too-large')
  })

  test('a web page is not a registry', async () => {
    const server = await serve((_, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>login</html>'),
    )
    const client = clientOf(server.host)
    for (const call of [client.resolve('a', '1'), client.manifest('a', '1'), client.ping(), client.tags('a')]) {
      const error = await failure(call)
      expect(error.code).toBe('registry-invalid')
      expect(error.message).toContain('web page')
    }
  })

  test('a call ends at its own time limit however slowly the bytes drip (fault 25)', async () => {
    const server = await serve((_, response) => {
      response.writeHead(200)
      const drip = setInterval(() => response.write(' '), 5)
      response.on('close', () => clearInterval(drip))
    })
    expect((await failure(clientOf(server.host).manifest('a', '1', { timeoutMs: 60 }))).code).toBe('registry-timeout')
  })
})

describe('trouble', () => {
  /** When the registry answers, by its clock. */
  const SENT = new Date(1_700_000_000_000).toUTCString()

  test.each([
    ['seconds', '1', 1_000],
    ['a date', new Date(1_700_000_000_000 + 2_000).toUTCString(), 2_000],
  ])('a short 429 with %s is waited for in place', async (_, header, ms) => {
    const manifest = imageManifest()
    const clock = virtualClock()
    const server = await serve((_, response, count) =>
      count === 1
        ? response.writeHead(429, { date: SENT, 'retry-after': header }).end()
        : answerManifest(response, manifest),
    )
    await clientOf(server.host, { clock }).resolve('a', '1')
    expect(clock.naps).toEqual([ms])
  })

  test.each([
    ['seconds', '3600', 3_600_000],
    ['a date', new Date(1_700_000_000_000 + 90_000).toUTCString(), 90_000],
  ])('a long 429 with %s is thrown with its time', async (_, header, ms) => {
    const server = await serve((_, response) => response.writeHead(429, { date: SENT, 'retry-after': header }).end())
    const error = await failure(clientOf(server.host).manifest('a', '1'))
    expect(error).toMatchObject({ code: 'registry-throttled', retryAfterMs: ms })
    expect(server.seen).toHaveLength(1)
  })

  test('5xx and resets are repeated with growing waits, then told', async () => {
    const clock = virtualClock()
    const server = await serve((request, response, count) =>
      count === 2
        ? request.socket.resetAndDestroy()
        : response.writeHead(500).end('{"errors":[{"code":"UNKNOWN","message":"disk\\u001b[31m full"}]}'),
    )
    const error = await failure(clientOf(server.host, { clock }).manifest('a', '1'))
    expect(error.code).toBe('registry-unavailable')
    expect(error.message).toContain('UNKNOWN: disk')
    expect(error.message).not.toContain('\u001b')
    expect(clock.naps).toEqual([125, 250, 500])
  })

  test('a dead host is told as unavailable', async () => {
    const server = await serve(() => {})
    await new Promise((resolve) => server.server.close(resolve))
    expect((await failure(clientOf(server.host).resolve('a', '1'))).code).toBe('registry-unavailable')
  })
})

describe('blobs', () => {
  const serving = (answer: Buffer, headers: Record<string, string> = {}) =>
    serve((_, response) => response.writeHead(200, headers).end(answer))

  test('the right bytes come through', async () => {
    const server = await serving(layer)
    expect((await read(clientOf(server.host).blob('a', descriptor))).equals(layer)).toBe(true)
  })

  test('an empty blob comes through', async () => {
    const server = await serving(Buffer.alloc(0))
    const empty = { ...descriptor, digest: digestOf(''), size: 0 }
    expect(await read(clientOf(server.host).blob('a', empty))).toHaveLength(0)
  })

  test.each([
    ['a flipped bit', Buffer.from(layer).fill('!', 7, 8), 'digest-mismatch'],
    ['a byte too many', Buffer.concat([layer, Buffer.from('!')]), 'size-mismatch'],
    ['a byte too few', layer.subarray(1), 'size-mismatch'],
  ])('%s is refused, and the last chunk never delivered', async (_, bytes, code) => {
    // Chunked, so that no Content-Length gives it away before the body.
    const server = await serve((_, response) => {
      response.write(bytes.subarray(0, 100_000))
      response.end(bytes.subarray(100_000))
    })
    let delivered = 0
    const stream = await clientOf(server.host).blob('a', descriptor)
    stream.on('data', (chunk: Buffer) => {
      delivered += chunk.length
    })
    const [error] = (await once(stream, 'error')) as [{ code: string }]
    expect(error.code).toBe(code)
    expect(delivered).toBeLessThan(layer.length)
  })

  test('a Content-Length that is not the size is refused before the body', async () => {
    const server = await serving(layer.subarray(1), { 'content-length': String(layer.length - 1) })
    expect((await failure(clientOf(server.host).blob('a', descriptor))).code).toBe('size-mismatch')
  })

  test.each([
    ['honours', 206],
    ['ignores', 200],
  ])('a cut body is taken up where it broke; the registry %s Range', async (_, status) => {
    const server = await serve((request, response, count) => {
      const start = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
      if (count === 1) {
        response.writeHead(200, { 'content-length': layer.length })
        response.write(layer.subarray(0, 200_000), () => setImmediate(() => response.destroy()))
      } else if (status === 206) {
        response.writeHead(206, { 'content-range': `bytes ${start}-${layer.length - 1}/${layer.length}` })
        response.end(layer.subarray(start))
      } else response.writeHead(200).end(layer)
    })
    expect((await read(clientOf(server.host).blob('a', descriptor))).equals(layer)).toBe(true)
    expect(server.seen).toHaveLength(2)
    expect(server.seen[1]?.headers.range).toMatch(/^bytes=\d+-$/)
  })

  test('a body that is cut again and again is connection-cut', async () => {
    const server = await serve((_, response) => {
      response.writeHead(200, { 'content-length': layer.length })
      response.write(layer.subarray(0, 10), () => setImmediate(() => response.destroy()))
    })
    expect((await failure(read(clientOf(server.host).blob('a', descriptor)))).code).toBe('connection-cut')
  })

  test('an abort in the middle of a body ends it with its reason', async () => {
    const server = await serve((_, response) => void response.writeHead(200).write(layer.subarray(0, 10)))
    const controller = new AbortController()
    const stream = await clientOf(server.host).blob('a', descriptor, { signal: controller.signal })
    const reading = readBody(stream, 1e7, 'it')
    const reason = new Error('stop')
    controller.abort(reason)
    expect(await failure(reading)).toBe(reason)
  })
})

describe('uploads', () => {
  /** A registry that takes one blob; `location` is what POST answers. */
  const taking = (location: (host: string) => string) => {
    const got: Buffer[] = []
    return serve(async (request, response) => {
      if (request.method === 'POST')
        return void response.writeHead(202, { location: location(request.headers.host ?? '') }).end()
      if (request.method === 'DELETE') return void response.writeHead(204).end()
      try {
        for await (const chunk of request) got.push(chunk as Buffer)
      } catch {
        return // cut by the client
      }
      response.writeHead(digestOf(Buffer.concat(got)) === descriptor.digest ? 201 : 400).end()
    })
  }

  test.each([
    ['relative', () => '/v2/a/blobs/uploads/1?_state=x%2Fy'],
    ['absolute', (host: string) => `http://${host}/v2/a/blobs/uploads/1?_state=x%2Fy`],
  ])('POST, then one PUT to a %s Location with its query kept', async (_, location) => {
    const server = await taking(location)
    let opened = 0
    await clientOf(server.host).upload('a', descriptor, async () => {
      opened = server.seen.length
      return Readable.from([layer])
    })
    expect(opened).toBe(1)
    const put = server.seen[1]
    expect(put?.path).toBe(`/v2/a/blobs/uploads/1?_state=x%2Fy&digest=${encodeURIComponent(descriptor.digest)}`)
    expect(put?.headers).toMatchObject({ 'content-type': 'application/octet-stream', 'content-length': '300000' })
  })

  test('a Location at another origin gets neither body nor cancellation', async () => {
    const other = await serve((_, response) => response.writeHead(201).end())
    const server = await taking(() => `${other.url}/v2/a/blobs/uploads/1`)
    const error = await failure(clientOf(server.host).upload('a', descriptor, async () => Readable.from([layer])))
    expect(error.code).toBe('registry-invalid')
    expect(other.connections()).toBe(0)
  })

  test('a source that breaks ends the upload, cancels the session and is told as itself', async () => {
    const server = await taking(() => '/v2/a/blobs/uploads/1')
    const broken = new Error('broken source')
    const open = async () =>
      Readable.from(
        (function* () {
          yield layer.subarray(0, 1_000)
          throw broken
        })(),
      )
    expect(await failure(clientOf(server.host).upload('a', descriptor, open))).toBe(broken)
    expect(server.seen.map((request) => request.method)).toContain('DELETE')
  })

  test('an abort cancels the session', async () => {
    const server = await taking(() => '/v2/a/blobs/uploads/1')
    const controller = new AbortController()
    const reason = new Error('stop')
    const open = async () =>
      new Readable({
        read() {
          this.push(layer.subarray(0, 100))
          controller.abort(reason)
        },
      })
    const error = await failure(clientOf(server.host).upload('a', descriptor, open, { signal: controller.signal }))
    expect(error).toBe(reason)
    expect(server.seen.map((request) => request.method)).toContain('DELETE')
  })

  test('a lost session is begun again, progress only rising', async () => {
    let puts = 0
    const server = await serve(async (request, response) => {
      if (request.method !== 'PUT') return void response.writeHead(202, { location: '/v2/a/blobs/uploads/1' }).end()
      for await (const _ of request);
      response.writeHead(++puts === 1 ? 404 : 201).end()
    })
    let counted = 0
    await clientOf(server.host).upload('a', descriptor, async () => Readable.from([layer]), {
      onBytes: (n) => {
        counted += n
      },
    })
    expect(puts).toBe(2)
    expect(counted).toBe(layer.length)
  })

  test('"created" before the content was sent is not believed', async () => {
    const server = await serve((request, response) =>
      request.method === 'POST'
        ? response.writeHead(202, { location: '/v2/a/blobs/uploads/1' }).end()
        : response.writeHead(request.method === 'PUT' ? 201 : 204).end(),
    )
    const endless = { ...descriptor, size: 1e9 }
    const open = async () =>
      new Readable({
        read() {
          setImmediate(() => this.push(Buffer.alloc(1_000)))
        },
      })
    const error = await failure(clientOf(server.host, { limits: { registryRetriesMax: 0 } }).upload('a', endless, open))
    expect(error.code).toBe('upload-rejected')
  })

  test.each([
    [201, true],
    [202, false],
    [401, false],
    [400, false],
    [404, false],
  ])('a mount answered %i is %s (fault 31)', async (status, mounted) => {
    const server = await serve((request, response) =>
      response.writeHead(request.method === 'POST' ? status : 204, { location: '/v2/a/blobs/uploads/1' }).end(),
    )
    expect(await clientOf(server.host).mount('a', descriptor, 'b')).toBe(mounted)
    expect(server.seen.some((request) => request.method === 'DELETE')).toBe(status === 202)
  })
})

describe('lists', () => {
  test('follow Link only, drop what is no tag, and accept null', async () => {
    const server = await serve((request, response) => {
      const second = request.url?.includes('last=b')
      if (second) return response.end('{"tags":null}')
      return response
        .writeHead(200, { link: '</v2/a/tags/list?n=2&last=b>; rel="next"' })
        .end(`{"tags":["a",null,"${descriptor.digest}","b"]}`)
    })
    const client = clientOf(server.host)
    const first = await client.tags('a', { limit: 2 })
    expect(first).toEqual({ tags: ['a', 'b'], next: 'b' })
    expect(await client.tags('a', { last: 'b', limit: 2 })).toEqual({ tags: [] })
    expect(server.seen.map((request) => request.path)).toEqual(['/v2/a/tags/list?n=2', '/v2/a/tags/list?n=2&last=b'])
  })

  test('a Link to another host leads nowhere else, and a Link to itself is refused', async () => {
    const server = await serve((_, response) =>
      response.writeHead(200, { link: '<http://127.0.0.1:1/x?next_page=t0k>; rel=next' }).end('{"repositories":["a"]}'),
    )
    const client = clientOf(server.host)
    const { next } = await client.repositories()
    expect(next).toBe('?next_page=t0k')
    expect((await failure(client.repositories({ last: next ?? '' }))).code).toBe('registry-invalid')
    expect(server.seen[1]?.path).toBe('/v2/_catalog?next_page=t0k')
  })
})

describe('opening registries', () => {
  const opening = (find: (host: string) => Promise<{ host: string; allowPrivate?: boolean } | undefined>) => {
    const open = createOpenRegistry({
      find,
      limits: testLimits,
      clock: virtualClock(),
      random: fixedRandom,
      ecrToken: () => Promise.reject(new Error('none')),
    })
    onTestFinished(open.close)
    return open
  }

  test('a private address without leave opens no socket', async () => {
    const server = await serve((_, response) => response.end())
    for (const host of [server.host, `localhost:${server.port}`, `[::1]:${server.port}`, '10.0.0.1', '169.254.169.254'])
      expect((await failure(opening(async () => undefined)(host))).code).toBe('registry-not-allowed')
    expect(server.connections()).toBe(0)
  })

  test('there is one client per host, and every name of Docker Hub finds the same object', async () => {
    const asked: string[] = []
    const open = opening(async (host) => {
      asked.push(host)
      return undefined
    })
    expect(await open('docker.io')).toBe(await open('index.docker.io'))
    expect(asked).toEqual(['registry-1.docker.io'])
  })

  test('what was refused is looked up again', async () => {
    let allowed = false
    const open = opening(async (host) => (allowed ? { host, allowPrivate: true } : undefined))
    await failure(open('127.0.0.1:5000'))
    allowed = true
    expect((await open('127.0.0.1:5000')).host).toBe('127.0.0.1:5000')
  })

  test('an insecure host that only speaks https is found out, once', async () => {
    // A TLS listener without a certificate is enough: it answers plain http with a TLS alert and closes.
    const attempts: Buffer[] = []
    const tcp = createTcpServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', (data) => {
        attempts.push(data)
        socket.destroy()
      })
    }).listen(0, '127.0.0.1')
    await once(tcp, 'listening')
    onTestFinished(() => void tcp.close())
    const client = clientOf(`127.0.0.1:${(tcp.address() as AddressInfo).port}`, { limits: { registryRetriesMax: 0 } })
    expect((await failure(client.ping())).code).toBe('registry-unavailable')
    expect(attempts.map((data) => data[0] === 0x16)).toEqual([false, true])
  })
})
