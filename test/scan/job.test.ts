import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { buildRevision } from '../../lib/advisories/build.ts'
import type { AdvisorySource } from '../../lib/advisories/source.ts'
import { defaultLimits } from '../../lib/config.ts'
import type { JobContext } from '../../lib/job/define.ts'
import { image, index, layer } from '../../lib/local/demo/build.ts'
import type { Report } from '../../lib/report/model.ts'
import { runScan, scan } from '../../lib/scan/job.ts'
import { Ended, type ScanWorld, scanWorld } from './world.ts'

const osv = (id: string, ecosystem: string, name: string, fixed: string, severity: string) => ({
  id,
  modified: '2024-01-01T00:00:00Z',
  summary: `a flaw of ${name}`,
  severity: [{ type: 'CVSS_V3', score: severity }],
  affected: [
    { package: { ecosystem, name }, ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed }] }] },
  ],
})
const CRITICAL = 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H'
const LOW = 'CVSS:3.1/AV:L/AC:H/PR:L/UI:R/S:U/C:L/I:N/A:N'

const records = {
  Debian: [osv('DEBIAN-CVE-2024-1', 'Debian:12', 'openssl', '3.0.14-1', CRITICAL)],
  npm: [osv('GHSA-aaaa-bbbb-cccc', 'npm', 'left', '2.0.0', LOW)],
}
const source: AdvisorySource = {
  name: 'a test',
  ecosystems: async () => Object.keys(records),
  async *records(ecosystem) {
    for (const record of records[ecosystem as keyof typeof records])
      yield { name: `${record.id}.json`, bytes: Buffer.from(JSON.stringify(record)) }
  },
}

const status = (version: string) =>
  `Package: libssl3\nStatus: install ok installed\nVersion: ${version}\nArchitecture: amd64\nSource: openssl\n`
