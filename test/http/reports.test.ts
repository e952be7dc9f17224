import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import type { Limits } from '../../lib/config.ts'
import { image } from '../../lib/local/demo/build.ts'
import { FORMATS } from '../../lib/report/index.ts'
import { harborProblems, spdxProblems, trivyProblems } from '../report/forms.ts'
import { cycloneDxProblems, sarifProblems } from '../report/schemas.ts'
import { apiWorld, appImage, expectProblem, nodeLayer } from './world.ts'

async function scanned(limits: Partial<Limits> = {}) {
  const world = await apiWorld({ limits })
  await world.publishAdvisories()
  await world.push(appImage())
  const id = await world.submit(`${world.source.host}/team/app:1.0`)
  await world.deliver()
  return { world, id, path: `/v1/jobs/${id}/report` }
}

describe('the report in formats', () => {
  test('is there in each, with its content type, its file name, and the same bytes each time', async () => {
    const { world, path } = await scanned()
    for (const { format, contentType, extension } of FORMATS) {
      const answer = await world.get(`${path}?format=${format}`)
      expect([format, answer.status, answer.headers.get('content-type')]).toEqual([format, 200, contentType])
      expect(answer.headers.get('content-disposition')).toMatch(
        new RegExp(`^inline; filename="app-1\\.0-[0-9a-f]{12}\\.${extension.replace('.', '\\.')}"$`),
      )
      expect((await world.get(`${path}?format=${format}`)).text).toBe(answer.text)
    }
  })

  test('says in a header of each whether it is whole, and how many gaps there are', async () => {
    const { world, path } = await scanned()
    await world.push(image({ layers: [nodeLayer('left', '1.0.0')] }), '1.0', 'team/scratch')
    const id = await world.submit(`${world.source.host}/team/scratch:1.0`)
    await world.deliver()
    const { digest } = (await world.get(`/v1/jobs/${id}`)).json.result
    const { gaps } = (await world.get(`/v1/jobs/${id}/report`)).json
    expect(gaps.length).toBeGreaterThan(0)
    const told = async (url: string) => {
      const { headers } = await world.get(url)
      return [headers.get('longshore-coverage'), headers.get('longshore-gaps')]
    }
    for (const { format } of FORMATS) {
      expect(await told(`${path}?format=${format}`)).toEqual(['full', '0'])
      for (const url of [`/v1/jobs/${id}/report`, `/v1/images/${digest}/report`])
        expect(await told(`${url}?format=${format}&severity=Low`)).toEqual(['partial', String(gaps.length)])
    }
  })

  test('name the blob and the diffID of the layer that brought each package', async () => {
    const { world, path } = await scanned()
    const { digest, layers, packages } = (await world.get(path)).json
    const pushed = appImage().layers.map((layer) => ({ digest: layer.descriptor.digest, diffId: layer.diffId }))
    expect(layers).toEqual(pushed)
    const trivy = (await world.get(`${path}?format=trivy`)).json
    const found = trivy.Results.flatMap((one: { Packages: { Name: string; Layer: object }[] }) => one.Packages)
    for (const { name, layer } of packages)
      expect(found.find((one: { Name: string }) => one.Name === name).Layer).toEqual({
        Digest: pushed.find(({ diffId }) => diffId === layer)!.digest,
        DiffID: layer,
      })
    expect((await world.get(`/v1/images/${digest}/sbom`)).text).toContain(`"value": "${pushed[0]!.digest}"`)
  })

  test('of a real scan fits the published schemas', async () => {
    const { world, path } = await scanned()
    expect(await cycloneDxProblems((await world.get(`${path}?format=cyclonedx`)).text)).toBeNull()
    expect(sarifProblems((await world.get(`${path}?format=sarif`)).text)).toBeNull()
    expect(spdxProblems((await world.get(`${path}?format=spdx`)).text)).toEqual([])
    expect(harborProblems((await world.get(`${path}?format=harbor`)).text)).toEqual([])
    expect(trivyProblems((await world.get(`${path}?format=trivy`)).text)).toEqual([])
  })

  test('as a page forbids everything a page could do', async () => {
    const { world, path } = await scanned()
    const { headers } = await world.get(`${path}?format=html`)
    expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*sandbox/)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
  })

  test('goes gzipped to those who take it, once it is large', async () => {
    const { world, id, path } = await scanned({ answerBytesMax: 4_500_000 })
    const report = (await world.get(path)).json
    const findings = Array.from({ length: 6_000 }, (_, i) => ({ ...report.findings[0], id: `CVE-2024-${i}` }))
    const { store, blobs } = world.env
    const { reportKey } = (await store.get({ pk: `J#main#${id}`, sk: '#' }))!
    await blobs.put(String(reportKey), JSON.stringify({ ...report, findings }))
    const plain = await world.get(path)
    expect(plain.headers.get('content-encoding')).toBeNull()
    const zipped = await world.app.request(path, { headers: { 'accept-encoding': 'br, gzip' } })
    expect(zipped.headers.get('content-encoding')).toBe('gzip')
    const bytes = Buffer.from(await zipped.arrayBuffer())
    expect(gunzipSync(bytes).toString()).toBe(plain.text)
    expect(bytes.length).toBeLessThan(plain.text.length / 5)
    const sarif = `${path}?format=sarif`
    expectProblem(await world.get(sarif), 406, 'answer-too-large')
    expect((await world.app.request(sarif, { headers: { 'accept-encoding': 'gzip' } })).status).toBe(200)
    expect((await world.get(`${sarif}&severity=High`)).status).toBe(200)
  })
})

