import { describe, expect, test } from 'vitest'
import { serve } from '../oci/server.ts'
import { apiWorld, appImage, expectProblem } from './world.ts'

const PASSWORD = 'canary-5f1e-Zq7&"\\p@ss'
const open = { insecure: true, allowPrivate: true }

describe('/v1/registries', () => {
  test('keeps objects by host: put, get, list, replace, delete', async () => {
    const world = await apiWorld()
    const path = '/v1/registries/Registry.Example:5000'
    const credentials = { username: 'robot', password: PASSWORD }
    const put = await world.call('PUT', path, { ...open, credentials, requestsPerSecond: 2 })
    expect(put.status).toBe(200)
    const shown = {
      host: 'registry.example:5000',
      ...open,
      credentials: { username: 'robot' },
      requestsPerSecond: 2,
      source: 'api',
    }
    expect(put.json).toEqual(shown)
    expect((await world.get(path)).json).toEqual(shown)
    expect((await world.get('/v1/registries')).json.registries).toContainEqual(shown)
    const secretName = 'registries/main/registry.example:5000'
    expect((await world.secrets.get(secretName))?.reveal()).toContain('canary-5f1e')

    const replaced = await world.call('PUT', path, { credentials: { secret: 'team/robot' } })
    expect(replaced.json).toEqual({
      host: 'registry.example:5000',
      credentials: { secret: 'team/robot' },
      source: 'api',
    })
    // Nothing points to the password any more, so it is not kept.
    expect(await world.secrets.get(secretName)).toBeUndefined()

    await world.call('PUT', path, { credentials })
    expect((await world.call('DELETE', path)).status).toBe(204)
    expect(await world.secrets.get(secretName)).toBeUndefined()
    expectProblem(await world.get(path), 404, 'registry-not-found')
    expectProblem(await world.call('DELETE', path), 404, 'registry-not-found')
  })

  test('sends no password to another host that names it, also when it was stored before that was refused', async () => {
    const credentials = { username: 'robot', password: PASSWORD }
    const world = await apiWorld({ allowed: false })
    await world.call('PUT', '/v1/registries/good.example', { credentials })
    const { host } = world.source
    await world.env.store.put({
      pk: 'R#main',
      sk: host,
      v: 1,
      host,
      ...open,
      credentials: { secret: 'registries/main/good.example' },
      source: 'api',
    })
    const outcome = (await world.post(`/v1/registries/${host}/test`)).json
    expect(outcome).toMatchObject({ ok: false, error: { code: 'registry-unauthorized' } })
    expect(world.source.requests).toEqual([])
  })

  test('names every host of Docker Hub alike', async () => {
    const world = await apiWorld()
    await world.call('PUT', '/v1/registries/docker.io', { credentials: { username: 'u', password: 'p' } })
    expect((await world.get('/v1/registries/index.docker.io')).json.host).toBe('registry-1.docker.io')
  })

  test('does not change what the environment has set', async () => {
    const world = await apiWorld({
      fixed: [{ host: 'fixed.example', credentials: { username: 'env', password: PASSWORD } }],
    })
    const path = '/v1/registries/fixed.example'
    expect((await world.get(path)).json).toEqual({
      host: 'fixed.example',
      credentials: { username: 'env' },
      source: 'environment',
    })
    expectProblem(await world.call('PUT', path, { insecure: true }), 409, 'conflict')
    expectProblem(await world.call('DELETE', path), 409, 'conflict')
    expect(world.everything()).not.toContain('canary-5f1e')
    expect(world.writes).toEqual([])
  })

  test('is tested: answers, takes the credentials, or the reason why not', async () => {
    const credentials = { username: 'robot', password: PASSWORD }
    const world = await apiWorld({ allowed: false, source: { credentials } })
    const path = `/v1/registries/${world.source.host}`
    const outcome = async () => (await world.post(`${path}/test`)).json
    expect(await outcome()).toEqual({ ok: false, error: { code: 'registry-not-allowed', message: expect.any(String) } })
    expect(world.source.requests).toEqual([])
    await world.call('PUT', path, open)
    expect(await outcome()).toMatchObject({ ok: false, error: { code: 'registry-unauthorized' } })
    await world.call('PUT', path, { ...open, credentials: { ...credentials, password: 'wrong-canary-5f1e' } })
    expect(await outcome()).toMatchObject({ ok: false, error: { code: 'registry-unauthorized' } })
    // A password that was changed counts at once, also for clients the API keeps.
    await world.call('PUT', path, { ...open, credentials })
    expect(await outcome()).toEqual({ ok: true })
    await world.call('DELETE', path)
    expect(await outcome()).toMatchObject({ ok: false, error: { code: 'registry-not-allowed' } })
    expectProblem(await world.post('/v1/registries/a_b/test'), 422, 'invalid-value', '/host')
    expect(world.everything()).not.toContain('canary-5f1e')
  })

  test.each([
    ['a host with a scheme', 'https:%2F%2Fa.example', {}, '/host'],
    ['a host with a path', 'a.example%2Fteam', {}, '/host'],
    ['a port that is none', 'a.example:99999', {}, '/host'],
    ['another host in the body', 'a.example', { host: 'b.example' }, '/host'],
    ['insecure as a text', 'a.example', { insecure: 'yes' }, '/insecure'],
    ['an unknown field', 'a.example', { pasword: PASSWORD }, '/pasword'],
    ['no requests per second', 'a.example', { requestsPerSecond: 0 }, '/requestsPerSecond'],
    ['credentials as a text', 'a.example', { credentials: `robot:${PASSWORD}` }, '/credentials'],
    ['a user without a password', 'a.example', { credentials: { username: 'u' } }, '/credentials'],
    ['an empty password', 'a.example', { credentials: { username: 'u', password: '' } }, '/credentials'],
    ['a password as a number', 'a.example', { credentials: { username: 'u', password: 4711 } }, '/credentials'],
    ['a password and more', 'a.example', { credentials: { username: 'u', password: PASSWORD, x: 1 } }, '/credentials'],
    ['a secret with a blank', 'a.example', { credentials: { secret: `${PASSWORD} x` } }, '/credentials'],
    ["another host's password", 'a.example', { credentials: { secret: 'registries/main/b.example' } }, '/credentials'],
    [
      "another host's password by its ARN",
      'a.example',
      {
        credentials: {
          secret:
            'arn:aws:secretsmanager:eu-west-1:123456789012:secret:longshore/prod/registries/main/b.example-AbCdEf',
        },
      },
      '/credentials',
    ],
    ['an unknown login', 'a.example', { credentials: { type: 'gcr', token: PASSWORD } }, '/credentials'],
    ['a list', 'a.example', [PASSWORD], ''],
    ['a text', 'a.example', JSON.stringify(PASSWORD), ''],
  ])('refuses %s by name, repeats no password and keeps nothing', async (_what, host, body, pointer) => {
    const world = await apiWorld()
    const answer = await world.call('PUT', `/v1/registries/${host}`, body)
    expectProblem(answer, 422, 'invalid-value')
    expect(answer.json.errors.map((error: { pointer: string }) => error.pointer).join()).toContain(pointer)
    expect(answer.text).not.toMatch(/canary-5f1e|4711|\*\*\*/)
    expect(world.writes).toEqual([])
    expect(await world.secrets.get('registries/main/a.example')).toBeUndefined()
  })
})

