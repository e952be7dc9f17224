/** Jobs for later, executions again, dead letters back: what the API adds to the plain life of a job. */
import { describe, expect, test } from 'vitest'
import { sweepExecutions } from '../../lib/job/execution-sweep.ts'
import { sweep } from '../../lib/job/sweep.ts'
import { type ApiWorld, apiWorld, appImage, expectProblem } from './world.ts'

const MINUTE = 60_000
const at = (world: ApiWorld, ms: number) => new Date(world.clock.now() + ms).toISOString()

async function withImages(options = {}): Promise<ApiWorld> {
  const world = await apiWorld(options)
  await world.publishAdvisories()
  await world.push(appImage(), 'v1')
  await world.push(appImage('2.0.0'), 'v2')
  return world
}
const bulk = (world: ApiWorld) => ({ type: 'scan', images: [`${world.source.host}/team/*:v*`] })
const scan = (world: ApiWorld, more = {}) => ({
  type: 'scan',
  params: { image: `${world.source.host}/team/app:v1` },
  ...more,
})

describe('a job for later', () => {
  test.each([5 * MINUTE, 3 * 3_600_000])('is scheduled, and runs when %d ms have passed, not before', async (ms) => {
    const world = await withImages()
    const dueAt = at(world, ms)
    const { status, json } = await world.post('/v1/jobs', scan(world, { dueAt }))
    expect([status, json.status, json.dueAt]).toEqual([202, 'scheduled', dueAt])
    await world.clock.advance(ms - 1)
    await sweep(world.env)
    await world.deliver()
    expect((await world.get(`/v1/jobs/${json.id}`)).json).toMatchObject({ status: 'scheduled', startedAt: null })
    // The sweep sends it a little early, and a queue delays by whole seconds.
    await world.clock.advance(1_000)
    await sweep(world.env)
    await world.deliver()
    expect((await world.get(`/v1/jobs/${json.id}`)).json).toMatchObject({ status: 'success', dueAt: null })
  })

  test('is stopped before it runs, and its retry runs at once', async () => {
    const world = await withImages()
    const id = await world.submit(scan(world, { dueAt: at(world, 86_400_000) }))
    expect((await world.post(`/v1/jobs/${id}/stop`)).json.status).toBe('stopped')
    const again = await world.post(`/v1/jobs/${id}/retry`)
    expect(again.json).toMatchObject({ status: 'pending', dueAt: null, retryOf: id })
  })

  test('with an idempotency key is the same job also when its time has passed', async () => {
    const world = await withImages()
    const body = scan(world, { dueAt: at(world, MINUTE) })
    const id = await world.submit(body, { 'idempotency-key': 'k' })
    await world.clock.advance(2 * MINUTE)
    const again = await world.post('/v1/jobs', body, { 'idempotency-key': 'k' })
    expect([again.status, again.json.id]).toEqual([200, id])
    const other = await world.post('/v1/jobs', scan(world), { 'idempotency-key': 'k' })
    expectProblem(other, 422, 'idempotency-key-reused')
  })

  test.each([
    ['a time that has passed', -1],
    ['now', 0],
    ['more than a month ahead', 30 * 86_400_000 + 1],
  ])('is refused for %s, and nothing is kept', async (_what, ms) => {
    const world = await apiWorld()
    expectProblem(await world.post('/v1/jobs', scan(world, { dueAt: at(world, ms) })), 422, 'invalid-value', '/dueAt')
    expect([world.writes, world.sent, world.source.requests]).toEqual([[], [], []])
  })

  test.each(['tomorrow', 5, null, '2026-11-23', '2026-11-23T10:00:00', '2026-13-23T10:00:00Z'])(
    'is refused for %j, which is no instant',
    async (dueAt) => {
      const world = await apiWorld()
      expectProblem(await world.post('/v1/jobs', scan(world, { dueAt })), 422, 'invalid-value', '/dueAt')
    },
  )
})

