/**
 * Our copy against `skopeo copy`: same registries, cold target each time, paired runs A B A B, medians.
 * Needs docker-registry and skopeo (reference/replication.md section 3), started and seeded.
 *
 *   npx esbuild bench/replicate.ts --bundle --platform=node --format=esm --outfile=/tmp/bench-replicate.mjs
 *   LAB=/tmp/lab REGISTRIES=/path/to/registries.sh node /tmp/bench-replicate.mjs [pairs=7] [image=lab/many:1]
 *
 * Wall and CPU are of the whole child process, from spawn to exit, node's start included.
 */
import { execFileSync, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../lib/clock.ts'
import { defaultLimits } from '../lib/config.ts'
import type { JobContext } from '../lib/job/define.ts'
import { tagClaims } from '../lib/job/tag-claims.ts'
import { createOpenRegistry } from '../lib/oci/open.ts'
import { parseReference } from '../lib/oci/reference.ts'
import { systemRandom } from '../lib/random.ts'
import { runReplicate } from '../lib/replicate/job.ts'
import { memoryStore } from '../lib/store/memory.ts'

const SOURCE = process.env.SRC ?? '127.0.0.1:5601'
const TARGET = process.env.DST ?? '127.0.0.1:5602'

interface Measured {
  wallMs: number
  cpuMs: number
  rssMiB: number
}

if (process.argv[2] === '--child') await copy(process.argv[3] ?? '', process.argv[4] ?? '')
else await compare(Number(process.argv[2] ?? 7), process.argv[3] ?? 'lab/many:1')

/** One replication as a worker would run it, without the job protocol around it. */
async function copy(source: string, target: string): Promise<void> {
  const reference = parseReference(source)
  const registry = createOpenRegistry({
    find: async (host) => ({ host, insecure: true, allowPrivate: true }),
    ecrToken: () => Promise.reject(new Error('no ECR here')),
    limits: defaultLimits,
    clock: systemClock,
    random: systemRandom,
  })
  const tag = await (await registry(reference.registry)).resolve(reference.repository, reference.tag ?? 'latest')
  if (!tag) throw new Error(`${source} is not there; seed the registry first`)
  const startedAt = Date.now()
  const context: JobContext = {
    jobId: 'bench',
    tenant: 'bench',
    attempt: 1,
    image: { registry: reference.registry, repository: reference.repository, digest: tag.digest },
    log: { info: () => {}, warn: () => {} },
    phase: () => {},
    progress: () => {},
    signal: new AbortController().signal,
    clock: systemClock,
    limits: defaultLimits,
    blobs: undefined as never, // a replication keeps nothing
    registry,
    order: {
      acceptance: '0#bench',
      leaseUntil: 0,
      claims: tagClaims(memoryStore(), 'bench', defaultLimits),
      followUp: async () => 'none',
    },
    leases: undefined as never,
    images: undefined as never,
    checkpoint: undefined,
    save: () => {},
    isStopped: () => false,
    remainingMs: () => 840_000 - (Date.now() - startedAt),
    wholeRunMs: 840_000,
    cancel: (reason) => {
      throw new Error(reason)
    },
    snooze: () => {
      throw new Error('snoozed')
    },
    handOver: () => {
      throw new Error('handed over')
    },
  }
  const { result } = await runReplicate({ source, target }, context)
  registry.close()
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
  console.log(JSON.stringify({ cpuMs: (userCPUTime + systemCPUTime) / 1_000, rssMiB: maxRSS / 1_024, result }))
}

async function compare(pairs: number, image: string): Promise<void> {
  const ours: Measured[] = []
  const skopeo: Measured[] = []
  for (let pair = 0; pair < pairs; pair++) {
    cold()
    const child = await timed(process.execPath, [
      fileURLToPath(import.meta.url),
      '--child',
      `${SOURCE}/${image}`,
      `${TARGET}/${image}`,
    ])
    ours.push(child)
    cold()
    const peer = ['copy', '-q', '--src-tls-verify=false', '--dest-tls-verify=false']
    skopeo.push(await timed('skopeo', [...peer, `docker://${SOURCE}/${image}`, `docker://${TARGET}/${image}`]))
    console.log(`pair ${pair + 1}: ours ${shown(ours.at(-1))}   skopeo ${shown(skopeo.at(-1))}`)
  }
  const ratio = (key: keyof Measured) => median(ours.map((run, index) => run[key] / (skopeo[index]?.[key] ?? 1)))
  console.log(`${image}, medians of ${pairs} pairs, node ${process.version}`)
  console.log(`ours    ${shown(medians(ours))}`)
  console.log(`skopeo  ${shown(medians(skopeo))}`)
  console.log(
    `ratio   wall ${ratio('wallMs').toFixed(2)} (at most 0.90), CPU ${ratio('cpuMs').toFixed(2)} (at most 0.72)`,
  )
}

/** An empty target, and skopeo without its memory of where blobs are. */
function cold(): void {
  const lab = process.env.LAB ?? '/tmp/lab'
  const script = process.env.REGISTRIES ?? '/work/shared/registries/registries.sh'
  execFileSync('bash', [script, lab, 'reset-dst'], { stdio: 'ignore' })
  // Where skopeo keeps it for root; with it, skopeo would mount what it pushed before.
  rmSync('/var/lib/containers/cache/blob-info-cache-v1.boltdb', { force: true })
}

/** CPU and peak memory by getrusage(RUSAGE_CHILDREN), the same for both. */
function timed(command: string, args: string[]): Promise<Measured> {
  const startedAt = process.hrtime.bigint()
  return new Promise((resolve, reject) => {
    const script =
      'import os,resource,subprocess,sys\nr=subprocess.run(sys.argv[1:],stdout=sys.stderr).returncode\nu=resource.getrusage(resource.RUSAGE_CHILDREN)\nprint((u.ru_utime+u.ru_stime)*1000,u.ru_maxrss/1024)\nsys.exit(r)'
    const child = spawn('python3', ['-c', script, command, ...args])
    let out = ''
    let errors = ''
    child.stdout.on('data', (chunk) => {
      out += chunk
    })
    child.stderr.on('data', (chunk) => {
      errors += chunk
    })
    child.on('close', (code) => {
      const wallMs = Number(process.hrtime.bigint() - startedAt) / 1e6
      if (code !== 0) return reject(new Error(`${command} failed: ${errors}`))
      const [cpuMs = 0, rssMiB = 0] = out.trim().split(' ').map(Number)
      resolve({ wallMs, cpuMs, rssMiB })
    })
  })
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

function medians(runs: Measured[]): Measured {
  return {
    wallMs: median(runs.map((run) => run.wallMs)),
    cpuMs: median(runs.map((run) => run.cpuMs)),
    rssMiB: median(runs.map((run) => run.rssMiB)),
  }
}

function shown(run: Measured | undefined): string {
  return run
    ? `wall ${run.wallMs.toFixed(0)} ms, CPU ${run.cpuMs.toFixed(0)} ms, peak ${run.rssMiB.toFixed(0)} MiB`
    : '-'
}
