/** Registries that misbehave while the digest is resolved: the caller learns it at once, and nothing is kept. */
import { createServer } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { htmlPage, throttled } from '../../lib/local/registry/faults.ts'
import { serve } from '../oci/server.ts'
import { type Answer, type ApiWorld, apiWorld, appImage, expectProblem, type WorldOptions } from './world.ts'

const open = (host: string) => ({ host, insecure: true, allowPrivate: true })

/** Asks for a scan and for a copy of the image; asserts that nothing was kept; the answer to the scan. */
async function refused(world: ApiWorld, host: string, image = 'team/app:1.0'): Promise<Answer> {
  const params = { source: `${host}/${image}`, target: `${world.target.host}/mirror/app:1.0` }
  const copy = await world.post('/v1/jobs', { type: 'replicate', params })
  const answer = await world.post('/v1/jobs', { type: 'scan', params: { image: `${host}/${image}` } })
  expect(copy.status).toBe(answer.status)
  expect(copy.json.type).toBe(answer.json.type)
  expect(copy.json.errors[0].pointer).toBe('/params/source')
  expect([world.writes, world.sent]).toEqual([[], []])
  expect((await world.get('/v1/jobs')).json.jobs).toEqual([])
  expect(await world.env.queue.depth('scan')).toEqual({ waiting: 0, inFlight: 0, delayed: 0 })
  return answer
}

/** A world with a scripted registry of this behaviour. */
async function scripted(handler: Parameters<typeof serve>[0], options: WorldOptions = {}) {
  const server = await serve(handler)
  const world = await apiWorld({ ...options, fixed: [open(server.host)] })
  return { world, server }
}

test('an unknown tag, repository or digest is 404 and says what to check', async () => {
  const world = await apiWorld()
  await world.push(appImage())
  const { host } = world.source
  for (const image of ['team/app:9.9', 'team/other:1.0', `team/app@sha256:${'b'.repeat(64)}`]) {
    const answer = await refused(world, host, image)
    expectProblem(answer, 404, 'image-not-found', '/params/image')
    expect(answer.json.retryable).toBe(false)
    expect(answer.json.detail).toContain(image.split(':')[0])
  }
})

test('a dead registry is 502 and worth a retry', async () => {
  const gone = createServer()
  await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve))
  const { port } = gone.address() as { port: number }
  await new Promise((resolve) => gone.close(resolve))
  const host = `127.0.0.1:${port}`
  const world = await apiWorld({ fixed: [open(host)] })
  const answer = await refused(world, host)
  expectProblem(answer, 502, 'registry-unavailable', '/params/image')
  expect(answer.json.retryable).toBe(true)
  expect(answer.json.detail).toContain(host)
})

describe('a registry that answers', () => {
  test.each([
    ['with a web page in its own name', htmlPage(200), 502, 'manifest-invalid', false],
    ['500', { status: 500 }, 502, 'registry-unavailable', true],
    ['503', { status: 503 }, 502, 'registry-unavailable', true],
    ['401 without a challenge', { status: 401 }, 502, 'registry-unauthorized', false],
    [
      '401 and asks for a password',
      { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } },
      502,
      'registry-unauthorized',
      false,
    ],
    ['403', { status: 403 }, 502, 'registry-unauthorized', false],
    ['418', { status: 418 }, 502, 'registry-invalid', false],
    ['by hanging up', { drop: true }, 502, 'registry-unavailable', true],
  ])('%s', async (_what, fault, status, code, retryable) => {
    const world = await apiWorld({
      source: { hooks: ({ path }) => (path.includes('/manifests/') ? fault : undefined) },
    })
    const answer = await refused(world, world.source.host)
    expectProblem(answer, status, code, '/params/image')
    expect(answer.json.retryable).toBe(retryable)
  })

  test.each([200, 404])('with a web page and %i, as a portal or a proxy does', async (status) => {
    const { world, server } = await scripted((_request, response) => {
      response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' }).end('<p>Sign in</p>')
    })
    const answer = await refused(world, server.host)
    expectProblem(answer, 502, 'registry-invalid', '/params/image')
    expect(answer.json.detail).toContain('web page')
  })

  test('429 is passed on with its Retry-After, which is not waited for', async () => {
    const world = await apiWorld({ source: { hooks: () => throttled(30) } })
    const answer = await refused(world, world.source.host)
    expectProblem(answer, 429, 'registry-throttled', '/params/image')
    expect(answer.headers.get('retry-after')).toBe('30')
    expect(answer.json.retryable).toBe(true)
    // One request for the scan, one for the copy.
    expect(world.source.requests).toHaveLength(2)
  })

  test('401 to every token it gave out is asked a few times, not for ever', async () => {
    const { world, server } = await scripted((request, response) => {
      if (request.url?.startsWith('/token')) return void response.end('{"token":"t"}')
      const realm = `http://${request.headers.host}/token`
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}",service="x"` }).end()
    })
    expectProblem(await refused(world, server.host), 502, 'registry-unauthorized', '/params/image')
    expect(server.seen.length).toBeLessThanOrEqual(8)
  })

  test('a token service that answers with a web page', async () => {
    const { world, server } = await scripted((request, response) => {
      if (request.url?.startsWith('/token'))
        return void response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Sign in</p>')
      response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${request.headers.host}/token"` }).end()
    })
    expectProblem(await refused(world, server.host), 502, 'registry-invalid', '/params/image')
  })

  test('a digest that is none', async () => {
    const { world, server } = await scripted((_request, response) => {
      response.writeHead(200, { 'docker-content-digest': 'sha256:abc', 'content-type': 'application/json' }).end('{}')
    })
    const answer = await refused(world, server.host)
    expect(answer.status).toBe(502)
    expect(answer.json.retryable).toBe(false)
  })

  test('something that is not HTTP', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.end('220 mail.example ESMTP\r\n')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const host = `127.0.0.1:${(server.address() as { port: number }).port}`
    const world = await apiWorld({ fixed: [open(host)] })
    expect((await refused(world, host)).status).toBe(502)
  })

  test('a redirect round in a circle', async () => {
    const { world, server } = await scripted((request, response) => {
      response.writeHead(307, { location: request.url ?? '/' }).end()
    })
    expect((await refused(world, server.host)).status).toBe(502)
    expect(server.seen.length).toBeLessThan(30)
  })
})