describe('an execution that failed', () => {
  test('is retried by its link, counts each image once, and ends as success', async () => {
    let broken = true
    const world = await withImages({
      source: {
        hooks: ({ method, path }: { method: string; path: string }) =>
          broken && method === 'GET' && path.includes('/manifests/sha256') ? { flipBitAtByte: 5 } : undefined,
      },
    })
    const { json } = await world.post('/v1/executions', bulk(world))
    const path = `/v1/executions/${json.id}`
    expectProblem(await world.post(`${path}/retry?failed=only`), 409, 'conflict')
    await world.deliver()
    const failed = (await world.get(path)).json
    expect(failed).toMatchObject({ status: 'error', generation: 0, counts: { error: 2, total: 2 } })
    expect(failed.failures).toHaveLength(2)
    expect(failed.links.retry).toBe(`${path}/retry`)
    broken = false
    const early = await world.post(`${failed.links.retry}?failed=only`)
    expectProblem(early, 409, 'conflict')
    await world.clock.advance(1_000 * Number(early.headers.get('retry-after')))
    const retry = await world.post(`${failed.links.retry}?failed=only`)
    expect(retry.status).toBe(202)
    expect(retry.headers.get('location')).toBe(path)
    expect(retry.json).toMatchObject({ id: json.id, status: 'running', retrying: true, generation: 1 })
    expectProblem(await world.post(`${path}/retry?failed=only`), 409, 'conflict')
    await world.deliver()
    const done = (await world.get(path)).json
    expect(done).toMatchObject({ status: 'success', counts: { success: 2, error: 0, total: 2 }, failures: [] })
    expect(done.links).not.toHaveProperty('retry')
    const { jobs } = (await world.get(done.links.jobs)).json
    expect(jobs).toHaveLength(4)
    const ids = new Set(jobs.map(({ id }: { id: string }) => id))
    for (const job of jobs) expect(ids.has(job.status === 'error' ? job.retriedBy : job.retryOf)).toBe(true)
    await world.clock.advance(MINUTE)
    await sweepExecutions(world.env)
    expectProblem(await world.post(`${path}/retry`), 409, 'conflict')
  })

  test.each(['failed=all', 'failed', 'x=1'])('refuses ?%s by name', async (query) => {
    const world = await apiWorld()
    const answer = await world.post(`/v1/executions/01JD9W3Q4V5X6Y7Z8A9B0C1D2E/retry?${query}`)
    expect(answer.status).toBe(422)
  })
})

describe('a policy that is disabled or deleted', () => {
  test.each(['disabled', 'deleted'])('%s: what waits is canceled, what runs may finish', async (how) => {
    const world = await withImages()
    const body = { name: 'n', ...bulk(world) }
    const { id } = (await world.post('/v1/policies', body)).json
    const run = await world.post(`/v1/policies/${id}/run`)
    // Listed, not yet worked on.
    const { queue } = world.env
    const [message] = await queue.receive('fan-out', { max: 1, waitSeconds: 0 })
    const { fanOut } = await import('../../lib/job/fan-out.ts')
    const invocation = { requestId: 'r', remainingMs: () => 300_000, timeoutMs: 300_000, stopFlags: new Map() }
    await fanOut(message?.body ?? '', world.env, invocation)
    const writes = world.writes.length
    const answer =
      how === 'disabled'
        ? await world.call('PUT', `/v1/policies/${id}`, { ...body, enabled: false })
        : await world.call('DELETE', `/v1/policies/${id}`)
    expect(answer.status).toBe(how === 'disabled' ? 200 : 204)
    // The policy and one flag, however many children there are.
    expect(world.writes.length - writes).toBe(2)
    await world.deliver()
    const path = `/v1/executions/${run.json.id}`
    const ended = (await world.get(path)).json
    expect(ended).toMatchObject({
      status: 'canceled',
      counts: { canceled: 2, total: 2 },
      error: { code: 'policy-disabled' },
    })
    const { jobs } = (await world.get(ended.links.jobs)).json
    expect(jobs[0]).toMatchObject({ status: 'canceled', startedAt: null, error: { code: 'policy-disabled' } })
    await world.clock.advance(MINUTE)
    await sweepExecutions(world.env)
    expect((await world.get(path)).json).toMatchObject({ status: 'canceled', finishedAt: expect.any(String) })
    const retry = await world.post(`${path}/retry`)
    expectProblem(retry, 409, 'conflict')
    expect(retry.json.detail).toContain('disabled or deleted')
    if (how === 'deleted') return
    await world.call('PUT', `/v1/policies/${id}`, body)
    expect((await world.post(`${path}/retry`)).status).toBe(202)
    await world.deliver()
    expect((await world.get(path)).json).toMatchObject({ status: 'success', counts: { success: 2, total: 2 } })
  })

  test('is seen by the sweep when the one who changed it died before the flag', async () => {
    const world = await withImages()
    const { id } = (await world.post('/v1/policies', { name: 'n', ...bulk(world) })).json
    const run = await world.post(`/v1/policies/${id}/run`)
    await world.env.store.update({ pk: 'P#main', sk: id }, { set: { enabled: false } })
    await world.clock.advance(MINUTE)
    await sweepExecutions(world.env)
    await world.deliver()
    expect((await world.get(`/v1/executions/${run.json.id}`)).json).toMatchObject({
      status: 'canceled',
      counts: { success: 0 },
    })
  })

  test('changes nothing of an execution whose jobs have all ended', async () => {
    const world = await withImages()
    const { id } = (await world.post('/v1/policies', { name: 'n', ...bulk(world) })).json
    const run = await world.post(`/v1/policies/${id}/run`)
    await world.deliver()
    await world.call('DELETE', `/v1/policies/${id}`)
    await world.clock.advance(MINUTE)
    await sweepExecutions(world.env)
    expect((await world.get(`/v1/executions/${run.json.id}`)).json).toMatchObject({ status: 'success', error: null })
  })

  test('shows its last run, also one by hand, for as long as that is kept', async () => {
    const world = await withImages({ limits: { historyDays: 15 } })
    const { id } = (await world.post('/v1/policies', { name: 'n', ...bulk(world) })).json
    expect((await world.get(`/v1/policies/${id}`)).json.lastExecution).toBeNull()
    const run = await world.post(`/v1/policies/${id}/run`)
    expect((await world.get(`/v1/policies/${id}`)).json.lastExecution).toBe(run.json.id)
    expect((await world.get('/v1/policies')).json.policies[0].lastExecution).toBe(run.json.id)
    await world.deliver()
    await world.clock.advance(MINUTE)
    await sweepExecutions(world.env)
    await world.clock.advance(15 * 86_400_000)
    expect((await world.get(`/v1/policies/${id}`)).json.lastExecution).toBeNull()
    expect((await world.get('/v1/executions')).json).toEqual({ executions: [], next: null })
  })
})

