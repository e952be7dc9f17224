import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Context } from 'aws-lambda'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { handler } from '../../functions/advisories.ts'
import { buildRevision, openAdvisories } from '../../lib/advisories/index.ts'
import { diskBlobs } from '../../lib/blobs/disk.ts'
import { memoryBlobs } from '../../lib/blobs/memory.ts'
import { defaultLimits, type Limits } from '../../lib/config.ts'
import { dump, dumps, record } from './dumps.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()))
})

type Served = Uint8Array | string | number | 'cut' | 'silent'

/** Serves what `files` holds now: a content, a status, or a body that ends early or stands still. */
async function server(files: Map<string, Served>) {
  const listening = createServer((request, answer) => {
    const content = files.get((request.url ?? '').slice(1)) ?? 404
    if (typeof content === 'number') answer.writeHead(content).end('<html>no</html>')
    else if (content === 'cut') {
      answer.writeHead(200, { 'content-length': 1_000 }).write('{"vulnerabilities"')
      setImmediate(() => answer.destroy())
    } else if (content === 'silent') answer.writeHead(200, { 'content-length': 1_000 }).write('{')
    else answer.writeHead(200, { 'content-length': Buffer.byteLength(content) }).end(content)
  })
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  closers.push(
    () =>
      new Promise((resolve) => {
        listening.close(resolve)
        listening.closeAllConnections()
      }),
  )
  return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`
}

const CSV =
  'cve,vector,score,severity,source\nCVE-2024-0001,CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H,9.8,CRITICAL,cna\n'
const KEV = JSON.stringify({ vulnerabilities: [{ cveID: 'CVE-2024-0001', vulnerabilityName: 'X bug' }] })
const EPSS = gzipSync('#model_version:v1\ncve,epss,percentile\nCVE-2024-0001,0.42,0.9\n')
const KEV_FILE = 'known_exploited_vulnerabilities.json'
const ALL: [string, Served][] = [
  ['severity/cve-cvss-vulnrichment.csv.gz', gzipSync(CSV)],
  [KEV_FILE, KEV],
  ['epss_scores-current.csv.gz', EPSS],
]

async function world(limits: Partial<Limits> = {}, files = new Map<string, Served>(ALL)) {
  const dumped = dumps({ Debian: dump(record('DSA-1', 'Debian:12', 'x', '1', { upstream: ['CVE-2024-0001'] })) })
  closers.push(async () => dumped[Symbol.dispose]())
  const blobs = memoryBlobs()
  const address = await server(files)
  /** What a revision joins to the one CVE, and what the build said of it. */
  const build = async (enrichment = address) => {
    const lines: string[] = []
    await buildRevision({
      source: dumped.source(),
      blobs,
      enrichment,
      limits: { ...defaultLimits, ...limits },
      log: (line) => lines.push(line),
    })
    const details = await (await openAdvisories(blobs)).details('Debian:12', 'DSA-1')
    const { severities = [], kev = false, epss } = details!.joined['CVE-2024-0001'] ?? {}
    const said = lines.filter((line) => /CVSS|KEV|EPSS/.test(line))
    return { joined: [severities.length, kev, epss], said }
  }
  return { files, address, blobs, build, directory: dumped.directory }
}

describe('enrichment from an address', () => {
  test('has the file names of a folder, in their folders or beside each other', async () => {
    const { build, address } = await world()
    expect(await build()).toEqual({ joined: [1, true, 0.42], said: [] })
    expect((await build(`${address}/`)).joined).toEqual([1, true, 0.42])
  })

  test('may be a list, so that each publisher is asked itself', async () => {
    const kev = await server(new Map([[KEV_FILE, KEV]]))
    const epss = await server(new Map([['epss_scores-current.csv.gz', EPSS]]))
    const { build } = await world()
    expect(await build(`${kev},${epss}`)).toEqual({ joined: [0, true, 0.42], said: [] })
  })

  test.each<[string, Served, RegExp]>([
    ['answers with an error', 503, /answered 503/],
    ['is gone', 404, /is not at/],
    ['is cut short', 'cut', /cut in the middle/],
    ['stands still', 'silent', /bytes of the body in 200 ms/],
    ['is a page of a portal', '<html>log in</html>', /is not JSON/],
    ['is damaged', gzipSync(KEV).subarray(0, 40), /cannot be inflated/],
    ['holds nothing', '{"vulnerabilities": []}', /holds nothing/],
    ['is larger than the limit', 'x'.repeat(5_000), /longer than 4096 bytes/],
    ['inflates to more than the limit', gzipSync(`${KEV}${' '.repeat(5_000)}`), /cannot be inflated/],
  ])('keeps the last good file when the new one %s, and says so', async (_, content, why) => {
    const { files, build } = await world({ enrichmentBytesMax: 4_096, registryIdleTimeoutMs: 200 })
    await build()
    files.set(KEV_FILE, content)
    const { joined, said } = await build()
    expect(joined).toEqual([1, true, 0.42])
    expect(said).toHaveLength(1)
    expect(said[0]).toMatch(why)
    expect(said[0]).toMatch(/the KEV catalogue of \d{4}-\d\d-\d\d stays in use/)
  })

  test('that was never reached gives a revision without it, and says so', async () => {
    const { files, build } = await world()
    files.set(KEV_FILE, 500)
    const { joined, said } = await build()
    expect(joined).toEqual([1, false, 0.42])
    expect(said).toEqual([expect.stringMatching(/answered 500.*the revision is built without the KEV catalogue/)])
    expect((await build('http://127.0.0.1:1')).joined).toEqual([0, false, undefined])
  })

  test('of another address than before does not take the files of that one', async () => {
    const { build } = await world()
    await build()
    const empty = await server(new Map())
    expect(await build(empty)).toEqual({ joined: [0, false, undefined], said: [] })
  })

  test('whose kept file was damaged in the store is built without it', async () => {
    const { files, blobs, build } = await world()
    await build()
    const [kept] = (await blobs.list('advisories/enrichment/')).filter(({ key }) => key.includes('kev'))
    await blobs.put(kept!.key, Buffer.concat([(await blobs.get(kept!.key))!, Buffer.from('x')]))
    files.set(KEV_FILE, 500)
    expect((await build()).joined).toEqual([1, false, 0.42])
  })

  test('follows no redirect from an https address into a private network', async () => {
    const { build } = await world()
    const { joined, said } = await build('https://127.0.0.1:9/feeds')
    expect(joined).toEqual([0, false, undefined])
    expect(said).toHaveLength(3)
    expect(said[0]).toMatch(/private address/)
  })

  test('is what the deployed function builds by: LONGSHORE_ENRICHMENT, the parameter of the deployment', async () => {
    const { address, directory } = await world()
    const folder = mkdtempSync(join(tmpdir(), 'longshore-enrichment-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    vi.stubEnv('LONGSHORE_ADVISORIES', directory)
    vi.stubEnv('LONGSHORE_ENRICHMENT', address)
    vi.stubEnv('LONGSHORE_BLOBS', `file:${folder}`)
    onTestFinished(() => void vi.unstubAllEnvs())
    await handler({}, { awsRequestId: 'a' } as Context)
    const details = await (await openAdvisories(diskBlobs(folder))).details('Debian:12', 'DSA-1')
    expect(details!.joined['CVE-2024-0001']).toMatchObject({ kev: true, epss: 0.42 })
    expect(readFileSync(new URL('../../serverless.yml', import.meta.url), 'utf8')).toMatch(
      /^ +LONGSHORE_ENRICHMENT: \$\{param:enrichment, ''\}$/m,
    )
  })
})