test('a password put through the API is in no answer, record, message, log, blob, event or error', async () => {
  const credentials = { username: 'robot', password: PASSWORD }
  const world = await apiWorld({ allowed: false, source: { credentials }, target: { credentials } })
  await world.publishAdvisories()
  const authorization = `Basic ${Buffer.from(`robot:${PASSWORD}`).toString('base64')}`
  const { push } = await import('../../lib/local/demo/push.ts')
  await push(world.source.url, 'team/app', '1.0', appImage(), { authorization })
  for (const { host } of [world.source, world.target])
    await world.call('PUT', `/v1/registries/${host}`, { ...open, credentials })

  // All that works: scan, copy, bulk, report and log.
  const image = `${world.source.host}/team/app:1.0`
  const scan = await world.submit(image)
  expect((await world.end(scan)).status).toBe('success')
  const copy = { type: 'replicate', params: { source: image, target: `${world.target.host}/team/app:1.0` } }
  expect((await world.end(await world.submit(copy))).status).toBe('success')
  const bulk = await world.post('/v1/executions', { type: 'scan', images: [`${world.source.host}/team/*:*`] })
  await world.deliver()
  expect((await world.get(`/v1/executions/${bulk.json.id}`)).json.counts.success).toBe(1)
  for (const path of ['/log', '/log?follow=1', '/report', '/report?format=table'])
    await world.get(`/v1/jobs/${scan}${path}`)
  for (const path of ['/v1/jobs', '/v1/registries', '/v1/executions', '/v1/queues', '/openapi.json'])
    await world.get(path)

  // And what fails: a registry that repeats the credentials in its error, and one that redirects elsewhere.
  const echo = await serve((request, response) => {
    const message = `no: ${request.headers.authorization ?? ''} ${PASSWORD}`
    if (!request.headers.authorization) response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
    else
      response
        .writeHead(request.headers.authorization.startsWith('Basic') ? 403 : 401, {
          'content-type': 'application/json',
        })
        .end(JSON.stringify({ errors: [{ code: 'DENIED', message }] }))
  })
  await world.call('PUT', `/v1/registries/${echo.host}`, { ...open, credentials })
  expectProblem(
    await world.post('/v1/jobs', { type: 'scan', params: { image: `${echo.host}/team/app:1` } }),
    502,
    'registry-unauthorized',
    '/params/image',
  )
  expect((await world.post(`/v1/registries/${echo.host}/test`)).json.ok).toBe(false)
  expect(echo.seen.some(({ headers }) => headers.authorization?.startsWith('Basic'))).toBe(true)

  const everything = world.everything()
  expect(everything).toContain('job success')
  const base64 = Buffer.from(`robot:${PASSWORD}`).toString('base64')
  for (const form of [
    PASSWORD,
    JSON.stringify(PASSWORD).slice(1, -1),
    encodeURIComponent(PASSWORD),
    'canary-5f1e',
    base64,
  ])
    expect(everything.includes(form), form).toBe(false)
})
