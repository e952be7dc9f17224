/**
 * A seeded world in virtual time in which several replications set one target tag. The production run goes through every
 * request one at a time, in an order the seed decides; a worker may be killed at any of them, and a tag it was just
 * setting may still be set long after its death.
 */
import type { Clock } from '../../lib/clock.ts'
import { defaultLimits, type Limits } from '../../lib/config.ts'
import { LongshoreError } from '../../lib/errors.ts'
import type { JobContext, JobOrder } from '../../lib/job/define.ts'
import { acceptanceOf, type TagClaims, tagClaims } from '../../lib/job/tag-claims.ts'
import type { Manifest, RegistryClient } from '../../lib/oci/types.ts'
import { runReplicate, verifyTag } from '../../lib/replicate/job.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { seededRandom } from '../job/world.ts'
import { imageManifest } from '../oci/server.ts'

const RUN_MS = 60_000
const LEASE_MARGIN_MS = 10_000
export const limits: Limits = { ...defaultLimits, tagVerifyMarginSeconds: 10, handOverMs: 0 }

const manifests = ['one', 'two', 'three'].map((label) => imageManifest(label))

/** A protocol with one mechanism taken away. */
export type Mutant = 'no claim' | 'no condition' | 'no re-check' | 'no verify' | 'silent repair' | 'verify at once'

export interface History {
  /** Of the jobs, in order of acceptance. */
  wanted: string[]
  ends: string[]
  tag: string | undefined
  followUps: number
  steps: number
}

interface Run {
  job: number
  dead: boolean
  endsAt: number
  /** The tag was set by it: what a mutant without a re-check looks at no more. */
  hasSet: boolean
}

class Canceled extends Error {}

