import { expect, test } from 'vitest'
import { sweepExecutions } from '../../lib/job/execution-sweep.ts'
import { type ApiWorld, apiWorld, appImage, expectProblem } from './world.ts'

const UNKNOWN = '01JD9W3Q4V5X6Y7Z8A9B0C1D2E'
const NO_COUNTS = {
  scheduled: 0,
  pending: 0,
  running: 0,
  retrying: 0,
  success: 0,
  error: 0,
  stopped: 0,
  canceled: 0,
  total: 0,
}

/** Three tags of two digests in one repository, one in another. */
async function withImages(): Promise<ApiWorld> {
  const world = await apiWorld()
  await world.publishAdvisories()
  await world.push(appImage(), 'v1')
  await world.push(appImage('2.0.0'), 'v2')
  await world.push(appImage('2.0.0'), 'latest')
  await world.push(appImage('3.0.0'), 'v1', 'team/web')
  return world
}
const all = (world: ApiWorld, pattern = 'team/*:v*') => ({ type: 'scan', images: [`${world.source.host}/${pattern}`] })

test('an execution is accepted, lists its images, and counts its children', async () => {
  const world = await withImages()
  const answer = await world.post('/v1/executions', all(world))
  expect(answer.status).toBe(202)
  const { id } = answer.json
  expect(answer.headers.get('location')).toBe(`/v1/executions/${id}`)
  expect(answer.json).toEqual({
    id,
    type: 'scan',
    policy: null,
    trigger: 'request',
    instant: null,
    status: 'running',
    listing: true,
    generation: 0,
    counts: NO_COUNTS,
    unresolved: { count: 0, items: [] },
    error: null,
    createdAt: '2026-11-22T12:00:00.000Z',
    finishedAt: null,
    links: { self: `/v1/executions/${id}`, jobs: `/v1/jobs?execution=${id}` },
  })
  await world.deliver()
  const done = await world.get(`/v1/executions/${id}`)
  expect(done.json).toMatchObject({ status: 'success', listing: false, failures: [] })
  expect(done.json.counts).toEqual({ ...NO_COUNTS, success: 3, total: 3 })
  const children = await world.get(done.json.links.jobs)
  expect(children.json.jobs).toHaveLength(3)
  for (const job of children.json.jobs) expect(job).toMatchObject({ execution: id, type: 'scan', status: 'success' })
  // Children are not among the jobs submitted by hand.
  expect((await world.get('/v1/jobs')).json.jobs).toEqual([])

  await world.clock.advance(60_000)
  await sweepExecutions(world.env)
  expect((await world.get(`/v1/executions/${id}`)).json).toMatchObject({
    status: 'success',
    counts: { success: 3, total: 3 },
    finishedAt: expect.any(String),
  })
})

test('failures are listed with their reason, and a tag that is named but missing too', async () => {
  const hooks = ({ method, path }: { method: string; path: string }) =>
    method === 'GET' && path.includes('/team/web/manifests/sha256') ? { flipBitAtByte: 5 } : undefined
  const world = await apiWorld({ source: { hooks } })
  await world.publishAdvisories()
  await world.push(appImage(), 'v1', 'team/web')
  await world.push(appImage('2.0.0'), 'v1')
  const { host } = world.source
  const images = [`${host}/team/*:v*`, `${host}/team/app:v9`]
  const { json } = await world.post('/v1/executions', { type: 'scan', images })
  await world.deliver()
  const done = (await world.get(`/v1/executions/${json.id}`)).json
  expect(done).toMatchObject({ status: 'error', counts: { success: 1, error: 1, total: 2 } })
  expect(done.failures).toEqual([
    {
      job: expect.stringMatching(/^[0-9A-Z]{26}$/),
      image: expect.stringContaining(`${host}/team/web:v1@sha256:`),
      error: { code: 'digest-mismatch', message: expect.stringContaining('team/web'), retryable: false },
    },
  ])
  expect(done.unresolved).toEqual({
    count: 1,
    items: [{ item: `${host}/team/app:v9`, code: 'image-not-found', message: expect.any(String) }],
  })
})