describe('a part of the report', () => {
  test('is asked for by severity and by what can be fixed, in every format', async () => {
    const { world, path } = await scanned()
    const whole = (await world.get(path)).json
    const part = (await world.get(`${path}?severity=critical,Low&fixable=true`)).json
    expect(part.filter).toEqual({
      fixable: true,
      severity: ['Critical', 'Low'],
      hidden: whole.findings.length - part.findings.length,
    })
    expect(part.findings).toEqual(
      whole.findings.filter(
        (one: Record<string, unknown>) => one.fixedVersion && ['Critical', 'Low'].includes(String(one.severity)),
      ),
    )
    expect((await world.get(`${path}?fixable=false`)).json).toEqual(whole)
    const none = (await world.get(`${path}?severity=Negligible&format=table`)).text
    expect(none).toContain('2 findings hidden')
    expect(none).not.toMatch(/no known vulnerabilities/i)
  })

  test('is refused when it cannot be meant', async () => {
    const { world, path } = await scanned()
    expectProblem(await world.get(`${path}?severity=Bad`), 422, 'invalid-value', '/query/severity')
    expectProblem(await world.get(`${path}?severity=Low,,High`), 422, 'invalid-value', '/query/severity')
    expectProblem(await world.get(`${path}?fixable=yes`), 422, 'invalid-value', '/query/fixable')
    expectProblem(await world.get(`${path}?format=pdf`), 400, 'unsupported-format', '/query/format')
  })
})

