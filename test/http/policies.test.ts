import { expect, test } from 'vitest'
import { fireDue } from '../../lib/schedule/due.ts'
import { apiWorld, appImage, expectProblem } from './world.ts'

const UNKNOWN = '01JD9W3Q4V5X6Y7Z8A9B0C1D2E'
const nightly = {
  name: 'nightly',
  type: 'scan',
  images: ['registry.example/team/*:v*'],
  cron: '30 3 * * *',
  timeZone: 'Europe/Berlin',
}

test('a policy is created with its next three fire times, as its zone shows them', async () => {
  const world = await apiWorld()
  const answer = await world.post('/v1/policies', nightly)
  expect(answer.status).toBe(201)
  const { id } = answer.json
  expect(answer.headers.get('location')).toBe(`/v1/policies/${id}`)
  expect(answer.json).toEqual({
    id,
    ...nightly,
    enabled: true,
    nextRuns: [23, 24, 25].map((day) => ({
      at: `2026-11-${day}T02:30:00.000Z`,
      local: expect.stringMatching(new RegExp(`^2026-11-${day} 03:30:00 (CET|GMT\\+1)$`)),
    })),
    lastExecution: null,
    createdAt: '2026-11-22T12:00:00.000Z',
    updatedAt: '2026-11-22T12:00:00.000Z',
    links: { self: `/v1/policies/${id}`, run: `/v1/policies/${id}/run` },
  })
  expect((await world.get(`/v1/policies/${id}`)).json).toEqual(answer.json)
  // No fan-out before it is due.
  expect(world.sent).toEqual([])
})

test('policies are listed page by page, replaced and deleted', async () => {
  const world = await apiWorld()
  const ids: string[] = []
  for (const name of ['a', 'b', 'c']) {
    ids.push((await world.post('/v1/policies', { ...nightly, name })).json.id)
    await world.clock.advance(1_000)
  }
  const first = await world.get('/v1/policies?limit=2')
  expect(first.json.policies.map(({ name }: { name: string }) => name)).toEqual(['a', 'b'])
  const next = first.headers.get('link')?.match(/^<(.*)>; rel="next"$/)?.[1] ?? ''
  const second = await world.get(next)
  expect(second.json.policies.map(({ name }: { name: string }) => name)).toEqual(['c'])
  expect(second.json.next).toBeNull()
  for (const cursor of ['abc', Buffer.from('{"pk":"P#other","sk":"x"}').toString('base64url')])
    expectProblem(await world.get(`/v1/policies?cursor=${cursor}`), 422, 'invalid-value', '/query/cursor')

  const { cron: _cron, timeZone: _zone, ...unscheduled } = nightly
  const replaced = await world.call('PUT', `/v1/policies/${ids[0]}`, { ...unscheduled, name: 'z', enabled: false })
  expect(replaced.status).toBe(200)
  expect(replaced.json).toMatchObject({
    id: ids[0],
    name: 'z',
    cron: null,
    timeZone: 'UTC',
    enabled: false,
    nextRuns: [],
  })
  expect(replaced.json.updatedAt).not.toBe(replaced.json.createdAt)
  expectProblem(await world.post(`/v1/policies/${ids[0]}/run`), 409, 'conflict')

  expect((await world.call('DELETE', `/v1/policies/${ids[0]}`)).status).toBe(204)
  for (const [method, path] of [
    ['GET', ''],
    ['DELETE', ''],
    ['PUT', ''],
    ['POST', '/run'],
  ] as const) {
    const body = method === 'PUT' ? nightly : undefined
    expectProblem(await world.call(method, `/v1/policies/${ids[0]}${path}`, body), 404, 'policy-not-found')
    expectProblem(await world.call(method, `/v1/policies/${UNKNOWN}${path}`, body), 404, 'policy-not-found')
    expectProblem(await world.call(method, `/v1/policies/x${path}`, body), 404, 'policy-not-found')
  }
})

