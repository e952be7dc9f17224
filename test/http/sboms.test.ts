import { describe, expect, test } from 'vitest'
import { defaultLimits, type Limits } from '../../lib/config.ts'
import { FORMATS } from '../../lib/report/index.ts'
import { cycloneDxProblems } from '../report/schemas.ts'
import { apiWorld, appImage, expectProblem } from './world.ts'

const CYCLONEDX = { 'content-type': 'application/vnd.cyclonedx+json; version=1.6' }

async function scanned(limits: Partial<Limits> = {}) {
  const world = await apiWorld({ limits })
  await world.publishAdvisories()
  await world.push(appImage())
  const id = await world.submit(`${world.source.host}/team/app:1.0`)
  return { world, path: `/v1/jobs/${id}` }
}

describe('the SBOM of a scan', () => {
  test('is valid CycloneDX, and judged as it stands gives the report of the scan, byte for byte', async () => {
    const { world, path } = await scanned()
    await world.deliver()
    const sbom = await world.get(`${path}/sbom`)
    expect(sbom.headers.get('content-type')).toBe('application/vnd.cyclonedx+json; version=1.6')
    expect(await cycloneDxProblems(sbom.text)).toBeNull()
    const report = (await world.get(`${path}/report`)).text
    expect(JSON.parse(report).findings).toHaveLength(2)
    expect((await world.post('/v1/sboms/report', sbom.text, CYCLONEDX)).text).toBe(report)
    const digest = JSON.parse(report).digest
    expect((await world.get(`/v1/images/${digest}/sbom`)).text).toBe(sbom.text)
  })

  test('is not there before the end, nor for jobs without one', async () => {
    const { world, path } = await scanned()
    expectProblem(await world.get(`${path}/sbom`), 409, 'report-not-ready')
    await world.deliver()
    const target = { source: `${world.source.host}/team/app:1.0`, target: `${world.target.host}/a/b:1` }
    const copy = await world.submit({ type: 'replicate', params: target })
    await world.deliver()
    expectProblem(await world.get(`/v1/jobs/${copy}/sbom`), 404, 'report-not-found')
    expectProblem(await world.get('/v1/jobs/nonsense/sbom'), 404, 'job-not-found')
  })
})

describe('an SBOM that is sent', () => {
  const document = (components: unknown[]) => JSON.stringify({ bomFormat: 'CycloneDX', specVersion: '1.4', components })
  const left = { type: 'library', name: 'left', version: '1.0.0', purl: 'pkg:npm/left@1.0.0' }

  test('is judged in any format, whole or in part, with the exceptions, and nothing is kept', async () => {
    const world = await apiWorld()
    await world.publishAdvisories()
    const before = (await world.env.blobs.list('')).length
    const { json } = await world.post('/v1/sboms/report', document([left]))
    expect(json.findings).toMatchObject([{ id: 'GHSA-aaaa-bbbb-cccc', package: 'left', path: 'sbom' }])
    expect(json.coverage).toBe('partial')
    const table = (await world.post('/v1/sboms/report?format=table&severity=High', document([left]))).text
    expect(table).toContain('1 finding')
    expect([world.writes, world.sent, (await world.env.blobs.list('')).length]).toEqual([[], [], before])
    const rule = { id: 'GHSA-aaaa-bbbb-cccc', reason: 'not reachable' }
    expect((await world.call('PUT', '/v1/exceptions/left', rule)).status).toBe(200)
    expect((await world.post('/v1/sboms/report', document([left]))).json.suppressed).toHaveLength(1)
  })

  test('may name what it is about on two lines, in every format', async () => {
    const world = await apiWorld()
    await world.publishAdvisories()
    const component = { type: 'container', name: 'my\napp', version: '1' }
    const sbom = { ...JSON.parse(document([left])), metadata: { component } }
    for (const { format } of FORMATS) {
      const answer = await world.post(`/v1/sboms/report?format=${format}`, JSON.stringify(sbom))
      expect([format, answer.status]).toEqual([format, 200])
    }
  })

  test('may be SPDX', async () => {
    const world = await apiWorld()
    await world.publishAdvisories()
    const externalRefs = [{ referenceType: 'purl', referenceLocator: left.purl }]
    const spdx = JSON.stringify({ spdxVersion: 'SPDX-2.3', packages: [{ name: 'left', externalRefs }] })
    const answer = await world.post('/v1/sboms/report', spdx, { 'content-type': 'application/spdx+json' })
    expect(answer.json.findings).toHaveLength(1)
  })

  test('is refused when it is none, of another type, too large, or asked for as what is no format', async () => {
    const world = await apiWorld({ limits: { sbomBytesMax: 300_000 } })
    await world.publishAdvisories()
    const send = (body: string, headers = {}, query = '') => world.post(`/v1/sboms/report${query}`, body, headers)
    expectProblem(await send('{}'), 422, 'invalid-value')
    expectProblem(await send('nonsense'), 422, 'invalid-value')
    expectProblem(await send('{}', { 'content-type': 'text/plain' }), 415, 'unsupported-content-type')
    expectProblem(await send('{}', {}, '?format=pdf'), 400, 'unsupported-format')
    const large = document(Array.from({ length: 3_700 }, () => left))
    // Above what other routes take, below the limit of this one.
    expect([large.length > defaultLimits.requestBytesMax, (await send(large)).status]).toEqual([true, 200])
    expectProblem(await send(document(Array.from({ length: 5_000 }, () => left))), 413, 'request-too-large')
    expectProblem(await world.post('/v1/jobs', ' '.repeat(270_000)), 413, 'request-too-large')
  })

  test('waits for nobody: without advisories it is told to come again', async () => {
    const world = await apiWorld()
    expectProblem(await world.post('/v1/sboms/report', document([left])), 503, 'advisories-missing')
  })

  test('has its place in the description of the API', async () => {
    const world = await apiWorld()
    const { paths } = (await world.get('/openapi.json')).json
    expect(Object.keys(paths['/v1/sboms/report'].post.requestBody.content)).toContain('application/spdx+json')
    expect(paths['/v1/jobs/{id}/sbom'].get).toBeDefined()
  })
})
