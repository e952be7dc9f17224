import { describe, expect, test } from 'vitest'
import { image, index } from '../../lib/local/demo/build.ts'
import type { Hooks } from '../../lib/local/registry/faults.ts'
import { pushReferrer } from '../../lib/oci/push-referrer.ts'
import { listReferrers } from '../../lib/oci/referrers.ts'
import { readSbom } from '../../lib/scan/inputs/sbom.ts'
import { type ApiWorld, apiWorld, appImage, BASE, nodeLayer, type WorldOptions } from '../http/world.ts'
import { cycloneDxProblems } from '../report/schemas.ts'

const CYCLONEDX = 'application/vnd.cyclonedx+json'
const OPENVEX = 'application/vnd.openvex+json'

async function world(options: WorldOptions = {}) {
  const world = await apiWorld(options)
  await world.publishAdvisories()
  const client = await world.env.registries('main')(world.source.host)
  const digest = await world.push(appImage())
  const scan = async (more: object) => {
    const id = await world.submit({ type: 'scan', params: { image: `${world.source.host}/team/app:1.0`, ...more } })
    return world.end(id)
  }
  const beside = (type: string, of = digest) => listReferrers(client, 'team/app', of, [type])
  const attach = async (content: unknown, artifactType = OPENVEX, of = digest) => {
    const subject = (await client.resolve('team/app', of))!
    const bytes = Buffer.from(typeof content === 'string' ? content : JSON.stringify(content))
    return (await pushReferrer(client, 'team/app', { subject, artifactType, content: bytes })).digest
  }
  return { ...world, client, digest, scan, beside, attach }
}

describe.each([true, false])('a scan that pushes its SBOM (referrers API: %s)', (referrers) => {
  test('leaves one valid SBOM beside the image, however often and by whichever tag it runs', async () => {
    const { scan, beside, client, digest, ...rest } = await world({ source: { referrers } })
    const job = await scan({ sbom: 'referrer' })
    const [found] = await beside(CYCLONEDX)
    expect(job.result.sbom).toBe(found?.digest)
    await rest.push(appImage(), '2.0')
    const id = await rest.submit({
      type: 'scan',
      params: { image: `${rest.source.host}/team/app:2.0`, sbom: 'referrer' },
    })
    expect((await rest.end(id)).result.sbom).toBe(found?.digest)
    expect(await beside(CYCLONEDX)).toHaveLength(1)

    const [layer] = (await client.manifest('team/app', found!.digest)).layers!
    const sbom = await client.blobBytes('team/app', layer!)
    expect(await cycloneDxProblems(Buffer.from(sbom).toString())).toBeNull()
    const { image: name, inventory } = readSbom(sbom, 'x', rest.env.limits)
    expect([name, inventory.digest]).toEqual([`${rest.source.host}/team/app@${digest}`, digest])
    expect(inventory.packages.map((pack) => pack.name)).toEqual(['libssl3', 'left'])
  })
})

test('a scan writes nothing beside the image and believes nothing there unless it is asked to', async () => {
  const { scan, beside, attach, get, source } = await world()
  await attach({ '@context': 'https://openvex.dev/ns/v0.2.0', statements: [] })
  const before = source.requests.length
  const job = await scan({})
  expect(job.result).not.toHaveProperty('sbom')
  expect(await beside(CYCLONEDX)).toEqual([])
  expect(source.requests.slice(before).filter(({ path }) => /referrers|uploads/.test(path))).toHaveLength(1)
  expect((await get(`/v1/jobs/${job.id}/report`)).json.suppressed).toBeUndefined()
})

test('a registry that refuses the SBOM fails the job with its reason; the verdict on the image stays', async () => {
  let closed = false
  const hooks: Hooks = ({ method }) =>
    closed && method === 'POST'
      ? { status: 403, headers: { 'content-type': 'application/json' }, body: '{}' }
      : undefined
  const { scan, get, digest } = await world({ source: { hooks } })
  closed = true
  const job = await scan({ sbom: 'referrer' })
  expect([job.status, job.error.code]).toEqual(['error', 'registry-unauthorized'])
  expect((await get(`/v1/images/${digest}`)).json.summary.Critical).toBe(1)
})