test('a policy is run by hand, and by its schedule once per instant', async () => {
  const world = await apiWorld()
  await world.publishAdvisories()
  await world.push(appImage(), 'v1')
  const body = { ...nightly, images: [`${world.source.host}/team/*:v*`] }
  const { json: policy } = await world.post('/v1/policies', body)
  const run = await world.post(`/v1/policies/${policy.id}/run`)
  expect(run.status).toBe(202)
  expect(run.headers.get('location')).toBe(`/v1/executions/${run.json.id}`)
  expect(run.json).toMatchObject({ policy: policy.id, trigger: 'manual', type: 'scan', listing: true })
  await world.deliver()
  expect((await world.get(`/v1/executions/${run.json.id}`)).json).toMatchObject({ counts: { success: 1, total: 1 } })

  await world.clock.advance(Date.parse('2026-11-23T02:30:00Z') - world.clock.now())
  expect(await fireDue(world.env)).toBe(1)
  expect(await fireDue(world.env)).toBe(0)
  const { json: after } = await world.get(`/v1/policies/${policy.id}`)
  const { json: tick } = await world.get(`/v1/executions/${after.lastExecution}`)
  expect(tick).toMatchObject({ trigger: 'schedule', policy: policy.id, instant: '2026-11-23T02:30:00.000Z' })
  expect(after.nextRuns[0].at).toBe('2026-11-24T02:30:00.000Z')
})

test('a replication policy is shown as it was sent', async () => {
  const world = await apiWorld()
  const body = {
    name: 'mirror',
    type: 'replicate',
    source: { registry: world.source.host, repositories: ['team/**'], tags: ['v*'] },
    target: { registry: world.target.host, namespace: 'mirror' },
  }
  const answer = await world.post('/v1/policies', body)
  expect(answer.json).toMatchObject({ ...body, cron: null, timeZone: 'UTC', enabled: true, nextRuns: [] })
})

test.each([
  ['no name', { ...nightly, name: undefined }, '/name'],
  ['an empty name', { ...nightly, name: '' }, '/name'],
  ['a name that is too long', { ...nightly, name: 'n'.repeat(101) }, '/name'],
  ['an unknown type', { ...nightly, type: 'dance' }, '/type'],
  ['a type that is a number', { ...nightly, type: 7 }, '/type'],
  ['an hour that does not exist', { ...nightly, cron: '0 25 * * *' }, '/cron'],
  ['six fields', { ...nightly, cron: '0 0 3 * * *' }, '/cron'],
  ['a date that never comes', { ...nightly, cron: '0 0 31 2 *' }, '/cron'],
  ['a cron that is a number', { ...nightly, cron: 5 }, '/cron'],
  ['an unknown zone', { ...nightly, timeZone: 'Mars/Base' }, '/timeZone'],
  ['an unknown zone without a cron', { ...nightly, cron: undefined, timeZone: 'Mars/Base' }, '/timeZone'],
  ['enabled as a text', { ...nightly, enabled: 'yes' }, '/enabled'],
  ['an unknown field', { ...nightly, colour: 'blue' }, '/colour'],
  ['a pattern with capitals', { ...nightly, images: ['a.example/B'] }, '/images/0'],
  ['a platform that is none', { ...nightly, platform: 'linux' }, '/platform'],
  ['a list', [nightly], ''],
  ['null', null, ''],
])('POST /v1/policies names what is wrong with %s', async (_what, body, pointer) => {
  const world = await apiWorld()
  expectProblem(await world.post('/v1/policies', JSON.stringify(body)), 422, 'invalid-value', pointer)
  expect([world.writes, world.sent]).toEqual([[], []])
})

test('POST /v1/policies refuses a registry that is not allowed, on either side', async () => {
  const world = await apiWorld({ allowed: false })
  const { host } = world.source
  const scan = { name: 'x', type: 'scan', images: [`${host}/team/*:v*`] }
  expectProblem(await world.post('/v1/policies', scan), 422, 'registry-not-allowed', '/images')
  const source = { registry: 'registry.example', repositories: ['a'] }
  const copy = { name: 'x', type: 'replicate', source, target: { registry: host } }
  expectProblem(await world.post('/v1/policies', copy), 422, 'registry-not-allowed', '/target/registry')
  expect([world.writes, world.source.requests]).toEqual([[], []])
})