describe('dead letters', () => {
  test('are shown, and moved back by hand to the queue each came from', async () => {
    const world = await withImages({ limits: { redriveBatchMax: 3 } })
    const { queue } = world.env
    const id = await world.submit(scan(world))
    const execution = await world.post('/v1/executions', bulk(world))
    for (const name of ['scan', 'fan-out']) {
      for (let n = 0; n < 5; n++) {
        await queue.receive(name, { max: 1, waitSeconds: 0 })
        await world.clock.advance(1_800_000)
      }
      await queue.receive(name, { max: 1, waitSeconds: 0 })
    }
    await queue.send('scan-dlq', [{ body: 'not ours' }])
    await queue.send('re-evaluate-dlq', [{ body: JSON.stringify({ tenant: 'main', digests: ['sha256:0'] }) }])
    const shown = (await world.get('/v1/queues')).json.deadLetters
    expect(shown).toEqual([
      {
        name: 'scan-dlq',
        messages: { waiting: 2, inFlight: 0, delayed: 0 },
        links: { redrive: '/v1/queues/scan-dlq/redrive' },
      },
      expect.objectContaining({ name: 'replicate-dlq', messages: { waiting: 0, inFlight: 0, delayed: 0 } }),
      expect.objectContaining({ name: 'fan-out-dlq', messages: { waiting: 1, inFlight: 0, delayed: 0 } }),
      expect.objectContaining({ name: 're-evaluate-dlq', messages: { waiting: 1, inFlight: 0, delayed: 0 } }),
    ])
    expect((await world.post('/v1/queues/scan-dlq/redrive')).json).toEqual({ moved: 1, foreign: 1 })
    expect((await world.post('/v1/queues/fan-out-dlq/redrive')).json).toEqual({ moved: 1, foreign: 0 })
    expect((await world.post('/v1/queues/re-evaluate-dlq/redrive')).json).toEqual({ moved: 1, foreign: 0 })
    expect((await world.post('/v1/queues/replicate-dlq/redrive')).json).toEqual({ moved: 0, foreign: 0 })
    expect((await world.end(id)).status).toBe('success')
    expect((await world.get(`/v1/executions/${execution.json.id}`)).json).toMatchObject({ counts: { success: 2 } })
  })

  test('are moved a bounded number at a time', async () => {
    const world = await withImages({ limits: { redriveBatchMax: 12 } })
    const id = await world.submit(scan(world))
    const body = JSON.stringify({ tenant: 'main', id, type: 'scan', createdAt: world.clock.now() })
    await world.env.queue.send(
      'scan-dlq',
      Array.from({ length: 30 }, () => ({ body })),
    )
    const moved = []
    for (let n = 0; n < 4; n++) moved.push((await world.post('/v1/queues/scan-dlq/redrive')).json.moved)
    expect(moved).toEqual([12, 12, 6, 0])
    expect((await world.end(id)).attempt).toBe(1)
  })

  test.each(['scan', 'dance-dlq', 'scan-bulk-dlq'])('%s is no queue of them', async (name) => {
    const world = await apiWorld()
    expectProblem(await world.post(`/v1/queues/${name}/redrive`), 404, 'queue-not-found')
  })
})

test('a cursor is given when there is one more, and not when a page is just full', async () => {
  const world = await withImages()
  for (let n = 0; n < 4; n++) {
    await world.submit(scan(world))
    await world.clock.advance(1_000)
  }
  const first = (await world.get('/v1/jobs?limit=2')).json
  expect([first.jobs.length, typeof first.next]).toEqual([2, 'string'])
  const children = async (query: string) => (await world.get(`/v1/jobs?${query}`)).json
  // An hour more than the days one request reads is behind it, so a bound may answer here; with an execution it may not.
  const { id } = (await world.post('/v1/executions', bulk(world))).json
  await world.deliver()
  expect(await children(`execution=${id}&limit=2`)).toMatchObject({ jobs: [{}, {}], next: null })
  expect((await children(`execution=${id}&limit=1`)).next).toEqual(expect.any(String))
  expect((await world.get('/v1/executions?limit=1')).json).toMatchObject({ executions: [{ id }], next: null })
  for (const name of ['a', 'b']) await world.post('/v1/policies', { name, ...bulk(world) })
  expect((await world.get('/v1/policies?limit=2')).json.next).toBeNull()
})
