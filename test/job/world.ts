/**
 * A whole Longshore in memory on a clock the test owns: the production handlers against the memory twins, and a job
 * type `probe` whose runs the test scripts.
 */
import * as z from 'zod'
import { memoryBlobs } from '../../lib/blobs/memory.ts'
import type { Random } from '../../lib/clock.ts'
import { defaultLimits, type Limits } from '../../lib/config.ts'
import { LongshoreError } from '../../lib/errors.ts'
import { memoryEvents } from '../../lib/events/memory.ts'
import { readJob } from '../../lib/job/apply.ts'
import { handleDeadLetter } from '../../lib/job/dead-letter.ts'
import { defineJobType, type JobContext, type JobResult } from '../../lib/job/define.ts'
import { type Environment, type Invocation, silentLog } from '../../lib/job/environment.ts'
import { sweepExecutions } from '../../lib/job/execution-sweep.ts'
import { fanOut } from '../../lib/job/fan-out.ts'
import type { JobRecord } from '../../lib/job/record.ts'
import { submit } from '../../lib/job/submit.ts'
import { sweep } from '../../lib/job/sweep.ts'
import { typesOf } from '../../lib/job/types.ts'
import type { Verdict } from '../../lib/job/verdict.ts'
import { work } from '../../lib/job/work.ts'
import type { OpenRegistry } from '../../lib/oci/types.ts'
import { memoryQueue } from '../../lib/queue/memory.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import type { Store } from '../../lib/store/port.ts'
import { virtualClock } from '../queue/virtual-clock.ts'

export const START = Date.UTC(2026, 10, 22, 12)
export const DIGEST = `sha256:${'a'.repeat(64)}`
export const TENANT = 'main'
/** Of the probe's function. */
export const TIMEOUT_MS = 300_000

/** Small and seeded: mulberry32. */
export function seededRandom(seed: number): Random {
  let state = seed
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  return { next, bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(next() * 256)) }
}

/** A registry that knows tags by repository; resolving is all the protocol asks of it. */
export function tagRegistry(
  repositories: Record<string, Record<string, string>>,
  more: { fail?: () => Error | undefined } = {},
): OpenRegistry {
  return async (host) => {
    if (host === 'forbidden.example') throw new LongshoreError('registry-not-allowed', `${host} is not allowed`)
    const page = (names: string[], last: string | undefined, limit = 100) => {
      const rest = names.sort().filter((name) => last === undefined || name > last)
      const shown = rest.slice(0, limit)
      return { shown, ...(rest.length > limit ? { next: shown.at(-1) as string } : {}) }
    }
    return {
      host,
      resolve: async (repository: string, reference: string) => {
        const failure = more.fail?.()
        if (failure) throw failure
        const digest = repositories[repository]?.[reference]
        return digest ? { digest, mediaType: 'application/vnd.oci.image.manifest.v1+json', size: 1 } : undefined
      },
      tags: async (repository: string, options: { last?: string; limit?: number } = {}) => {
        const { shown, next } = page(Object.keys(repositories[repository] ?? {}), options.last, options.limit)
        return { tags: shown, ...(next ? { next } : {}) }
      },
      repositories: async (options: { last?: string; limit?: number } = {}) => {
        const { shown, next } = page(Object.keys(repositories), options.last, options.limit)
        return { repositories: shown, ...(next ? { next } : {}) }
      },
    } as unknown as Awaited<ReturnType<OpenRegistry>>
  }
}

export interface World {
  env: Environment
  clock: ReturnType<typeof virtualClock>
  events: ReturnType<typeof memoryEvents>
  queue: ReturnType<typeof memoryQueue>
  /** What the next run of a probe does; the last one stays. */
  runs: ((context: JobContext) => Promise<JobResult>)[]
  submitProbe(name?: string, key?: string): Promise<JobRecord>
  job(id: string): Promise<JobRecord>
  /** Delivers what is visible in a queue, one by one; returns the verdicts. */
  deliver(queue?: string, invocation?: Partial<Invocation>): Promise<Verdict[]>
  sweep(): ReturnType<typeof sweep>
}

export const succeed = async (): Promise<JobResult> => ({ result: { ok: true } })

export function createWorld(
  options: { limits?: Partial<Limits>; registry?: OpenRegistry; seed?: number; store?: (inner: Store) => Store } = {},
): World {
  const clock = virtualClock(START)
  const runs: World['runs'] = [succeed]
  const probe = defineJobType({
    type: 'probe',
    title: 'A job that does what the test says',
    phases: ['probing'],
    params: z.strictObject({ name: z.string().max(300) }),
    limits: { pool: { interactive: 2, bulk: 2 }, maxAttempts: 3, timeoutSeconds: TIMEOUT_MS / 1000 },
    image: ({ name }) => ({
      reference: { registry: 'registry.example', repository: name, tag: 'latest' },
      pointer: '/name',
    }),
    otherHosts: () => [],
    bulk: {
      spec: z.object({ images: z.array(z.string()) }),
      selectors: (spec: never) =>
        (spec as { images: string[] }).images.map((image) => {
          const [registry, name = ''] = image.includes('//') ? image.split('//') : ['registry.example', image]
          const [repository = '', tag = '*'] = name.split(':')
          return { registry: registry as string, repository, tag }
        }),
      otherHosts: () => [],
      child: (_spec, found) => ({ item: found.digest, params: { name: found.repository } }),
    },
    run: async (_params, context) => await (runs.length > 1 ? runs.shift()! : runs[0]!)(context),
  })
  const queue = memoryQueue({ clock, visibilityTimeoutSeconds: 1_800 })
  const events = memoryEvents()
  const inner = memoryStore()
  const env: Environment = {
    store: options.store ? options.store(inner) : inner,
    queue,
    blobs: memoryBlobs(),
    events,
    clock,
    random: seededRandom(options.seed ?? 1),
    limits: { ...defaultLimits, ...options.limits },
    types: typesOf([probe]),
    log: silentLog,
    registries: () => options.registry ?? tagRegistry({ app: { latest: DIGEST } }),
    workersDeadBefore: 0,
  }
  let requests = 0
  const invocation = (more: Partial<Invocation> = {}): Invocation => {
    const until = clock.now() + TIMEOUT_MS
    return {
      requestId: `request-${++requests}`,
      remainingMs: () => until - clock.now(),
      timeoutMs: TIMEOUT_MS,
      stopFlags: new Map(),
      ...more,
    }
  }
  return {
    env,
    clock,
    events,
    queue,
    runs,
    async submitProbe(name = 'app', key) {
      const { job } = await submit(
        { tenant: TENANT, type: 'probe', params: { name }, ...(key ? { idempotencyKey: key } : {}) },
        env,
      )
      return job
    },
    async job(id) {
      const job = await readJob(env.store, TENANT, id, clock.now())
      if (!job) throw new Error(`no job ${id}`)
      return job
    },
    async deliver(name = 'probe', more = {}) {
      const verdicts: Verdict[] = []
      for (;;) {
        const [message] = await queue.receive(name, { max: 1, waitSeconds: 0 })
        if (!message) return verdicts
        const run =
          name === 'fan-out'
            ? fanOut(message.body, env, invocation(more))
            : name.endsWith('-dlq')
              ? handleDeadLetter(message.body, env)
              : work(message, env, invocation(more))
        const verdict = await run
        verdicts.push(verdict)
        if (verdict === 'acknowledge') await queue.remove(name, message.receipt)
      }
    },
    async sweep() {
      const report = await sweep(env)
      await sweepExecutions(env)
      return report
    },
  }
}
