/**
 * The whole service (`node start.mjs`) against real docker-registry, with OSV's data, judged by dpkg and skopeo. Skipped
 * unless the lab is there:
 *
 *   bash registries.sh /tmp/lab start && bash registries.sh /tmp/lab seed
 *   env LONGSHORE_LAB=1 $(bash registries.sh /tmp/lab env) npx vitest run test/lab/service.lab.test.ts
 */
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type RunningService, startService } from '../fixtures/service.ts'
import { dpkgVerdicts, foundPairs, installedOf, VULNERABILITY_DATA } from './dpkg-judge.ts'
import {
  blobsOf,
  digestBySkopeo,
  fileOf,
  logEnd,
  pullWithSkopeo,
  requestsSince,
  SOURCE,
  skipped,
  TARGET,
  tagged,
} from './lab.ts'

interface Job<Result> {
  id: string
  status: string
  attempt: number
  result: Result
  error: unknown
}

interface ScanResult {
  digest: string
  coverage: string
  layers: { total: number; reused: number }
}

interface ReplicateResult {
  digest: string
  blobs: { copied: number; mounted: number; present: number }
  bytes: { copied: number; skipped: number }
  requests: { source: number; target: number }
}

interface Finding {
  id: string
  aliases: string[]
  package: string
  purl: string
}

const environment = {
  LONGSHORE_DEMO: 'off',
  LONGSHORE_TICK_SECONDS: '1',
  LONGSHORE_REGISTRIES: JSON.stringify([SOURCE, TARGET].map((host) => ({ host, insecure: true, allowPrivate: true }))),
}

async function ended<Result>(service: RunningService, id: string): Promise<Job<Result>> {
  for (;;) {
    const { body } = await service.get<Job<Result>>(`/v1/jobs/${id}?wait=20`)
    if (['success', 'error', 'stopped', 'canceled'].includes(body.status)) return body
  }
}

async function run<Result>(service: RunningService, type: string, params: object): Promise<Job<Result>> {
  const { status, body, text } = await service.post<Job<Result>>('/v1/jobs', { type, params })
  if (status !== 202) throw new Error(`${status} ${text}`)
  return ended(service, body.id)
}

const replicate = (service: RunningService, source: string, target: string) =>
  run<ReplicateResult>(service, 'replicate', { source: `${SOURCE}/${source}`, target: `${TARGET}/${target}` })

const data = `${VULNERABILITY_DATA}/osv`
const judged = existsSync(data) && spawnSync('dpkg', ['--version']).status === 0