test.each([
  ['never', () => {}],
  [
    'head first and then nothing',
    (response: { writeHead: (status: number, headers: object) => void; flushHeaders: () => void }) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 })
      response.flushHeaders()
    },
  ],
])('a registry that answers %s is 504 within the budget of the resolution', async (_what, begin) => {
  const { world, server } = await scripted(
    (request, response) => {
      if (request.method === 'HEAD') return void response.writeHead(405).end()
      begin(response as never)
    },
    { limits: { resolveTimeoutMs: 150 } },
  )
  const started = performance.now()
  const answer = await refused(world, server.host)
  expectProblem(answer, 504, 'registry-timeout', '/params/image')
  expect(answer.json.retryable).toBe(true)
  // Two of 150 ms each, where the default would be two of 5 s; the rest is a busy machine.
  expect(performance.now() - started).toBeLessThan(5_000)
})

describe('an address that nobody allowed is 422 and gets no socket:', () => {
  test.each([
    ['loopback', (port: number) => `127.0.0.1:${port}`],
    ['loopback by name', (port: number) => `localhost:${port}`],
    ['loopback in IPv6', (port: number) => `[::1]:${port}`],
    ['loopback mapped into IPv6', (port: number) => `[::ffff:7f00:1]:${port}`],
  ])('%s', async (_what, hostOf) => {
    const server = await serve((_request, response) => void response.end('inside'))
    const world = await apiWorld()
    const answer = await refused(world, hostOf(server.port))
    expectProblem(answer, 422, 'registry-not-allowed', '/params/image')
    expect(answer.json.detail).toContain('allowPrivate')
    expect(server.connections()).toBe(0)
  })

  test.each(['10.0.0.1', '192.168.1.1', '172.16.0.1', '169.254.169.254', '[fe80::1]', '0.0.0.0', '[fd00::1]:5000'])(
    'host %s',
    async (host) => {
      const world = await apiWorld()
      expectProblem(await refused(world, host), 422, 'registry-not-allowed', '/params/image')
    },
  )

  test('link-local, the address of cloud credentials, even when the object allows private ones', async () => {
    const world = await apiWorld({ fixed: [open('169.254.169.254')] })
    expectProblem(await refused(world, '169.254.169.254'), 422, 'registry-not-allowed', '/params/image')
  })

  test('the target of a replication, before the source is asked', async () => {
    const server = await serve((_request, response) => void response.end('inside'))
    const world = await apiWorld()
    await world.push(appImage())
    world.source.requests.length = 0
    const params = { source: `${world.source.host}/team/app:1.0`, target: `${server.host}/mirror/app:1.0` }
    const answer = await world.post('/v1/jobs', { type: 'replicate', params })
    expectProblem(answer, 422, 'registry-not-allowed', '/params/target')
    expect([server.connections(), world.source.requests, world.writes, world.sent]).toEqual([0, [], [], []])
  })
})