export async function tagHistory(
  seed: number,
  options: { jobs: number; crashes: number; mutant?: Mutant; override?: boolean },
): Promise<History> {
  const random = seededRandom(seed)
  const chance = (probability: number) => random.next() < probability
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random.next() * values.length)] as T
  const { mutant } = options
  let now = 1_000_000
  let crashes = options.crashes
  let steps = 0

  const waiting: { run: Run; go: () => void }[] = []
  const later: { at: number; happen: () => void }[] = []
  const at = (time: number, happen: () => void) => void later.push({ at: time, happen })
  /** One request: it happens when the seed says so, or never when its sender is dead. */
  const step = (run: Run) =>
    new Promise<void>((go) => {
      if (!run.dead) waiting.push({ run, go })
    })

  const stored = new Map<string, Manifest>()
  let tag: string | undefined
  const set = (manifest: Manifest) => {
    stored.set(manifest.digest, manifest)
    tag = manifest.digest
  }
  const wanted = Array.from({ length: options.jobs }, () => pick(manifests))
  const ends: string[] = []
  const claims = tagClaims(memoryStore(), 't', limits)
  const followUps = new Map<number, number>()

  const clientOf = (run: Run, side: 'source' | 'target'): RegistryClient =>
    ({
      host: `${side}.example`,
      counts: { requests: 0, bytesIn: 0, bytesOut: 0 },
      resolve: async () => {
        await step(run)
        return tag === undefined ? undefined : { digest: tag, mediaType: '', size: 1 }
      },
      manifest: async (_repository: string, digest: string) => {
        await step(run)
        const found = side === 'source' ? manifests.find((one) => one.digest === digest) : stored.get(digest)
        if (found) return found
        throw new LongshoreError('source-gone', 'not there')
      },
      hasBlob: async () => true,
      putManifest: async (_repository: string, _reference: string, manifest: Manifest) => {
        await step(run)
        if (crashes > 0 && chance(0.3)) {
          // Killed while the request is on its way: it lands at any time until the margin after the lease is over.
          crashes--
          const latest = run.endsAt + LEASE_MARGIN_MS + limits.tagVerifyMarginSeconds * 1000
          at(now + Math.floor(random.next() * (latest - now)), () => set(manifest))
          kill(run)
          return await new Promise<void>(() => {})
        }
        set(manifest)
        run.hasSet = true
        await step(run)
      },
    }) as unknown as RegistryClient

  const claimsOf = (run: Run): TagClaims => {
    let own: Awaited<ReturnType<TagClaims['get']>>
    return {
      async get(name) {
        await step(run)
        if (mutant === 'no claim') return undefined
        return mutant === 'no re-check' && run.hasSet && own ? own : await claims.get(name)
      },
      async put(name, claim, seen) {
        await step(run)
        if (mutant === 'no claim') return true
        const repair = seen && claim.digest === seen.digest && claim.sequence === seen.sequence
        if (mutant === 'silent repair' && repair && claim.until !== seen.until) return true
        const base = mutant === 'no condition' ? await claims.get(name) : seen
        const written = await claims.put(name, claim, base)
        if (written) own = { ...claim, turn: (base?.turn ?? 0) + 1 }
        // The answer is lost and the request repeated: it finds its own write.
        return written && !(crashes > 0 && chance(0.05))
      },
    }
  }

  const kill = (run: Run) => {
    if (run.dead) return
    run.dead = true
    for (let i = waiting.length - 1; i >= 0; i--) if (waiting[i]!.run === run) waiting.splice(i, 1)
    // The next attempt begins when the lease is over.
    at(Math.max(now, run.endsAt + LEASE_MARGIN_MS) + 1, () => begin(run.job))
  }

  const begin = (job: number) => {
    const run: Run = { job, dead: false, endsAt: now + RUN_MS, hasSet: false }
    at(run.endsAt, () => kill(run))
    const looksBack = job >= options.jobs
    const of = looksBack ? job - options.jobs : job
    const clock: Clock = { now: () => now, sleep: () => new Promise(() => {}) }
    const order: JobOrder = {
      acceptance: acceptanceOf({ createdAt: of, id: `job${of}` }),
      leaseUntil: run.endsAt + LEASE_MARGIN_MS,
      claims: claimsOf(run),
      async followUp(dueAt) {
        await step(run)
        if (mutant !== 'no verify' && !followUps.has(job)) {
          followUps.set(job, dueAt)
          at(mutant === 'verify at once' ? now : dueAt, () => begin(options.jobs + job))
        }
        return 'follow-up'
      },
    }
    const context: JobContext = {
      jobId: `job${of}`,
      tenant: 't',
      attempt: 1,
      image: { registry: 'source.example', repository: 'app', digest: wanted[of]!.digest },
      log: { info: () => {}, warn: () => {} },
      phase: () => {},
      progress: () => {},
      signal: new AbortController().signal,
      clock,
      limits,
      blobs: undefined as never,
      registry: async (host) => clientOf(run, host.startsWith('source') ? 'source' : 'target'),
      order,
      leases: undefined as never,
      images: undefined as never,
      checkpoint: undefined,
      save: () => {},
      isStopped: () => false,
      remainingMs: () => run.endsAt - now,
      wholeRunMs: RUN_MS,
      cancel: (reason) => {
        throw new Canceled(reason)
      },
      snooze: () => {
        throw new Error('snoozed')
      },
      handOver: () => {
        throw new Error('handed over')
      },
    }
    const params = {
      source: 'source.example/app:1',
      target: 'target.example/app:1',
      ...(options.override === undefined ? {} : { override: options.override }),
    }
    const end = (how: string) => {
      if (run.dead) return
      run.dead = true
      ends[job] = how
    }
    void (looksBack ? verifyTag(params, context) : runReplicate(params, context)).then(
      () => end('success'),
      (error: Error) => end(error instanceof Canceled ? `canceled: ${error.message}` : `error: ${error.message}`),
    )
  }

  // At once, within a run, or over several.
  const spread = pick([0, 40_000, 250_000])
  for (let job = 0; job < options.jobs; job++) at(now + Math.floor(random.next() * spread), () => begin(job))
  for (;;) {
    const due = now + pick([0, 0, 0, 100, 1_000, 5_000])
    later.sort((a, b) => a.at - b.at)
    const next = later[0]
    if (next && (waiting.length === 0 || next.at <= due)) {
      later.shift()
      now = Math.max(now, next.at)
      next.happen()
    } else if (waiting.length > 0) {
      now = due
      const [{ run, go }] = waiting.splice(Math.floor(random.next() * waiting.length), 1) as [(typeof waiting)[0]]
      steps++
      if (crashes > 0 && chance(0.04)) {
        crashes--
        kill(run)
      } else go()
    } else break
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { wanted: wanted.map(({ digest }) => digest), ends, tag, followUps: followUps.size, steps }
}