describe.skipIf(skipped !== '')(`the service between real registries${skipped}`, () => {
  let service: RunningService
  beforeAll(async () => {
    service = await startService({ env: { ...environment, ...(judged ? { LONGSHORE_ADVISORIES: data } : {}) } })
  }, 60_000)
  afterAll(() => service?.end())

  test.skipIf(!judged)(
    'a scan of Debian finds exactly what dpkg decides over the records, and a rescan asks one HEAD',
    async () => {
      const image = `${SOURCE}/lab/debian:12`
      const scan = await run<ScanResult>(service, 'scan', { image })
      expect(scan).toMatchObject({ status: 'success', result: { coverage: 'full', digest: digestBySkopeo(image) } })
      const { body: report } = await service.get<{ findings: Finding[] }>(`/v1/jobs/${scan.id}/report?format=json`)

      const installed = installedOf(await fileOf(SOURCE, 'lab/debian', '12', './var/lib/dpkg/status'))
      const verdicts = dpkgVerdicts(installed)
      expect(verdicts.judged).toBeGreaterThan(100)
      expect(foundPairs(report.findings.filter(({ purl }) => purl.startsWith('pkg:deb/')))).toEqual(verdicts.expected)

      const before = logEnd('src')
      const again = await run<ScanResult>(service, 'scan', { image })
      expect(again.result.layers).toEqual({ total: 1, reused: 1 })
      expect(requestsSince('src', before).requests).toEqual(['HEAD manifests 200'])
    },
    240_000,
  )

  test.each([
    ['many', 21],
    ['multi', 6],
  ])(
    '%s arrives unchanged, skopeo can pull it, and a second time ends in two requests',
    async (name, blobs) => {
      const target = `lab-service/${randomUUID()}`
      const before = { src: logEnd('src'), dst: logEnd('dst') }
      const job = await replicate(service, `lab/${name}:1`, `${target}:1`)
      const sizes = [...(await blobsOf(SOURCE, `lab/${name}`, '1')).values()]
      const bytes = sizes.reduce((sum, size) => sum + size, 0)
      expect(sizes).toHaveLength(blobs)
      expect(job).toMatchObject({
        status: 'success',
        attempt: 1,
        result: { blobs: { copied: blobs, mounted: 0, present: 0 }, bytes: { copied: bytes, skipped: 0 } },
      })
      const pulled = requestsSince('src', before.src).requests.filter((request) => request === 'GET blobs 200')
      const pushed = requestsSince('dst', before.dst).requests.filter((request) => request === 'PUT uploads 201')
      // Each blob goes over the wire once.
      expect([pulled.length, pushed.length]).toEqual([blobs, blobs])

      const digest = digestBySkopeo(`${SOURCE}/lab/${name}:1`)
      expect([job.result.digest, digestBySkopeo(`${TARGET}/${target}:1`)]).toEqual([digest, digest])
      const folder = mkdtempSync(join(tmpdir(), 'longshore-lab-'))
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
      pullWithSkopeo(`${TARGET}/${target}:1`, folder)

      const marks = { src: logEnd('src'), dst: logEnd('dst') }
      const again = await replicate(service, `lab/${name}:1`, `${target}:1`)
      expect(again.result).toMatchObject({ digest, requests: { source: 0, target: 1 } })
      expect([...requestsSince('src', marks.src).requests, ...requestsSince('dst', marks.dst).requests]).toEqual([
        'HEAD manifests 200',
        'HEAD manifests 200',
      ])
    },
    120_000,
  )
})

describe.skipIf(skipped !== '')(`the service killed in the middle of a replication${skipped}`, () => {
  test('ends the job after its next start, and no tag names half an image in between', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'longshore-lab-'))
    const digest = digestBySkopeo(`${SOURCE}/lab/single:1`)
    const target = `lab-service/${randomUUID()}`
    /** Every answer about the tag, in the order of their first. */
    const seen = new Set<string | undefined>()
    const look = async () => seen.add(await tagged(TARGET, target, '1'))

    const first = await startService({ dataDir, env: environment })
    onTestFinished(async () => {
      await first.end('SIGKILL')
      rmSync(dataDir, { recursive: true, force: true })
    })
    const before = logEnd('dst')
    const { body: job } = await first.post<Job<ReplicateResult>>('/v1/jobs', {
      type: 'replicate',
      params: { source: `${SOURCE}/lab/single:1`, target: `${TARGET}/${target}:1` },
    })
    await vi.waitFor(
      () =>
        expect(requestsSince('dst', before).lines.some((line) => line.startsWith(`POST /v2/${target}/`))).toBe(true),
      { timeout: 20_000, interval: 5 },
    )
    await first.end('SIGKILL')
    await look()
    expect([...seen]).toEqual([undefined])

    const second = await startService({ dataDir, env: environment })
    onTestFinished(() => second.end())
    let over = false
    const watching = (async () => {
      while (!over) await look()
    })()
    const result = await ended<ReplicateResult>(second, job.id).finally(() => {
      over = true
    })
    await watching
    await look()
    expect(result).toMatchObject({ status: 'success', attempt: 2, result: { digest } })
    expect([...seen]).toEqual([undefined, digest])
    expect(digestBySkopeo(`${TARGET}/${target}:1`)).toBe(digest)
  }, 120_000)
})
