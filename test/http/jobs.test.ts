import { describe, expect, test } from 'vitest'
import { index } from '../../lib/local/demo/build.ts'
import { type ApiWorld, apiWorld, appImage, expectProblem } from './world.ts'

const UNKNOWN = '01JD9W3Q4V5X6Y7Z8A9B0C1D2E'
const scanOf = (world: ApiWorld, tag = '1.0') => ({
  type: 'scan',
  params: { image: `${world.source.host}/team/app:${tag}` },
})

describe('POST /v1/jobs', () => {
  test('answers 202 with the whole job and where it is', async () => {
    const world = await apiWorld()
    const digest = await world.push(appImage())
    const answer = await world.post('/v1/jobs', scanOf(world))
    expect(answer.status).toBe(202)
    const { id } = answer.json
    expect(id).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/)
    expect(answer.headers.get('location')).toBe(`/v1/jobs/${id}`)
    expect(answer.json).toEqual({
      id,
      type: 'scan',
      status: 'pending',
      phase: null,
      params: scanOf(world).params,
      image: { registry: world.source.host, repository: 'team/app', tag: '1.0', digest },
      attempt: 0,
      maxAttempts: 5,
      createdAt: '2026-11-22T12:00:00.000Z',
      dueAt: null,
      startedAt: null,
      finishedAt: null,
      progress: { items: { done: 0, failed: 0, skipped: 0, total: 0 }, bytes: { done: 0, total: 0 } },
      result: null,
      error: null,
      execution: null,
      retryOf: null,
      retriedBy: null,
      links: { self: `/v1/jobs/${id}`, log: `/v1/jobs/${id}/log` },
    })
    expect((await world.get(`/v1/jobs/${id}`)).json).toEqual(answer.json)
    expect(world.sent).toHaveLength(1)
  })

  test('names the index as the image, and the platform manifest in the result of the scan', async () => {
    const world = await apiWorld()
    const { revision } = await world.publishAdvisories()
    const amd64 = appImage()
    const digest = await world.push(index([amd64]))
    const id = await world.submit(scanOf(world))
    const job = await world.end(id)
    expect(job).toMatchObject({
      status: 'success',
      attempt: 1,
      image: { digest },
      error: null,
      phase: null,
    })
    expect(job.result).toEqual({
      digest: amd64.manifest.descriptor.digest,
      platform: 'linux/amd64',
      revision,
      coverage: 'full',
      severity: 'Critical',
      summary: { Critical: 1, High: 0, Medium: 0, Low: 0, Negligible: 0, Unknown: 1 },
      fixable: 2,
      packages: 2,
      layers: { total: 2, reused: 0 },
    })
    expect(job.progress.items).toEqual({ done: 2, failed: 0, skipped: 0, total: 2 })
    expect(job.links.report).toBe(`/v1/jobs/${id}/report`)
    for (const time of [job.startedAt, job.finishedAt]) expect(Date.parse(time)).toBeGreaterThan(0)
  })

  test('replicates and tells what was copied', async () => {
    const world = await apiWorld()
    const digest = await world.push(appImage())
    const source = `${world.source.host}/team/app:1.0`
    const copy = { type: 'replicate', params: { source, target: `${world.target.host}/mirror/app` } }
    const job = await world.end(await world.submit(copy))
    expect(job.status).toBe('success')
    expect(job.result).toEqual({
      digest,
      target: { registry: world.target.host, repository: 'mirror/app', tag: 'latest', digest },
      blobs: { copied: 3, mounted: 0, present: 0 },
      bytes: { copied: expect.any(Number), skipped: 0 },
      requests: { source: expect.any(Number), target: expect.any(Number) },
    })
    const again = await world.end(await world.submit(copy))
    expect(again.result).toMatchObject({ digest, blobs: { copied: 0, mounted: 0 }, requests: { source: 0, target: 1 } })
  })

  test('takes a missing tag for latest', async () => {
    const world = await apiWorld()
    await world.push(appImage(), 'latest')
    const answer = await world.post('/v1/jobs', { type: 'scan', params: { image: `${world.source.host}/team/app` } })
    expect(answer.json.image).toMatchObject({ repository: 'team/app', tag: 'latest' })
  })

  test('gives the same job for the same idempotency key, and refuses the key for another body (fault 4)', async () => {
    const world = await apiWorld()
    await world.push(appImage())
    await world.push(appImage('2.0.0'), '2.0')
    const key = { 'idempotency-key': 'deploy 7' }
    const first = await world.post('/v1/jobs', scanOf(world), key)
    const again = await world.post('/v1/jobs', scanOf(world), key)
    expect([first.status, again.status]).toEqual([202, 200])
    expect(again.json).toEqual(first.json)
    expect(again.headers.get('location')).toBe(first.headers.get('location'))
    expectProblem(await world.post('/v1/jobs', scanOf(world, '2.0'), key), 422, 'idempotency-key-reused')
    expect(world.sent).toHaveLength(1)
    // Without a key each request is a job of its own.
    expect(await world.submit(scanOf(world))).not.toBe(await world.submit(scanOf(world)))
  })

  test('makes one job of two requests with one key at the same time (fault 1)', async () => {
    const world = await apiWorld()
    await world.push(appImage())
    const both = await Promise.all(
      [1, 2].map(() => world.post('/v1/jobs', scanOf(world), { 'idempotency-key': 'once' })),
    )
    expect(both.map(({ status }) => status).sort()).toEqual([200, 202])
    expect(new Set(both.map(({ json }) => json.id)).size).toBe(1)
    expect(world.sent).toHaveLength(1)
  })
})

