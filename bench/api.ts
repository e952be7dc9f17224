/**
 * Question: how long does the job protocol take around a job that has nothing to do, and how many jobs does a laptop
 * take? Starts the real service (`node start.mjs`) and scans the demo image, whose inventory is known after the first:
 *
 *   idle  one after the other: POST, then GET ?wait=20 until it has ended
 *   load  500 POSTs, 32 at a time, each its own job; then until the last of them is a success
 *
 *   npx esbuild bench/api.ts --bundle --platform=node --format=esm --outfile=/tmp/longshore-bench/api.mjs
 *   node /tmp/longshore-bench/api.mjs [idle=200] [load=500] [parallel=32] [profile folder]
 */
import { cpus } from 'node:os'
import { startService } from '../test/fixtures/service.ts'

interface Job {
  id: string
  status: string
  finishedAt: string | null
}

const [idle = 200, load = 500, parallel = 32] = process.argv.slice(2, 5).map(Number)
const profiles = process.argv[5]
const service = await startService(
  profiles ? { nodeOptions: ['--cpu-prof', `--cpu-prof-dir=${profiles}`, '--cpu-prof-interval=500'] } : {},
)
try {
  const image = `127.0.0.1:${service.demoPorts[0]}/demo/shop:1.0`
  const submit = () => service.post<Job>('/v1/jobs', { type: 'scan', params: { image } })
  const ended = async (id: string) => (await service.get<Job>(`/v1/jobs/${id}?wait=20`)).body
  const scan = async (): Promise<number> => {
    const startedAt = performance.now()
    const { status, body, text } = await submit()
    if (status !== 202) throw new Error(`POST /v1/jobs: ${status} ${text}`)
    const job = await ended(body.id)
    if (job.status !== 'success') throw new Error(`job ${job.id} ended as ${job.status}`)
    return performance.now() - startedAt
  }
  // The first scans build what is kept: the advisory revision, the inventory, compiled code.
  for (let n = 0; n < 50; n++) await scan()
  const rest = service.usage()

  const times: number[] = []
  for (let n = 0; n < idle; n++) times.push(await scan())
  const afterIdle = service.usage()
  times.sort((a, b) => a - b)

  const ids: string[] = []
  let errors = 0
  const posts: number[] = []
  const startedAt = performance.now()
  let left = load
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      while (left-- > 0) {
        const postedAt = performance.now()
        const answer = await submit().catch(() => undefined)
        posts.push(performance.now() - postedAt)
        if (answer?.status === 202) ids.push(answer.body.id)
        else errors++
      }
    }),
  )
  const postedMs = performance.now() - startedAt
  const began = Date.now() - postedMs
  // The newest first: while one request waits for its end, nothing but the jobs themselves keeps the service busy.
  const jobs: Job[] = []
  for (const id of ids.reverse()) {
    let job = await ended(id)
    for (let tries = 0; tries < 6 && job.finishedAt === null; tries++) job = await ended(id)
    jobs.push(job)
  }
  const successes = jobs.filter((job) => job.status === 'success').length
  const allMs = Math.max(...jobs.map((job) => Date.parse(job.finishedAt ?? '') - began))
  posts.sort((a, b) => a - b)
  const end = service.usage()
  posts.sort((a, b) => a - b)
  console.log(
    JSON.stringify({
      bench: 'api',
      machine: `${cpus().length} x ${cpus()[0]?.model.trim()}`,
      node: process.version,
      idle: {
        jobs: idle,
        p50Ms: at(times, 0.5),
        p95Ms: at(times, 0.95),
        maxMs: at(times, 1),
        cpuMsPerJob: (afterIdle.cpuMs - rest.cpuMs) / idle,
      },
      load: {
        posts: load,
        parallel,
        errors,
        distinct: new Set(ids).size,
        successes,
        postsPerSecond: Math.round((1000 * load) / postedMs),
        postP50Ms: at(posts, 0.5),
        postP95Ms: at(posts, 0.95),
        allDoneMs: Math.round(allMs),
        jobsPerSecond: Math.round((1000 * ids.length) / allMs),
        cpuMsPerJob: (end.cpuMs - afterIdle.cpuMs) / load,
      },
      rssMB: { idle: rest.rssMB, end: end.rssMB, peak: end.peakMB },
    }),
  )
} finally {
  await service.end()
}

function at(sorted: number[], share: number): number {
  return Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1))
}