test('executions are listed newest first, page by page, also of one policy', async () => {
  const world = await withImages()
  const policy = await world.post('/v1/policies', { name: 'all', ...all(world) })
  const ids: string[] = []
  for (const path of ['/v1/executions', `/v1/policies/${policy.json.id}/run`, '/v1/executions']) {
    const { json } = await world.post(path, path.endsWith('run') ? undefined : all(world))
    ids.unshift(json.id)
    await world.clock.advance(1_000)
  }
  const list = async (path: string) => (await world.get(path)).json.executions.map(({ id }: { id: string }) => id)
  expect(await list('/v1/executions')).toEqual(ids)
  expect(await list(`/v1/executions?policy=${policy.json.id}`)).toEqual([ids[1]])
  const page = await world.get('/v1/executions?limit=2')
  expect(page.json.executions.map(({ id }: { id: string }) => id)).toEqual(ids.slice(0, 2))
  const next = page.headers.get('link')?.match(/^<(.*)>; rel="next"$/)?.[1] ?? ''
  expect(await list(next)).toEqual(ids.slice(2))
  // A month later they are still there.
  await world.clock.advance(31 * 86_400_000)
  expect(await list('/v1/executions')).toEqual(ids)
  for (const query of ['cursor=abc', 'cursor=IjIwIg', 'policy=7', 'limit=1000', 'polcy=x'])
    expectProblem(await world.get(`/v1/executions?${query}`), 422, 'invalid-value', `/query/${query.split('=')[0]}`)
})

test('stop ends an execution with all its jobs: 202, 200, 409 after its end, 404', async () => {
  const world = await withImages()
  const { json } = await world.post('/v1/executions', all(world))
  const path = `/v1/executions/${json.id}`
  const stop = await world.post(`${path}/stop`)
  expect([stop.status, stop.json.status]).toEqual([202, 'stopped'])
  expect((await world.post(`${path}/stop`)).status).toBe(200)
  await world.deliver()
  expect((await world.get(path)).json).toMatchObject({ status: 'stopped', counts: { success: 0, running: 0 } })

  const other = await world.post('/v1/executions', all(world))
  await world.deliver()
  // Its end was shown before the sweep has written it; a stop must not change it.
  expectProblem(await world.post(`/v1/executions/${other.json.id}/stop`), 409, 'conflict')
  expect((await world.get(`/v1/executions/${other.json.id}`)).json.status).toBe('success')
  expectProblem(await world.post(`/v1/executions/${UNKNOWN}/stop`), 404, 'execution-not-found')
  expectProblem(await world.get(`/v1/executions/${UNKNOWN}`), 404, 'execution-not-found')
  expectProblem(await world.get('/v1/executions/seven'), 404, 'execution-not-found')
})

test('a bulk replication copies every tag under the namespace', async () => {
  const world = await withImages()
  const answer = await world.post('/v1/executions', {
    type: 'replicate',
    source: { registry: world.source.host, repositories: ['team/*'], tags: ['v*'] },
    target: { registry: world.target.host, namespace: 'mirror' },
  })
  expect(answer.status).toBe(202)
  await world.deliver()
  expect((await world.get(`/v1/executions/${answer.json.id}`)).json).toMatchObject({ counts: { success: 3, total: 3 } })
  const head = await fetch(`${world.target.url}/v2/mirror/team/web/manifests/v1`, { method: 'HEAD' })
  expect(head.status).toBe(200)
})

test.each([
  ['a body that is a list', [], ''],
  ['no type', {}, '/type'],
  ['an unknown type', { type: 'dance' }, '/type'],
  ['no images', { type: 'scan' }, '/images'],
  ['an empty list', { type: 'scan', images: [] }, '/images'],
  ['a pattern that is none', { type: 'scan', images: ['Team/App'] }, '/images/0'],
  ['a registry that varies', { type: 'scan', images: ['*.example/a'] }, '/images/0'],
  ['a schedule, which belongs to a policy', { type: 'scan', images: ['a.example/b'], cron: '0 * * * *' }, '/cron'],
  ['a name', { type: 'scan', images: ['a.example/b'], name: 'x' }, '/name'],
  ['no source', { type: 'replicate', target: { registry: 'a.example' } }, '/source'],
])('POST /v1/executions names what is wrong in %s, and keeps nothing', async (_what, body, pointer) => {
  const world = await apiWorld()
  expectProblem(await world.post('/v1/executions', body), 422, 'invalid-value', pointer)
  expect([world.writes, world.sent]).toEqual([[], []])
})

test('a registry that is not allowed is refused before anything is kept', async () => {
  const world = await apiWorld({ allowed: false })
  expectProblem(await world.post('/v1/executions', all(world)), 422, 'registry-not-allowed', '/images')
  expect([world.writes, world.sent, world.source.requests]).toEqual([[], [], []])
})
