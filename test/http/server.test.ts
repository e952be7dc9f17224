import { describe, expect, test } from 'vitest'
import { apiWorld, appImage, expectProblem } from './world.ts'

const UNKNOWN = '01JD9W3Q4V5X6Y7Z8A9B0C1D2E'

describe('the router', () => {
  test('answers unknown routes with a problem', async () => {
    const world = await apiWorld()
    for (const path of ['/', '/v1', '/v1/job', '/v2/', '/v1/jobs/', '/api/jobs', `/v1/jobs/${UNKNOWN}/nothing`])
      expectProblem(await world.get(path), 404, 'route-not-found')
  })

  test.each([
    ['DELETE', '/v1/jobs', 'GET, HEAD, POST'],
    ['PUT', `/v1/jobs/${UNKNOWN}`, 'GET, HEAD'],
    ['GET', `/v1/jobs/${UNKNOWN}/stop`, 'POST'],
    ['POST', '/healthz', 'GET, HEAD'],
    ['PATCH', `/v1/policies/${UNKNOWN}`, 'GET, HEAD, PUT, DELETE'],
    ['POST', '/v1/registries/a.example', 'GET, HEAD, PUT, DELETE'],
    ['GET', '/api/jobs/scan', 'POST'],
    ['OPTIONS', '/v1/queues', 'GET, HEAD'],
  ])('answers %s %s with 405 and the methods there are', async (method, path, allow) => {
    const world = await apiWorld()
    const answer = await world.call(method, path)
    expectProblem(answer, 405, 'method-not-allowed')
    expect(answer.headers.get('allow')).toBe(allow)
  })

  test.each(['http://evil.example', 'null', 'http://127.0.0.1:9999'])(
    'refuses what a page of %s asks for, and stores nothing',
    async (origin) => {
      const world = await apiWorld()
      const headers = { origin, host: '127.0.0.1:3000' }
      expectProblem(await world.get('/v1/jobs', headers), 403, 'forbidden')
      expectProblem(await world.post('/v1/registries/a.example/test', {}, headers), 403, 'forbidden')
      expectProblem(await world.call('DELETE', '/v1/registries/a.example', undefined, headers), 403, 'forbidden')
      expect((await world.get('/v1/jobs', { ...headers, origin: 'http://127.0.0.1:3000' })).status).toBe(200)
    },
  )

  test('answers HEAD as GET without a body', async () => {
    const world = await apiWorld()
    for (const path of ['/healthz', '/v1/jobs', '/openapi.json']) {
      const head = await world.call('HEAD', path)
      expect([head.status, head.text]).toEqual([200, ''])
      expect(head.headers.get('content-type')).toMatch(/^application\/json/)
    }
    expect((await world.call('HEAD', `/v1/jobs/${UNKNOWN}`)).status).toBe(404)
  })

  test('tells nothing of an error it did not foresee', async () => {
    const world = await apiWorld()
    world.env.objects.list = async () => {
      throw new TypeError('secret inside')
    }
    const answer = await world.get('/v1/registries')
    expectProblem(answer, 500, 'internal')
    expect(answer.text).not.toContain('secret inside')
    expect(world.everything()).toContain('secret inside')
  })
})

test('/healthz says ok and the version', async () => {
  const world = await apiWorld()
  expect((await world.get('/healthz')).json).toEqual({ status: 'ok', version: '0.0.0-test' })
})

test('/v1/queues shows what waits in each lane, and for how long', async () => {
  const world = await apiWorld()
  await world.push(appImage())
  const image = `${world.source.host}/team/app:1.0`
  await world.submit(image)
  await world.clock.advance(90_000)
  await world.submit(image)
  const { json } = await world.get('/v1/queues')
  expect(json.queues.map(({ name }: { name: string }) => name)).toEqual([
    'scan',
    'scan-bulk',
    'replicate',
    'replicate-bulk',
  ])
  expect(json.queues[0]).toEqual({
    name: 'scan',
    type: 'scan',
    lane: 'interactive',
    pool: 4,
    messages: { waiting: 2, inFlight: 0, delayed: 0 },
    jobs: { waiting: 2, running: 0 },
    oldestWaitingSeconds: 90,
    complete: true,
  })
  expect(json.queues[3]).toMatchObject({ messages: { waiting: 0 }, jobs: { waiting: 0 }, oldestWaitingSeconds: null })
})