const notAffected = (product: string, id = 'DEBIAN-CVE-2024-1') => ({
  '@context': 'https://openvex.dev/ns/v0.2.0',
  author: 'maker',
  statements: [
    {
      vulnerability: { name: id },
      products: [product],
      status: 'not_affected',
      justification: 'vulnerable_code_not_present',
    },
  ],
})

describe('a scan that takes VEX documents from beside the image', () => {
  const reportOf = async ({ get }: Pick<ApiWorld, 'get'>, job: { id: string }) =>
    (await get(`/v1/jobs/${job.id}/report`)).json

  test('suppresses what OpenVEX and CycloneDX say is not exploitable, and says who said so', async () => {
    const made = await world()
    const { scan, attach, digest, get } = made
    const openVex = await attach(notAffected(`pkg:oci/app@${encodeURIComponent(digest)}`))
    const cyclonedx = await attach(
      {
        bomFormat: 'CycloneDX',
        specVersion: '1.5',
        vulnerabilities: [
          {
            id: 'GHSA-aaaa-bbbb-cccc',
            analysis: { state: 'not_affected' },
            affects: [{ ref: 'pkg:npm/left@1.0.0' }],
          },
        ],
      },
      CYCLONEDX,
    )
    const report = await reportOf(made, await scan({ vex: 'referrers' }))
    expect(report.findings).toEqual([])
    expect(report.suppressed.map((one: { suppression: { source: string } }) => one.suppression.source).sort()).toEqual(
      [`referrer ${openVex}`, `referrer ${cyclonedx}`].sort(),
    )
    // Whoever reads a report of the image gets it so, also one that a new revision has made.
    expect((await get(`/v1/images/${digest}/report`)).json.suppressed).toHaveLength(2)
  })

  test('beside the index of a multi-platform image too', async () => {
    const made = await world()
    const digest = await made.push(index([image({ layers: [BASE, nodeLayer('left', '1.0.0')] })]))
    await made.attach(notAffected('pkg:deb/debian/libssl3'), OPENVEX, digest)
    const report = await reportOf(made, await made.scan({ vex: 'referrers' }))
    expect(report.suppressed).toHaveLength(1)
  })

  test('leaves out what cannot be read, says so in the log, and keeps those findings', async () => {
    const made = await world({ limits: { vexDocumentsMax: 2 } })
    await made.attach('{ not json')
    await made.attach({ '@context': 'https://openvex.dev/ns/v0.2.0', statements: 'none' })
    await made.attach(notAffected('pkg:deb/debian/libssl3'))
    const job = await made.scan({ vex: 'referrers' })
    expect(job.status).toBe('success')
    const log = (await made.get(`/v1/jobs/${job.id}/log`)).text
    expect(log).toMatch(/has 3 documents beside it; 2 are read/)
    expect(log.match(/was not read/g)?.length).toBeGreaterThan(0)
    expect((await reportOf(made, job)).findings.length).toBeGreaterThan(0)
  })

  test('forgets what was taken back: the next scan that looks finds it no more', async () => {
    const made = await world()
    const vex = await made.attach(notAffected('pkg:deb/debian/libssl3'))
    expect((await reportOf(made, await made.scan({ vex: 'referrers' }))).suppressed).toHaveLength(1)
    await made.source.store.removeManifest('team/app', vex)
    // A scan that does not look changes nothing.
    expect((await reportOf(made, await made.scan({}))).suppressed).toHaveLength(1)
    expect((await reportOf(made, await made.scan({ vex: 'referrers' }))).suppressed).toBeUndefined()
  })
})

test('a policy may ask for both', async () => {
  const made = await world()
  const { json } = await made.post('/v1/executions', {
    type: 'scan',
    images: [`${made.source.host}/team/app:1.0`],
    sbom: 'referrer',
    vex: 'referrers',
  })
  await made.deliver()
  expect((await made.get(`/v1/executions/${json.id}`)).json.status).toBe('success')
  expect(await made.beside(CYCLONEDX)).toHaveLength(1)
})

test.each([{ sbom: true }, { sbom: 'file' }, { vex: 'file' }])('%j is refused', async (params) => {
  const made = await world()
  const answer = await made.post('/v1/jobs', { type: 'scan', params: { image: 'a/b:1', ...params } })
  expect(answer.status).toBe(422)
})