describe('GET /v1/jobs/{id}', () => {
  test('with wait answers at once when the job has ended', async () => {
    const world = await apiWorld()
    await world.publishAdvisories()
    await world.push(appImage())
    const id = await world.submit(scanOf(world))
    await world.deliver()
    const answer = await world.get(`/v1/jobs/${id}?wait=20`)
    expect(answer.json.status).toBe('success')
    expect(answer.headers.get('retry-after')).toBeNull()
    expect(world.clock.sleepers).toBe(0)
  })

  test('with wait answers when the job ends meanwhile', async () => {
    const world = await apiWorld()
    await world.push(appImage())
    const id = await world.submit(scanOf(world))
    const waiting = world.get(`/v1/jobs/${id}?wait=20`)
    await world.clock.sleeping(1)
    await world.post(`/v1/jobs/${id}/stop`)
    await world.clock.advance(1_000)
    expect((await waiting).json.status).toBe('stopped')
    expect(world.clock.now()).toBeLessThan(Date.parse('2026-11-22T12:00:02Z'))
  })

  test('with wait answers 200 with the job as it is when the time is up', async () => {
    const world = await apiWorld()
    await world.push(appImage())
    const id = await world.submit(scanOf(world))
    const waiting = world.get(`/v1/jobs/${id}?wait=2.5`)
    await world.clock.sleeping(1)
    await world.clock.advance(2_500)
    const answer = await waiting
    expect([answer.status, answer.json.status]).toEqual([200, 'pending'])
    expect(answer.headers.get('retry-after')).toBe('1')
  })

  test('says so when there is no such job, or the wait is out of range', async () => {
    const world = await apiWorld()
    expectProblem(await world.get(`/v1/jobs/${UNKNOWN}`), 404, 'job-not-found')
    expectProblem(await world.get('/v1/jobs/17'), 404, 'job-not-found')
    for (const wait of ['21', '-1', 'soon'])
      expectProblem(await world.get(`/v1/jobs/${UNKNOWN}?wait=${wait}`), 422, 'invalid-value', '/query/wait')
    expectProblem(await world.get(`/v1/jobs/${UNKNOWN}?wiat=3`), 422, 'invalid-value', '/query/wiat')
  })
})

describe('GET /v1/jobs', () => {
  async function withFive() {
    const world = await apiWorld()
    await world.publishAdvisories()
    await world.push(appImage())
    await world.push(appImage('2.0.0'), '2.0')
    const ids: string[] = []
    const add = async (body: object) => {
      ids.unshift(await world.submit(body))
      await world.clock.advance(1_000)
    }
    await add(scanOf(world))
    await add(scanOf(world, '2.0'))
    await world.deliver()
    await add(scanOf(world))
    const source = `${world.source.host}/team/app:1.0`
    await add({ type: 'replicate', params: { source, target: `${world.target.host}/mirror/app:1.0` } })
    await add(scanOf(world))
    return { world, ids }
  }
  const idsOf = (answer: { json: { jobs: { id: string }[] } }) => answer.json.jobs.map(({ id }) => id)

  test('lists newest first, page by page, with a Link to the next', async () => {
    const { world, ids } = await withFive()
    const seen: string[] = []
    let path: string | undefined = '/v1/jobs?limit=2'
    for (let pages = 0; path !== undefined; pages++) {
      expect(pages).toBeLessThan(10)
      const page = await world.get(path)
      expect(page.status).toBe(200)
      seen.push(...idsOf(page as never))
      const link = page.headers.get('link')
      expect(link === null).toBe(page.json.next === null)
      path = link?.match(/^<(\/v1\/jobs\?.*)>; rel="next"$/)?.[1]
      if (path) expect(new URL(path, 'http://x').searchParams.get('cursor')).toBe(page.json.next)
    }
    expect(seen).toEqual(ids)
  })

  test('filters by type, statuses and image', async () => {
    const { world, ids } = await withFive()
    const [newest, copy, third, second, first] = ids
    const list = async (query: string) => idsOf((await world.get(`/v1/jobs?${query}`)) as never)
    expect(await list('type=replicate')).toEqual([copy])
    expect(await list('status=success')).toEqual([second, first])
    expect(await list('status=success,pending&type=scan')).toEqual([newest, third, second, first])
    expect(await list('status=error')).toEqual([])
    const host = world.source.host
    expect(await list(`image=${host}/team/app:2.0`)).toEqual([second])
    expect(await list(`image=${host}/team/app&type=scan`)).toEqual([newest, third, second, first])
    const { json } = await world.get(`/v1/jobs/${second}`)
    expect(await list(`image=${host}/team/app@${json.image.digest}`)).toEqual([second])
    expect(await list(`image=${host}/team/other`)).toEqual([])
  })

  test.each([
    ['status=done', 'status'],
    ['status=success,', 'status'],
    ['type=dance', 'type'],
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['limit=many', 'limit'],
    ['limit=1&limit=2', 'limit'],
    ['cursor=%21', 'cursor'],
    ['cursor=eyJwayI6IkojbWFpbiJ9', 'cursor'],
    ['execution=7', 'execution'],
    ['image=UPPER/Case', 'image'],
    ['stauts=error', 'stauts'],
  ])('names what is wrong in ?%s', async (query, name) => {
    const world = await apiWorld()
    expectProblem(await world.get(`/v1/jobs?${query}`), 422, 'invalid-value', `/query/${name}`)
  })
})

