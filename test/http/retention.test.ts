import { describe, expect, test } from 'vitest'
import { apiWorld, appImage, expectProblem } from './world.ts'

const DAY_MS = 86_400_000

async function scannedWorld() {
  const world = await apiWorld({ limits: { indexSegmentsMin: 2 } })
  await world.publishAdvisories()
  const host = world.source.host
  const scan = async (version: string, repository: string) => {
    await world.push(appImage(version), '1.0', repository)
    const id = await world.submit(`${host}/${repository}:1.0`)
    await world.deliver()
    await world.clock.advance(1_000)
    return (await world.get(`/v1/jobs/${id}`)).json.result.digest as string
  }
  const put = (...rules: object[]) => world.call('PUT', '/v1/retention', { rules })
  const listed = async () => {
    const lists = ['/v1/images', '/v1/packages?name=left', '/v1/vulnerabilities/DEBIAN-CVE-2024-1']
    const all: string[][] = []
    for (const path of lists)
      all.push((await world.get(path)).json.images.map((one: { digest: string }) => one.digest).sort())
    return all
  }
  return { world, host, scan, put, listed }
}

describe('/v1/retention', () => {
  test('has no rules at first, and then those that were put last, in their order', async () => {
    const { world, put } = await scannedWorld()
    expect((await world.get('/v1/retention')).json).toEqual({ rules: [], imageDays: 90 })
    const rules = [
      { image: 'r.test/b/**', days: 3 },
      { image: 'r.test/a:pr-*', days: 1 },
    ]
    expect([(await put(...rules)).status, (await world.get('/v1/retention')).json.rules]).toEqual([200, rules])
    await put()
    expect((await world.get('/v1/retention')).json.rules).toEqual([])
  })

  test('refuses what is no rule, naming the place', async () => {
    const { world, put } = await scannedWorld()
    const image = 'r.test/**'
    expectProblem(await put({ image, days: 0 }), 422, 'invalid-value', '/rules/0/days')
    expectProblem(await put({ image, days: 1 }, { image, days: 91 }), 422, 'invalid-value', '/rules/1/days')
    expectProblem(await put({ image, days: 1.5 }), 422, 'invalid-value', '/rules/0/days')
    expectProblem(await put({ image: 'r.test/a b', days: 1 }), 422, 'invalid-value', '/rules/0/image')
    expectProblem(await put({ image: '', days: 1 }), 422, 'invalid-value', '/rules/0/image')
    expectProblem(await put({ days: 1 }), 422, 'invalid-value', '/rules/0/image')
    expectProblem(await put({ image, days: 1, keep: 3 }), 422, 'invalid-value')
    expectProblem(await world.call('PUT', '/v1/retention', {}), 422, 'invalid-value', '/rules')
    const many = Array.from({ length: 101 }, () => ({ image, days: 1 }))
    expectProblem(await put(...many), 422, 'invalid-value', '/rules')
    expect((await world.get('/v1/retention')).json.rules).toEqual([])
  })

  test('lets an image go from every list so long after its last scan as its rule says', async () => {
    const { world, host, scan, put, listed } = await scannedWorld()
    await put({ image: `${host}/ci/**`, days: 7 })
    const short = await scan('1.0.0', 'ci/app')
    const long = await scan('1.0.1', 'team/app')
    const both = [short, long].sort()
    expect(await listed()).toEqual([both, both, both])
    await world.clock.advance(6 * DAY_MS)
    expect(await listed()).toEqual([both, both, both])
    await scan('1.0.0', 'ci/app')
    await world.clock.advance(6 * DAY_MS)
    expect(await listed()).toEqual([both, both, both])
    await world.clock.advance(1 * DAY_MS)
    expect(await listed()).toEqual([[long], [long], [long]])
    expectProblem(await world.get(`/v1/images/${short}`), 404, 'image-not-scanned')
    await world.reEvaluate()
    expect(await listed()).toEqual([[long], [long], [long]])
  })

  test('counts for images that are matched anew as well', async () => {
    const { world, host, scan, put, listed } = await scannedWorld()
    const digest = await scan('1.0.0', 'ci/app')
    await put({ image: `${host}/ci/**`, days: 7 })
    await world.publishAdvisories('1.0.0')
    await world.reEvaluate()
    await world.deliver()
    expect((await world.get(`/v1/images/${digest}`)).json.history).toHaveLength(2)
    await world.clock.advance(8 * DAY_MS)
    expect((await listed())[0]).toEqual([])
  })

  test('lets nothing go that was deleted by hand come back, in no list', async () => {
    const { world, scan, listed } = await scannedWorld()
    const digest = await scan('1.0.0', 'team/app')
    await world.call('DELETE', `/v1/images/${digest}`)
    expect(await listed()).toEqual([[], [], []])
    await world.publishAdvisories('1.0.0')
    await world.reEvaluate()
    await world.deliver()
    expect(await listed()).toEqual([[], [], []])
  })
})
