/**
 * Question: how much longer does a person wait for one scan while an execution of thousands of scans runs? Starts the real
 * service (`node start.mjs`), pushes so many images of one layer and as many configs, and measures from the acceptance of a
 * job to its claim, as its record tells: idle, and behind the running execution. Two lanes have own queues and own pools,
 * so the ratio tells what is left to share: the cores, the table, the API.
 *
 *   npx esbuild bench/lanes.ts --bundle --platform=node --format=esm --outfile=/tmp/longshore-bench/lanes.mjs
 *   node /tmp/longshore-bench/lanes.mjs [children=2000] [samples=40] [delay=200]
 *
 * `delay` is how many milliseconds the children's registry takes for an answer. As in life, they wait for the network then;
 * with 0 they wait for the cores of this machine, which on a laptop all share and in the cloud nobody does.
 */
import { cpus } from 'node:os'
import { image, layer } from '../lib/local/demo/build.ts'
import { push } from '../lib/local/demo/push.ts'
import { startRegistry } from '../lib/local/registry/server.ts'
import { startService } from '../test/fixtures/service.ts'

interface Job {
  id: string
  status: string
  createdAt: string
  startedAt: string | null
}
interface Execution {
  status: string
  counts: { [status: string]: number }
}

const [children = 2_000, samples = 40, delayMs = 200] = process.argv.slice(2, 5).map(Number)
const PUSHES_IN_PARALLEL = 16
let filled = false
const bulk = await startRegistry({ hooks: () => (filled && delayMs > 0 ? { delayMs } : undefined) })
const registries = JSON.stringify([{ host: bulk.host, insecure: true, allowPrivate: true }])
const service = await startService({ env: { LONGSHORE_REGISTRIES: registries } })
try {
  const host = `127.0.0.1:${service.demoPorts[0]}`
  const one = layer([{ path: 'app/node_modules/ms/package.json', content: '{"name":"ms","version":"0.7.0"}' }])
  const names = Array.from({ length: children }, (_, n) => `v${n}`)
  await Promise.all(
    Array.from({ length: PUSHES_IN_PARALLEL }, async () => {
      for (let tag = names.pop(); tag; tag = names.pop())
        await push(bulk.url, 'bulk/app', tag, image({ layers: [one], config: { author: tag } }))
    }),
  )

  filled = true

  /** Milliseconds from acceptance to claim, and from the request to the end of the scan. */
  const sample = async (): Promise<{ claim: number; end: number }> => {
    const from = performance.now()
    const params = { image: `${host}/demo/shop:1.0` }
    const { body } = await service.post<Job>('/v1/jobs', { type: 'scan', params })
    const { body: job } = await service.get<Job>(`/v1/jobs/${body.id}?wait=20`)
    if (job.status !== 'success' || !job.startedAt) throw new Error(`job ${job.id} is ${job.status}`)
    return { claim: Date.parse(job.startedAt) - Date.parse(job.createdAt), end: performance.now() - from }
  }
  const measure = async (isOn: () => Promise<boolean>) => {
    const found: { claim: number; end: number }[] = []
    while (found.length < samples && (await isOn())) found.push(await sample())
    return found
  }
  const shown = (what: string, found: { claim: number; end: number }[]) => {
    const at = (key: 'claim' | 'end', share: number) =>
      Math.round(
        found.map((one) => one[key]).sort((a, b) => a - b)[Math.floor((found.length - 1) * share)] ?? Number.NaN,
      )
    console.log(
      `${what}: ${found.length} scans, claimed after p50 ${at('claim', 0.5)} ms, p95 ${at('claim', 0.95)} ms; ended after p50 ${at('end', 0.5)} ms, p95 ${at('end', 0.95)} ms`,
    )
    return at('claim', 0.5)
  }

  for (let n = 0; n < 20; n++) await sample()
  const idle = shown('idle', await measure(async () => true))

  const policy = { name: 'all', type: 'scan', images: [`${bulk.host}/bulk/app:*`] }
  const { body: made } = await service.post<{ id: string }>('/v1/policies', policy)
  const { body: run } = await service.post<{ id: string }>(`/v1/policies/${made.id}/run`, {})
  const execution = async () => (await service.get<Execution>(`/v1/executions/${run.id}`)).body
  const began = performance.now()
  while (((await execution()).counts.total ?? 0) < Math.min(200, children)) await new Promise((r) => setTimeout(r, 50))
  const behind = shown(
    `behind an execution of ${children}`,
    await measure(async () => (await execution()).status === 'running'),
  )
  const during = (await execution()).counts
  while ((await execution()).status === 'running') await new Promise((resolve) => setTimeout(resolve, 500))
  const seconds = (performance.now() - began) / 1000
  console.log(`after the last sample: ${JSON.stringify(during)}`)
  console.log(`the execution took ${seconds.toFixed(1)} s, ${(children / seconds).toFixed(0)} scans a second`)
  console.log(
    `claimed ${(behind / Math.max(1, idle)).toFixed(2)} times as late as idle; ${cpus()[0]?.model}, ${cpus().length} cores`,
  )
} finally {
  await service.end()
  await bulk.close()
}