describe('/openapi.json', () => {
  type Schema = { [key: string]: unknown }
  interface Operation {
    summary: string
    parameters?: { name: string; in: string; required?: boolean; schema: Schema }[]
    requestBody?: { required: boolean; content: { [type: string]: { schema: Schema } } }
    responses: { [status: string]: { description: string; content?: { [type: string]: { schema: Schema } } } }
  }
  interface Document {
    openapi: string
    info: { title: string; version: string }
    paths: { [path: string]: { [method: string]: Operation } }
    components: { schemas: { [name: string]: Schema } }
  }
  const load = async () => (await (await apiWorld()).get('/openapi.json')).json as Document

  /** Every value under a key, wherever it stands. */
  function* valuesOf(node: unknown, key: string): Generator<unknown> {
    if (typeof node !== 'object' || node === null) return
    for (const [name, value] of Object.entries(node)) {
      if (name === key) yield value
      yield* valuesOf(value, key)
    }
  }

  test('has every route of the API, and only those', async () => {
    const world = await apiWorld()
    const document = (await world.get('/openapi.json')).json as Document
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    const routes = world.app.routes
      .filter(({ method, path }) => method !== 'ALL' && path !== '/*')
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`)
    expect(new Set(described)).toEqual(new Set(routes))
    expect(described).toEqual(expect.arrayContaining(['POST /v1/jobs', 'GET /v1/jobs/{id}/log', 'GET /healthz']))
  })

  test('is OpenAPI 3.1 whose references lead somewhere', async () => {
    const document = await load()
    expect(document.openapi).toBe('3.1.0')
    expect(document.info).toMatchObject({ title: 'Longshore', version: expect.any(String) })
    for (const reference of valuesOf(document, '$ref')) {
      expect(reference).toMatch(/^#\/components\/schemas\/\w+$/)
      expect(document.components.schemas).toHaveProperty(String(reference).split('/').at(-1) ?? '')
    }
    // A dialect of its own inside a schema, or the word of 3.0, is no 3.1.
    expect([...valuesOf(document, '$schema'), ...valuesOf(document, 'nullable')]).toEqual([])
    const schemas = JSON.stringify(document)
    expect(schemas).toContain('"ScanRequest"')
    expect(schemas).toContain('"ReplicateRequest"')
  })

  test('describes every operation: parameters of the path, a body of JSON, problems as answers', async () => {
    const { paths } = await load()
    for (const [path, methods] of Object.entries(paths))
      for (const [method, operation] of Object.entries(methods)) {
        const what = `${method} ${path}`
        expect(operation.summary, what).toMatch(/^[A-Z].{5,}/)
        const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
        const parameters = operation.parameters ?? []
        expect(
          parameters.filter((one) => one.in === 'path').map((one) => one.name),
          what,
        ).toEqual(named)
        // Of the queries one has to be asked for something.
        const isRequired = (one: { in: string; name: string }) =>
          one.in === 'path' || (path === '/v1/packages' && one.name === 'name')
        for (const one of parameters) expect(one.required === true, what).toBe(isRequired(one))
        for (const [status, answer] of Object.entries(operation.responses)) {
          expect(status, what).toMatch(/^[2-5]\d\d$/)
          expect(answer.description, what).not.toBe('')
          if (Number(status) >= 400 && !path.startsWith('/api/'))
            expect(Object.keys(answer.content ?? {}), what).toEqual(['application/problem+json'])
        }
        if (operation.requestBody)
          expect(Object.keys(operation.requestBody.content['application/json']?.schema ?? {}), what).not.toEqual([])
      }
  })
})