describe('/v1/exceptions', () => {
  const exception = { id: 'debian-cve-2024-1', package: 'libssl3', reason: 'not reachable', author: 'ann' }

  test('keeps exceptions by name: put, get, list, replace, delete', async () => {
    const world = await apiWorld()
    const path = '/v1/exceptions/openssl-2024'
    const stored = { name: 'openssl-2024', ...exception, status: 'ignored' }
    const put = await world.call('PUT', path, exception)
    expect([put.status, put.json]).toEqual([200, stored])
    expect((await world.get(path)).json).toEqual(stored)
    await world.call('PUT', '/v1/exceptions/a', { id: 'CVE-1', reason: 'x', image: '**', expires: '2027-01-31' })
    const { exceptions } = (await world.get('/v1/exceptions')).json
    expect(exceptions.map(({ name }: { name: string }) => name)).toEqual(['a', 'openssl-2024'])
    const replaced = await world.call('PUT', path, { id: 'CVE-2', reason: 'y', status: 'fixed' })
    expect(replaced.json).toEqual({ name: 'openssl-2024', id: 'CVE-2', reason: 'y', status: 'fixed' })
    expect((await world.get(path)).json).toEqual(replaced.json)
    expect((await world.call('DELETE', path)).status).toBe(204)
    expectProblem(await world.get(path), 404, 'exception-not-found')
    expectProblem(await world.call('DELETE', path), 404, 'exception-not-found')
  })

  test('takes effect on a report that was there before, and is gone with it', async () => {
    const { world, path } = await scanned()
    const before = await world.get(path)
    await world.call('PUT', '/v1/exceptions/openssl', exception)
    const after = (await world.get(path)).json
    expect(after.findings).toHaveLength(before.json.findings.length - 1)
    expect(after.suppressed[0]).toMatchObject({
      package: 'libssl3',
      suppression: { status: 'ignored', reason: 'not reachable', author: 'ann', source: 'exception openssl' },
    })
    expect(after.summary.Critical).toBe(before.json.summary.Critical - 1)
    expect((await world.get(`${path}?format=table`)).text).toContain('not counted')
    await world.call('DELETE', '/v1/exceptions/openssl')
    expect((await world.get(path)).text).toBe(before.text)
  })

  test('ends by itself at its expiry', async () => {
    const { world, path } = await scanned()
    const expires = new Date(world.clock.now() + 60_000).toISOString()
    await world.call('PUT', '/v1/exceptions/openssl', { ...exception, expires })
    expect((await world.get(path)).json.suppressed).toHaveLength(1)
    await world.clock.advance(60_000)
    expect((await world.get(path)).json).not.toHaveProperty('suppressed')
  })

  test('is refused when it says too little, something unknown, or has no name', async () => {
    const world = await apiWorld()
    const path = '/v1/exceptions/x'
    expectProblem(await world.call('PUT', path, { id: 'CVE-1' }), 422, 'invalid-value', '/reason')
    expectProblem(await world.call('PUT', path, { ...exception, pakage: 'x' }), 422, 'invalid-value')
    expectProblem(await world.call('PUT', path, { ...exception, expires: 'soon' }), 422, 'invalid-value', '/expires')
    expectProblem(await world.call('PUT', path, { ...exception, status: 'affected' }), 422, 'invalid-value', '/status')
    for (const image of [
      ' a',
      'a ',
      '',
      'host/app@',
      'host/app@sha256:1',
      `host/app@sha256:${'A'.repeat(64)}`,
      'a\n',
      'a\u0000b',
    ])
      expectProblem(await world.call('PUT', path, { ...exception, image }), 422, 'invalid-value', '/image')
    expectProblem(await world.call('PUT', '/v1/exceptions/a%20b', exception), 422, 'invalid-value', '/name')
    expectProblem(await world.get('/v1/exceptions/a%20b'), 404, 'exception-not-found')
  })

  test.each([
    ['**'],
    ['host:5000/team/*'],
    ['host/team/app:v[0-9]?'],
    ['pkg:oci/app?repository_url=ghcr.io/team'],
    [`pkg:oci/app@sha256%3A${'0a'.repeat(32)}`],
    ['My Service'],
    ['acme/app+tools@1.2'],
    [`host/team/app@sha256:${'0a'.repeat(32)}`],
    [`host/team/app:1.0@sha512:${'0a'.repeat(64)}`],
  ])('is said of the image %s', async (image) => {
    const world = await apiWorld()
    const path = '/v1/exceptions/x'
    expect((await world.call('PUT', path, { ...exception, image })).json).toMatchObject({ name: 'x', image })
    expect((await world.get(path)).json).toMatchObject({ image })
  })

  test('cannot grow without end', async () => {
    const world = await apiWorld({ limits: { exceptionsMax: 2 } })
    for (const name of ['a', 'b'])
      expect((await world.call('PUT', `/v1/exceptions/${name}`, exception)).status).toBe(200)
    expectProblem(await world.call('PUT', '/v1/exceptions/c', exception), 422, 'invalid-value', '/name')
    expect((await world.call('PUT', '/v1/exceptions/b', exception)).status).toBe(200)
  })
})
