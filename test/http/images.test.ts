import { describe, expect, test } from 'vitest'
import { image } from '../../lib/local/demo/build.ts'
import { cycloneDxProblems } from '../report/schemas.ts'
import { apiWorld, appImage, expectProblem, nodeLayer } from './world.ts'

async function scannedWorld(options: Parameters<typeof apiWorld>[0] = {}) {
  const world = await apiWorld(options)
  const first = await world.publishAdvisories()
  const scan = async (version: string, repository = 'team/app', tag = '1.0') => {
    await world.push(appImage(version), tag, repository)
    const id = await world.submit(`${world.source.host}/${repository}:${tag}`)
    await world.deliver()
    const job = (await world.get(`/v1/jobs/${id}`)).json
    await world.clock.advance(1_000)
    return job.result.digest as string
  }
  return { world, first, scan }
}

describe('an image that was scanned', () => {
  test('is shown with its newest verdict, packages, names and history', async () => {
    const { world, first, scan } = await scannedWorld()
    const digest = await scan('1.0.0')
    await scan('1.0.0', 'team/app', 'latest')
    const { status, json } = await world.get(`/v1/images/${digest}`)
    expect(status).toBe(200)
    expect(json).toMatchObject({
      digest,
      platform: 'linux/amd64',
      os: { id: 'debian', version: '12' },
      revision: first.revision,
      coverage: 'full',
      severity: 'Critical',
      summary: { Critical: 1, Unknown: 1 },
      fixable: 2,
      packages: 2,
      names: [{ name: `${world.source.host}/team/app:latest` }, { name: `${world.source.host}/team/app:1.0` }],
    })
    expect(json.packageList.map((one: { name: string }) => one.name)).toEqual(['libssl3', 'left'])
    // One report a revision: it tells the newest name.
    expect(json.history.map((one: { revision: string }) => one.revision)).toEqual([first.revision])
    expect((await world.get(json.links.report)).json.image).toBe(`${world.source.host}/team/app:latest`)
    expect((await world.get(`${json.links.report}?format=table&severity=Critical`)).text).toContain('libssl3')
  })

  test('has an SBOM that fits its schema', async () => {
    const { world, scan } = await scannedWorld()
    const digest = await scan('1.0.0')
    const sbom = await world.get(`/v1/images/${digest}/sbom`)
    expect(sbom.headers.get('content-type')).toBe('application/vnd.cyclonedx+json; version=1.6')
    expect(await cycloneDxProblems(sbom.text)).toBeNull()
    expect(sbom.json.components.map((one: { name: string }) => one.name)).toContain('left')
    expect(sbom.json.vulnerabilities).toBeUndefined()
  })

  test('is not answered plain when it is larger than an answer may be, and packed it is', async () => {
    const { world, first, scan } = await scannedWorld({ limits: { answerBytesMax: 1_024 } })
    const digest = await scan('1.0.0')
    await world.publishAdvisories('1.0.0')
    await scan('1.0.0')
    const paths = ['', `/diff?from=${first.revision}`].map((rest) => `/v1/images/${digest}${rest}`)
    for (const path of [...paths, '/v1/packages?name=left', '/v1/vulnerabilities/CVE-2024-0001']) {
      const plain = await world.get(path)
      expect(Buffer.byteLength(plain.text)).toBeLessThanOrEqual(1_024)
      if (plain.status !== 200) expectProblem(plain, 406, 'answer-too-large')
    }
    expectProblem(await world.get(paths[0] ?? ''), 406, 'answer-too-large')
  })

  test('tells what is new, gone and changed between two revisions', async () => {
    const { world, first, scan } = await scannedWorld()
    const digest = await scan('1.0.0')
    expectProblem(await world.get(`/v1/images/${digest}/diff`), 422, 'invalid-value', '/query/from')
    const second = await world.publishAdvisories('1.0.0')
    await scan('1.0.0')
    const { json } = await world.get(`/v1/images/${digest}/diff`)
    expect(json).toMatchObject({ from: first.revision, to: second.revision, new: [], changed: [] })
    expect(json.gone.map((one: { id: string }) => one.id)).toEqual(['GHSA-aaaa-bbbb-cccc'])
    const back = await world.get(`/v1/images/${digest}/diff?from=${second.revision}&to=${first.revision}`)
    expect(back.json.new).toHaveLength(1)
    expectProblem(await world.get(`/v1/images/${digest}/diff?from=none`), 404, 'report-not-found')
    expect((await world.get(`/v1/images/${digest}/report?revision=${first.revision}`)).json.findings).toHaveLength(2)
  })

  test('is forgotten when it is deleted; its jobs keep their reports', async () => {
    const { world, scan } = await scannedWorld()
    const digest = await scan('1.0.0')
    const [job] = (await world.get('/v1/jobs?type=scan')).json.jobs
    expect((await world.call('DELETE', `/v1/images/${digest}`)).status).toBe(204)
    expectProblem(await world.get(`/v1/images/${digest}`), 404, 'image-not-scanned')
    expectProblem(await world.call('DELETE', `/v1/images/${digest}`), 404, 'image-not-scanned')
    expect((await world.get(`/v1/jobs/${job.id}/report`)).status).toBe(200)
    expect((await world.get('/v1/images')).json.images).toEqual([])
  })

  test('expires so long after its last scan, and begins anew with the next', async () => {
    const { world, scan } = await scannedWorld()
    const digest = await scan('1.0.0')
    await world.clock.advance(60 * 86_400_000)
    await scan('1.0.0')
    await world.clock.advance(89 * 86_400_000)
    expect((await world.get(`/v1/images/${digest}`)).status).toBe(200)
    await world.clock.advance(2 * 86_400_000)
    expectProblem(await world.get(`/v1/images/${digest}`), 404, 'image-not-scanned')
    await scan('1.0.0')
    expect((await world.get(`/v1/images/${digest}`)).json.history).toHaveLength(1)
  })

  test('costs one write, beside those of its job', async () => {
    const { world, scan } = await scannedWorld()
    const writes = () => world.writes.filter((write) => write.includes('"I#')).length
    await scan('1.0.0')
    expect(writes()).toBe(1)
    await scan('1.0.0')
    expect(writes()).toBe(2)
    const size = Buffer.byteLength(
      JSON.stringify(await world.env.store.get({ pk: `I#main#${await scan('1.0.0')}`, sk: '#' })),
    )
    expect(size).toBeLessThan(1_536)
  })
})