describe('POST /v1/jobs/{id}/stop', () => {
  test('ends a waiting job at once: 202, then 200, and the worker leaves it alone', async () => {
    const world = await apiWorld()
    await world.push(appImage())
    const id = await world.submit(scanOf(world))
    const stop = await world.post(`/v1/jobs/${id}/stop`)
    expect([stop.status, stop.json.status]).toEqual([202, 'stopped'])
    expect(stop.json).not.toHaveProperty('stopping')
    expect(stop.json.error).toMatchObject({ code: 'stopped-by-user', retryable: true })
    const again = await world.post(`/v1/jobs/${id}/stop`)
    expect([again.status, again.json.status]).toEqual([200, 'stopped'])
    await world.deliver()
    expect((await world.get(`/v1/jobs/${id}`)).json).toMatchObject({ status: 'stopped', attempt: 0 })
  })

  test('of a running job answers 202 with stopping, and takes effect inside a blob within 5 s', async () => {
    let asked = () => {}
    const reached = new Promise<void>((resolve) => {
      asked = resolve
    })
    const hooks = ({ method, path }: { method: string; path: string }) => {
      if (method !== 'GET' || !path.includes('/blobs/')) return undefined
      asked()
      return { stallAfterBytes: 10 }
    }
    const world = await apiWorld({ source: { hooks } })
    await world.push(appImage())
    const id = await world.submit(scanOf(world))
    const running = world.deliver()
    await reached
    const stop = await world.post(`/v1/jobs/${id}/stop`)
    expect(stop.status).toBe(202)
    expect(stop.json).toMatchObject({ status: 'running', stopping: true })
    expect((await world.post(`/v1/jobs/${id}/stop`)).status).toBe(202)
    await world.clock.advance(5_000)
    await running
    expect((await world.get(`/v1/jobs/${id}`)).json.status).toBe('stopped')
  })

  test('of a job that ended otherwise is a conflict, of an unknown one 404', async () => {
    const world = await apiWorld()
    await world.publishAdvisories()
    await world.push(appImage())
    const id = await world.submit(scanOf(world))
    await world.deliver()
    expectProblem(await world.post(`/v1/jobs/${id}/stop`), 409, 'conflict')
    expectProblem(await world.post(`/v1/jobs/${UNKNOWN}/stop`), 404, 'job-not-found')
  })
})

describe('POST /v1/jobs/{id}/retry', () => {
  test('makes one new job of an ended one and resolves the tag anew', async () => {
    const world = await apiWorld()
    await world.push(appImage())
    const id = await world.submit(scanOf(world))
    expectProblem(await world.post(`/v1/jobs/${id}/retry`), 409, 'conflict')
    await world.post(`/v1/jobs/${id}/stop`)
    const digest = await world.push(appImage('2.0.0'))
    const retry = await world.post(`/v1/jobs/${id}/retry`)
    expect(retry.status).toBe(202)
    expect(retry.headers.get('location')).toBe(`/v1/jobs/${retry.json.id}`)
    expect(retry.json).toMatchObject({
      retryOf: id,
      status: 'pending',
      image: { digest },
      params: scanOf(world).params,
    })
    expect((await world.get(`/v1/jobs/${id}`)).json.retriedBy).toBe(retry.json.id)
    expect((await world.post(`/v1/jobs/${id}/retry`)).json.id).toBe(retry.json.id)
    expectProblem(await world.post(`/v1/jobs/${UNKNOWN}/retry`), 404, 'job-not-found')
  })

  test('makes nothing when the image is gone', async () => {
    const world = await apiWorld()
    await world.push(appImage())
    const id = await world.submit(scanOf(world))
    await world.post(`/v1/jobs/${id}/stop`)
    const deleted = await fetch(`${world.source.url}/v2/team/app/manifests/1.0`, { method: 'DELETE' })
    expect(deleted.ok).toBe(true)
    const { length } = world.writes
    expectProblem(await world.post(`/v1/jobs/${id}/retry`), 404, 'image-not-found', '/params/image')
    expect(world.writes).toHaveLength(length)
    expect(world.sent).toHaveLength(1)
  })
})
