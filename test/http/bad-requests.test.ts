import { describe, expect, test } from 'vitest'
import { apiWorld, expectProblem } from './world.ts'

const image = 'registry.example/team/app:1.0'
const scan = (params: unknown) => JSON.stringify({ type: 'scan', params })
const copy = (params: object) => JSON.stringify({ type: 'replicate', params })
const digest = `sha256:${'a'.repeat(64)}`

/** Sent as they are; nothing may be kept and no socket opened. */
async function refused(body: string | undefined, headers: Record<string, string> = {}) {
  const world = await apiWorld()
  const answer = await world.post('/v1/jobs', body, headers)
  expect([world.writes, world.sent]).toEqual([[], []])
  return answer
}

describe('POST /v1/jobs keeps nothing and says what is wrong with a body that', () => {
  test.each([
    ['is not JSON', '{"type": "scan",', ''],
    ['is JSON with a comma too many', '{"type":"scan","params":{"image":"a/b:1"},}', ''],
    ['is empty', '', ''],
    ['is blank', '  \n', ''],
    ['is the word undefined', 'undefined', ''],
  ])('%s: 400', async (_what, body, pointer) => {
    expectProblem(await refused(body), 400, 'malformed-request', pointer)
  })

  test('is not there', async () => {
    expectProblem(await refused(undefined), 400, 'malformed-request', '')
    expectProblem(await refused(undefined, { 'content-type': 'application/json' }), 400, 'malformed-request', '')
  })

  test.each([
    ['text/plain'],
    ['application/x-www-form-urlencoded'],
    ['multipart/form-data; boundary=x'],
    ['application/xml'],
    ['nonsense'],
  ])('is sent as %s', async (type) => {
    const answer = await refused(scan({ image }), { 'content-type': type })
    expectProblem(answer, 415, 'unsupported-content-type')
    expect(answer.json.detail).toContain('application/json')
  })

  test.each([
    ['is a list', '[]', ''],
    ['is a text', '"scan"', ''],
    ['is a number', '7', ''],
    ['is null', 'null', ''],
    ['has no type', '{"params":{}}', '/type'],
    ['has an unknown type', '{"type":"dance","params":{}}', '/type'],
    ['has a type that is a number', '{"type":7,"params":{}}', '/type'],
    ['has an unknown field', `{"type":"scan","params":{"image":"${image}"},"priority":1}`, '/priority'],
    ['has an unknown parameter', scan({ image, tag: '1.0' }), '/params/tag'],
    ['has no parameters', '{"type":"scan"}', '/params'],
    ['has parameters that are a list', scan([]), '/params'],
    ['has parameters that are null', scan(null), '/params'],
    ['names no image', scan({}), '/params/image'],
    ['names an image by a number', scan({ image: 7 }), '/params/image'],
    ['has a platform that is none', scan({ image, platform: 'linux' }), '/params/platform'],
    ['has a platform that is a number', scan({ image, platform: 7 }), '/params/platform'],
    ['names no source', copy({ target: image }), '/params/source'],
    ['names no target', copy({ source: image }), '/params/target'],
    ['names a target by digest', copy({ source: image, target: `b.example/c@${digest}` }), '/params/target'],
    ['copies an image onto itself', copy({ source: image, target: image }), '/params/target'],
    [
      'has platforms that are no list',
      copy({ source: image, target: 'b.example/c', platforms: 'x' }),
      '/params/platforms',
    ],
    ['has a broken platform', copy({ source: image, target: 'b.example/c', platforms: ['x'] }), '/params/platforms/0'],
    ['has no platform', copy({ source: image, target: 'b.example/c', platforms: [] }), '/params/platforms'],
    ['overrides with a text', copy({ source: image, target: 'b.example/c', override: 'no' }), '/params/override'],
    ['has a key with a slash', scan({ image, 'a/b~c': 1 }), '/params/a~1b~0c'],
    ['has a prototype in it', `{"type":"scan","params":{"image":"${image}","__proto__":{"x":1}}}`, '/params/__proto__'],
  ])('%s: 422 with its field', async (_what, body, pointer) => {
    expectProblem(await refused(body), 422, 'invalid-value', pointer)
  })

  test.each([
    ['empty', ''],
    ['blank', ' '],
    ['2 KB long', `registry.example/${'a/'.repeat(1_000)}b`],
    ['climbing with ..', 'registry.example/../etc/passwd:1'],
    ['climbing in the tag', 'registry.example/team/app:../../x'],
    ['in upper case', 'registry.example/Team/App:1'],
    ['in unicode', 'registry.example/tëam/app:1'],
    ['with a right-to-left mark', 'registry.example/team/\u202eapp:1'],
    ['with a null byte', 'registry.example/team/app\u0000:1'],
    ['with a line break', 'registry.example/team/app\nHost: x:1'],
    ['with a scheme', 'https://registry.example/team/app:1'],
    ['with a user', 'user:password@registry.example/team/app:1'],
    ['with a query', 'registry.example/team/app?x=1'],
    ['with an encoded slash', 'registry.example/team%2fapp:1'],
    ['with two slashes', 'registry.example//app:1'],
    ['with a slash at the end', 'registry.example/team/'],
    ['without a repository', 'registry.example:5000/'],
    ['with an empty tag', 'registry.example/team/app:'],
    ['with a short digest', 'registry.example/team/app@sha256:abc'],
    ['with an upper-case digest', `registry.example/team/app@sha256:${'A'.repeat(64)}`],
    ['with an unknown digest', `registry.example/team/app@md5:${'a'.repeat(32)}`],
    ['with an empty digest', 'registry.example/team/app@'],
    ['with a port that is none', 'registry.example:99999/team/app'],
    ['with a host in octal', '0177.0.0.1/team/app'],
    ['with a host as a number', '2130706433:80/team/app'],
  ])('names an image %s', async (_what, bad) => {
    const answer = await refused(scan({ image: bad }))
    expectProblem(answer, 422, 'invalid-value', '/params/image')
    expect(answer.text).not.toContain('password@')
    expectProblem(await refused(copy({ source: image, target: bad })), 422, 'invalid-value', '/params/target')
  })

  test('is too large, whatever its Content-Length says', async () => {
    const body = scan({ image, platform: 'x'.repeat(300_000) })
    expectProblem(await refused(body), 413, 'request-too-large')
    expectProblem(await refused(body, { 'content-length': '10' }), 413, 'request-too-large')
    expectProblem(await refused('{}', { 'content-length': '99999999' }), 413, 'request-too-large')
  })

  test('is nested very deep', async () => {
    expectProblem(await refused(`${'['.repeat(20_000)}${']'.repeat(20_000)}`), 422, 'invalid-value', '')
  })

  test('comes with an idempotency key that is none', async () => {
    for (const key of ['', 'k'.repeat(256)])
      expectProblem(
        await refused(scan({ image }), { 'idempotency-key': key }),
        422,
        'invalid-value',
        '/header/idempotency-key',
      )
  })
})