const base = layer([
  { path: 'etc/os-release', content: 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n' },
  { path: 'var/lib/dpkg/status', content: status('3.0.11-1') },
])
const app = (version: string) =>
  layer([{ path: 'app/node_modules/left/package.json', content: JSON.stringify({ name: 'left', version }) }])

describe('a scan', () => {
  let world: ScanWorld
  beforeEach(async () => {
    world = await scanWorld()
  })
  afterEach(() => world.close())

  const publish = () => buildRevision({ source, blobs: world.blobs, limits: defaultLimits })
  const params = (platform?: string) => ({
    image: `${world.registry.host}/team/app:latest`,
    ...(platform ? { platform } : {}),
  })
  const run = async (digest: string, platform?: string, changes: Partial<JobContext> = {}) => {
    world.registry.requests.length = 0
    const context = world.context(digest, changes)
    const { result, reportKey } = await runScan(params(platform), context)
    const report: Report = JSON.parse(Buffer.from((await world.blobs.get(reportKey!))!).toString())
    return { context, result, reportKey, report }
  }

  test('finds what is vulnerable, says where it came from, and tells its way in the log', async () => {
    const { revision } = await publish()
    const built = image({ layers: [base, app('1.0.0')] })
    const digest = await world.push(built)
    const { result, report, context } = await run(digest)
    expect(result).toEqual({
      digest,
      platform: 'linux/amd64',
      revision,
      coverage: 'full',
      severity: 'Critical',
      summary: { Critical: 1, High: 0, Medium: 0, Low: 1, Negligible: 0, Unknown: 0 },
      fixable: 2,
      packages: 2,
      layers: { total: 2, reused: 0 },
    })
    expect(report.findings.map((f) => [f.package, f.fixedVersion, f.layer])).toEqual([
      ['libssl3', '3.0.14-1', base.diffId],
      ['left', '2.0.0', built.layers[1]!.diffId],
    ])
    expect(context.phases).toEqual(['resolve', 'layers', 'match', 'report'])
    expect(context.lines.at(-1)).toBe(
      `2 findings (1 Critical, 1 Low) in 2 packages, 2 fixable, revision ${revision}, coverage full`,
    )
    expect(JSON.stringify(result).length).toBeLessThan(700)
  })

  test('of a digest that is known asks the registry for nothing and gives the same report', async () => {
    await publish()
    const digest = await world.push(index([image({ layers: [base, app('1.0.0')] })]))
    const first = await run(digest)
    const again = await run(digest)
    expect(world.registry.requests).toEqual([])
    expect(again.reportKey).toBe(first.reportKey)
    expect(again.result).toEqual({ ...first.result, layers: { total: 2, reused: 2 } })
  })

  test('of another image on the same base pulls the new layer only', async () => {
    await publish()
    await run(await world.push(image({ layers: [base, app('1.0.0')] })))
    const { result } = await run(await world.push(image({ layers: [base, app('3.0.0')] }), 'next'))
    expect(result).toMatchObject({ severity: 'Critical', fixable: 1, layers: { total: 2, reused: 1 } })
    // The config and one layer.
    expect(world.count('blobs')).toBe(2)
  })

  test('keeps platforms of one index apart', async () => {
    await publish()
    const arm = image({ layers: [base], platform: { os: 'linux', architecture: 'arm64' } })
    const digest = await world.push(index([image({ layers: [base, app('1.0.0')] }), arm]))
    expect((await run(digest)).result).toMatchObject({ platform: 'linux/amd64', packages: 2 })
    expect((await run(digest, 'linux/arm64')).result).toMatchObject({ platform: 'linux/arm64', packages: 1 })
    await expect(run(digest, 'linux/s390x')).rejects.toMatchObject({ code: 'platform-not-found' })
  })

  test('waits for the first advisory revision, having read the layers already', async () => {
    const digest = await world.push(image({ layers: [base] }))
    const ended = await run(digest).catch((error) => error)
    expect(ended).toBeInstanceOf(Ended)
    expect(ended.ending).toEqual({ snoozed: 15 })
    await publish()
    expect((await run(digest)).result).toMatchObject({ severity: 'Critical', layers: { total: 1, reused: 1 } })
    expect(world.registry.requests).toEqual([])
  })

  test('uses a new revision from the moment it is there (fault 36)', async () => {
    await publish()
    const digest = await world.push(image({ layers: [app('1.0.0')] }))
    const before = await run(digest)
    records.npm[0]!.affected[0]!.ranges[0]!.events[1] = { fixed: '0.5.0' }
    try {
      await publish()
    } finally {
      records.npm[0]!.affected[0]!.ranges[0]!.events[1] = { fixed: '2.0.0' }
    }
    const after = await run(digest)
    expect(before.result).toMatchObject({ severity: 'Low' })
    expect(after.result).toMatchObject({ severity: 'None' })
    expect(after.result.revision).not.toBe(before.result.revision)
  })

  test('of an artifact succeeds with coverage none and says why', async () => {
    await publish()
    const digest = await world.push(image({ layers: [base], manifest: { artifactType: 'application/vnd.example' } }))
    const { result, report } = await run(digest)
    expect(result).toMatchObject({ coverage: 'none', packages: 0, layers: { total: 0, reused: 0 }, severity: 'None' })
    expect(report.gaps.join()).toContain('not a container image but an artifact (application/vnd.example)')
    expect(world.count('blobs')).toBe(0)
  })

  test('never says clean about what it could not read (fault 38)', async () => {
    await publish()
    const rpm = layer([{ path: 'var/lib/rpm/rpmdb.sqlite', content: 'x' }])
    const { result, report } = await run(await world.push(image({ layers: [rpm, app('9.0.0')] })))
    expect(result).toMatchObject({ coverage: 'partial', severity: 'None' })
    expect(report.gaps.join()).toContain('"var/lib/rpm/rpmdb.sqlite" is an rpm database of a format that is not known')
  })

  test('leaves a package that an OS package owns to its distribution, until the limit says otherwise', async () => {
    await publish()
    const manifest = 'usr/share/app/node_modules/left/package.json'
    const owned = layer([
      { path: manifest, content: JSON.stringify({ name: 'left', version: '1.0.0' }) },
      { path: 'var/lib/dpkg/info/node-left.list', content: `/${manifest}\n` },
      { path: 'var/lib/dpkg/status', content: 'Package: node-left\nStatus: install ok installed\nVersion: 1\n' },
    ])
    const digest = await world.push(image({ layers: [base, owned] }))
    const ids = async (changes: Partial<JobContext> = {}) =>
      (await run(digest, undefined, changes)).report.findings.map(({ package: name }) => name)
    expect(await ids()).not.toContain('left')
    expect(await ids({ limits: { ...defaultLimits, ownedPackagesJudged: 1 } })).toContain('left')
  })

  test('of an image without layers succeeds', async () => {
    await publish()
    const { result } = await run(await world.push(image({ layers: [] })))
    expect(result).toMatchObject({ packages: 0, layers: { total: 0, reused: 0 } })
  })
})

test('the parameters are an image and perhaps a platform, nothing else', () => {
  const valid = (value: unknown) => scan.params.safeParse(value).success
  expect(valid({ image: 'registry.example/team/app:1' })).toBe(true)
  expect(valid({ image: 'registry.example/team/app:1', platform: 'linux/arm/v7' })).toBe(true)
  for (const bad of [{}, { image: '' }, { image: 'a b' }, { image: 'r.example/a:1', platform: 'linux' }])
    expect(valid(bad)).toBe(false)
  expect(valid({ image: 'registry.example/team/app:1', tag: 'x' })).toBe(false)
  expect(scan.image({ image: 'registry.example/team/app:1' })).toMatchObject({
    reference: { registry: 'registry.example', repository: 'team/app', tag: '1' },
    pointer: '/image',
  })
})
