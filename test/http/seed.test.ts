import { expect, test } from 'vitest'
import { type Answer, type ApiWorld, apiWorld, appImage } from './world.ts'

const UNKNOWN = '01JD9W3Q4V5X6Y7Z8A9B0C1D2E'
const copyAll = (world: ApiWorld) => ({
  name: 'mirror',
  type: 'replicate',
  source: { registry: world.source.host, repositories: ['team/*'], tags: ['v*'] },
  target: { registry: world.target.host, namespace: 'mirror' },
})

/** As in 2017: the status and a plain sentence. */
const expectPlain = (answer: Answer, status: number) => {
  expect(answer.status, answer.text).toBe(status)
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain/)
  expect(answer.text.length).toBeGreaterThan(5)
}

test('POST /api/jobs/scan scans an image of the default registry, and its log is a download', async () => {
  const world = await apiWorld()
  await world.publishAdvisories()
  await world.push(appImage(), 'v1')
  const answer = await world.post('/api/jobs/scan', { repository: 'team/app', tag: 'v1' })
  expect(answer.status).toBe(200)
  const { id } = answer.json
  expect(answer.json).toEqual({ id: expect.stringMatching(/^[0-9A-Z]{26}$/) })
  await world.deliver()
  expect((await world.get(`/v1/jobs/${id}`)).json).toMatchObject({ status: 'success', type: 'scan' })
  const log = await world.get(`/api/jobs/scan/${id}/log`)
  expect(log.status).toBe(200)
  expect(log.headers.get('content-type')).toBe('application/octet-stream')
  expect(log.headers.get('content-disposition')).toBe(`attachment; filename=job_${id}.log`)
  expect(log.text).toMatch(/job success after 1 attempt\n$/)
  // A scan is no replication.
  expect((await world.get(`/api/jobs/replication/${id}/log`)).status).toBe(404)
})

test('POST /api/jobs/scan answers 400, 404 and 500 as then, and keeps nothing', async () => {
  const world = await apiWorld()
  await world.push(appImage(), 'v1')
  for (const body of [
    '{',
    '[]',
    '',
    { repository: 'team/app' },
    { repository: 7, tag: 'v1' },
    { repository: '', tag: 'x' },
  ])
    expectPlain(await world.post('/api/jobs/scan', body), 400)
  expectPlain(await world.post('/api/jobs/scan', { repository: 'Team/App', tag: 'v1' }), 400)
  expectPlain(await world.post('/api/jobs/scan', { repository: 'team/app', tag: 'v9' }), 404)
  expectPlain(await world.post('/api/jobs/scan', { repository: 'team/none', tag: 'v1' }), 404)
  await world.source.close()
  expectPlain(await world.post('/api/jobs/scan', { repository: 'team/app', tag: 'v1' }), 500)
  expect([world.writes, world.sent]).toEqual([[], []])
})

test('a body is taken as JSON or, as Harbor of 2017 sent it, without a type; as nothing else', async () => {
  const world = await apiWorld()
  await world.push(appImage(), 'v1')
  const routes = { scan: { repository: 'team/app', tag: 'v1' }, replication: {}, 'replication/actions': {} }
  const send = async (route: string, body: unknown, type?: string) => {
    // Fetch adds a type to a text, but none to bytes.
    const request = new Request(`http://127.0.0.1/api/jobs/${route}`, {
      method: 'POST',
      body: Buffer.from(JSON.stringify(body)),
      headers: type === undefined ? {} : { 'content-type': type },
    })
    return await world.app.request(request)
  }
  for (const [route, body] of Object.entries(routes))
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'jsonp',
      '',
    ]) {
      const answer = await send(route, body, type)
      expect([route, type, answer.status]).toEqual([route, type, 415])
      expect(await answer.text()).toBe('send the body as JSON with Content-Type: application/json')
      expect(answer.headers.get('content-type')).toMatch(/^text\/plain/)
    }
  expect([world.writes, world.sent]).toEqual([[], []])
  for (const type of [undefined, 'application/json', 'Application/JSON; charset=utf-8'])
    expect((await send('scan', routes.scan, type)).status).toBe(200)
})