describe('the list of images', () => {
  test('gives pages of the newest first, and filters by repository and by the worst finding', async () => {
    const { world, scan } = await scannedWorld()
    const old = await scan('1.0.0', 'team/app')
    const other = await scan('3.0.0', 'team/other')
    await world.push(image({ layers: [nodeLayer('right', '1.0.0')] }), '1.0', 'team/clean')
    const id = await world.submit(`${world.source.host}/team/clean:1.0`)
    await world.deliver()
    const clean = (await world.get(`/v1/jobs/${id}`)).json.result.digest
    const digests = async (query: string) => {
      const { json } = await world.get(`/v1/images?${query}`)
      return json.images.map((one: { digest: string }) => one.digest)
    }
    expect(await digests('')).toEqual([clean, other, old])
    expect(await digests(`repository=${world.source.host}/team/app`)).toEqual([old])
    expect(await digests('severity=critical')).toEqual([other, old])
    expect(await digests('severity=None')).toEqual([clean])
    const page = await world.get('/v1/images?limit=2')
    expect(page.json.images).toHaveLength(2)
    expect(page.headers.get('link')).toContain('rel="next"')
    expect(await digests(`limit=2&cursor=${page.json.next}`)).toEqual([old])
    expectProblem(await world.get('/v1/images?severity=Bad'), 422, 'invalid-value', '/query/severity')
    expectProblem(await world.get('/v1/images?cursor=x'), 422, 'invalid-value', '/query/cursor')
    expectProblem(await world.get('/v1/images/latest'), 404, 'image-not-scanned')
  })
})