test('every other route that takes a body refuses what is not JSON', async () => {
  const world = await apiWorld()
  for (const [method, path] of [
    ['POST', '/v1/executions'],
    ['POST', '/v1/policies'],
    ['PUT', '/v1/policies/01JD9W3Q4V5X6Y7Z8A9B0C1D2E'],
    ['PUT', '/v1/registries/a.example'],
  ] as const) {
    for (const body of ['{', '', undefined])
      expectProblem(await world.call(method, path, body), 400, 'malformed-request', '')
    expectProblem(
      await world.call(method, path, '{}', { 'content-type': 'text/plain' }),
      415,
      'unsupported-content-type',
    )
    expectProblem(await world.call(method, path, `"${'x'.repeat(300_000)}"`), 413, 'request-too-large')
  }
  expect([world.writes, world.sent]).toEqual([[], []])
})

test.each([
  ['POST', '/v1/jobs', (deep: string) => `{"type":"scan","params":${deep}}`],
  ['POST', '/v1/jobs', (deep: string) => deep],
  ['POST', '/v1/executions', (deep: string) => `{"type":"scan","images":${deep}}`],
  ['POST', '/v1/policies', (deep: string) => `{"name":"a","type":"scan","images":["a/b"],"cron":${deep}}`],
  ['PUT', '/v1/registries/r.test', (deep: string) => `{"credentials":${deep}}`],
  ['PUT', '/v1/exceptions/a', (deep: string) => `{"id":"CVE-1","reason":${deep}}`],
  ['PUT', '/v1/retention', (deep: string) => `{"rules":${deep}}`],
  ['POST', '/v1/sboms/report', (deep: string) => `{"bomFormat":${deep}}`],
  ['POST', '/api/jobs/scan', (deep: string) => `{"repository":${deep}}`],
])('%s %s with JSON nested 100,000 deep is refused', async (method, path, body) => {
  const world = await apiWorld()
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
  ] as const) {
    const depth = open === '[' ? 100_000 : 30_000
    const deep = `${open.repeat(depth)}1${close.repeat(depth)}`
    const answer = await world.app.request(path, {
      method,
      headers: { 'content-type': 'application/json', 'idempotency-key': 'k' },
      body: body(deep),
    })
    expect([400, 422]).toContain(answer.status)
  }
})