test('POST /api/jobs/replication runs a policy, whole or for one repository', async () => {
  const world = await apiWorld()
  await world.push(appImage(), 'v1')
  await world.push(appImage('2.0.0'), 'v1', 'team/web')
  const { json: policy } = await world.post('/v1/policies', copyAll(world))
  const one = await world.post('/api/jobs/replication', {
    policy_id: policy.id,
    repository: 'team/web',
    operation: 'transfer',
    tags: ['v1'],
  })
  expect(one.status).toBe(200)
  await world.deliver()
  const tagsOf = async (repository: string) => (await fetch(`${world.target.url}/v2/${repository}/tags/list`)).status
  expect([await tagsOf('mirror/team/web'), await tagsOf('mirror/team/app')]).toEqual([200, 404])
  const whole = await world.post('/api/jobs/replication', { policy_id: policy.id })
  expect(whole.json).toEqual({ ids: [expect.stringMatching(/^[0-9A-Z]{26}$/)] })
  await world.deliver()
  expect(await tagsOf('mirror/team/app')).toBe(200)
  const { json } = await world.get(`/v1/executions/${whole.json.ids[0]}`)
  expect(json).toMatchObject({ policy: policy.id, trigger: 'manual', counts: { success: 2, total: 2 } })
  const child = (await world.get(json.links.jobs)).json.jobs[0]
  const log = await world.get(`/api/jobs/replication/${child.id}/log`)
  expect(log.text).toContain('job success')
})

test('POST /api/jobs/replication and its actions answer 400 and 404 as then', async () => {
  const world = await apiWorld()
  const { json: policy } = await world.post('/v1/policies', copyAll(world))
  const scan = await world.post('/v1/policies', { name: 's', type: 'scan', images: [`${world.source.host}/team/*:v*`] })
  const disabled = await world.post('/v1/policies', { ...copyAll(world), enabled: false })
  const kept = world.writes.length
  const run = (body: unknown) => world.post('/api/jobs/replication', body)
  expectPlain(await run({}), 400)
  expectPlain(await run({ policy_id: 7 }), 400)
  expectPlain(await run({ policy_id: policy.id, operation: 'delete' }), 400)
  expectPlain(await run({ policy_id: policy.id, repository: 'Team/App' }), 400)
  expectPlain(await run({ policy_id: disabled.json.id }), 400)
  expectPlain(await run({ policy_id: disabled.json.id, repository: 'team/app' }), 400)
  for (const policy_id of [UNKNOWN, '7', 'x'.repeat(3_000), scan.json.id]) {
    expectPlain(await run({ policy_id }), 404)
    expectPlain(await world.post('/api/jobs/replication/actions', { policy_id, action: 'stop' }), 404)
  }
  expectPlain(await world.post('/api/jobs/replication/actions', { policy_id: policy.id, action: 'start' }), 400)
  expectPlain(await world.post('/api/jobs/replication/actions', { action: 'stop' }), 400)
  expect([world.writes.length, world.sent]).toEqual([kept, []])
  for (const type of ['scan', 'replication']) {
    expectPlain(await world.get(`/api/jobs/${type}/17/log`), 400)
    expectPlain(await world.get(`/api/jobs/${type}/${UNKNOWN}/log`), 404)
  }
})

test('POST /api/jobs/replication/actions stops what runs of the policy, queued jobs too', async () => {
  const world = await apiWorld()
  await world.push(appImage(), 'v1')
  const { json: policy } = await world.post('/v1/policies', copyAll(world))
  const { json: other } = await world.post('/v1/policies', copyAll(world))
  const ids: string[] = []
  for (const policy_id of [policy.id, policy.id, other.id])
    ids.push((await world.post('/api/jobs/replication', { policy_id })).json.ids[0])
  const stop = await world.post('/api/jobs/replication/actions', { policy_id: policy.id, action: 'stop' })
  expect([stop.status, stop.json]).toEqual([200, {}])
  await world.deliver()
  const statuses = await Promise.all(ids.map(async (id) => (await world.get(`/v1/executions/${id}`)).json.status))
  expect(statuses).toEqual(['stopped', 'stopped', 'success'])
  // Nothing is left to stop, which is no error.
  expect((await world.post('/api/jobs/replication/actions', { policy_id: other.id, action: 'stop' })).status).toBe(200)
})
