/**
 * The minute tick: recovers dead leases, re-sends lost messages, hands over events. Stateless; two sweeps at once only
 * waste reads, because every change is a transition of the table with the state it expects.
 */
import type { Json } from '../glossary.ts'
import { apply } from './apply.ts'
import { ending } from './ending.ts'
import type { Environment } from './environment.ts'
import { handOverEvents } from './event-cursor.ts'
import { OPEN_KINDS, OPEN_SHARDS, type OpenKind, openJobsPartition, stamp } from './keys.ts'
import { messageOf, queueOf } from './message.ts'
import { attemptOf, isTerminal, type JobRecord, jobOfItem } from './record.ts'
import * as transitions from './transitions.ts'
import { leaseIsDead } from './transitions.ts'
import { backoffMs, delayFor, nextSendAt } from './wait.ts'

export interface SweepReport {
  looked: number
  recovered: number
  ended: number
  resent: number
  events: number
}

/** Longest life of a lease: within it after a start, running jobs of former workers are looked for. */
const LEASE_LIFE_MAX_MS = 20 * 60_000

/** One sweep of all types; `met` hears of every waiting job that was looked at. Throws only when the store is down. */
export async function sweep(env: Environment, met: (job: JobRecord) => void = () => {}): Promise<SweepReport> {
  const report: SweepReport = { looked: 0, recovered: 0, ended: 0, resent: 0, events: 0 }
  for (const type of env.types.keys()) {
    const resend = { left: env.limits.resendBatchMax }
    const empty = await emptyLanes(type, env)
    const restarted = env.clock.now() - env.workersDeadBefore < LEASE_LIFE_MAX_MS
    // Dead leases first, then the jobs that people wait for, then the others: each has its own partitions and is read to
    // its own limit, so that none waits for another's hundred thousand.
    for (const kind of OPEN_KINDS) {
      // Where a queue is empty, whatever waits for a message has lost it; otherwise only what is overdue is looked at.
      const jobs = await openJobs(type, kind, restarted || (kind !== 'running' && empty.has(kind)), env)
      report.looked += jobs.length
      const lost: JobRecord[] = []
      for (const job of jobs) {
        if (isTerminal(job.status)) continue
        if (job.status === 'running') {
          await recover(job, env, report, lost)
          continue
        }
        met(job)
        if (isLost(job, empty, env)) lost.push(job)
      }
      await resendLost(lost, resend, env, report)
    }
  }
  report.events = await handOverEvents(env)
  return report
}

/** Lanes whose queue holds no message at all, seen or unseen. A depth that cannot be read counts as not empty. */
async function emptyLanes(type: string, env: Environment): Promise<Set<string>> {
  const empty = new Set<string>()
  for (const lane of ['interactive', 'bulk'] as const) {
    const depth = await env.queue.depth(queueOf(type, lane)).catch(() => undefined)
    if (depth && depth.waiting + depth.inFlight + depth.delayed === 0) empty.add(lane)
  }
  return empty
}

async function openJobs(type: string, kind: OpenKind, all: boolean, env: Environment): Promise<JobRecord[]> {
  const { store, clock, limits } = env
  // What waits and is overdue is re-sent, all of it: more than twice what may be sent need not be read.
  const toSend = 2 * Math.ceil(limits.resendBatchMax / OPEN_SHARDS)
  const limit = all || kind === 'running' ? limits.sweepPageMax : Math.min(limits.sweepPageMax, toSend)
  const to = all ? {} : { to: `${stamp(clock.now())}~` }
  const jobs: JobRecord[] = []
  let shards: { pk: string; looked: number; cursor?: Json }[] = Array.from({ length: OPEN_SHARDS }, (_, shard) => ({
    pk: openJobsPartition(type, kind, shard),
    looked: 0,
  }))
  while (shards.length > 0) {
    const pages = await Promise.all(
      shards.map(({ pk, cursor }) =>
        store.query({ index: 'open', pk, ...to, limit, ...(cursor === undefined ? {} : { cursor }) }),
      ),
    )
    // The index may lag: what decides is the record itself, read consistently.
    const items = await store.getMany(pages.flatMap((page) => page.items.map(({ pk, sk }) => ({ pk, sk }))))
    const unreadable = new Set<string>()
    for (const item of items) {
      try {
        jobs.push(jobOfItem(item))
      } catch (thrown) {
        // Of a version we do not know: one such record must not keep all others from being recovered.
        env.log.error('a record cannot be read and is passed over', { key: item.pk, reason: String(thrown) })
        unreadable.add(item.pk)
      }
    }
    // Nobody moves such a record on: where they stand in front, what is behind them is looked at as well.
    shards = shards.flatMap(({ pk, looked }, index) => {
      const { items: keys, cursor } = pages[index]!
      const seen = looked + keys.length
      const goesOn = cursor !== undefined && seen < limits.sweepPageMax && keys.some((key) => unreadable.has(key.pk))
      return goesOn ? [{ pk, looked: seen, cursor }] : []
    })
  }
  return jobs
}

/** A run whose lease is dead becomes retrying, or ends: stopped if that was asked, error if it was the last attempt. */
async function recover(job: JobRecord, env: Environment, report: SweepReport, lost: JobRecord[]): Promise<void> {
  const { clock, limits, random, store } = env
  const now = clock.now()
  if (!leaseIsDead(job, now, env.workersDeadBefore)) return
  const seen = { fence: job.fence, lease: job.lease ?? 0, attempting: job.attempting }
  const message = `the worker of attempt ${job.failures + job.attempting} died or ran out of time`
  const end = async (status: 'stopped' | 'error', code: 'stopped-by-user' | 'lease-expired', text: string) => {
    const ended = await apply(
      store,
      job,
      transitions.recoverToEnd(
        job,
        { fence: seen.fence, lease: seen.lease, stop: job.stop === true },
        ending(status, env, { error: { code, message: text, retryable: true } }),
      ),
    )
    if (!ended) return
    report.ended++
    env.metrics?.count('endedBySweep', job.type)
    env.metrics?.count(status === 'error' ? 'failed' : 'stopped', job.type)
    env.log.warn('a job whose worker died was ended', { ...idsOf(job), status, code, reason: text })
  }
  if (job.stop) {
    await end('stopped', 'stopped-by-user', 'stopped; its worker had died before')
  } else if (job.failures + job.attempting >= job.maxAttempts) {
    await end('error', 'lease-expired', `${message}; it was the last of ${job.maxAttempts} attempts`)
  } else {
    // A service that was restarted knows that its workers died with it: nothing to back off from.
    const restarted = (job.claimedAt ?? 0) < env.workersDeadBefore
    const dueAt = now + (restarted ? 0 : backoffMs(job.failures + 1, limits, random))
    // Sent by this sweep, or, when it is due beyond the queue's longest delay, by the one at that time.
    const wait = { now, dueAt, nextSendAt: delayFor(now, dueAt) === undefined ? dueAt : now, reason: message }
    const recovered = await apply(store, job, transitions.recover(job, seen, wait))
    if (recovered) {
      report.recovered++
      env.metrics?.count('recovered', job.type)
      // After a restart that is what had to come.
      env.log[restarted ? 'info' : 'warn']('a job whose worker died was recovered', {
        ...idsOf(job),
        dueInMs: dueAt - now,
      })
      lost.push(recovered)
    }
  }
}

const idsOf = (job: JobRecord) => ({ jobId: job.id, type: job.type, attempt: attemptOf(job), fence: job.fence })

function isLost(job: JobRecord, empty: Set<string>, env: Environment): boolean {
  const now = env.clock.now()
  if (job.nextSendAt <= now) return true
  const due = (job.dueAt ?? 0) <= now
  // Twice at most: after that only nextSendAt counts, so that messages grow with the logarithm of a job's age.
  const settled = now - job.sentAt > env.limits.emptyQueueSeconds * 1000
  return due && ((empty.has(job.lane) && settled && job.sends <= 2) || job.sentAt < env.workersDeadBefore)
}

/** Moves `nextSendAt` first: of two sweeps one wins; a crash before the send waits for the next slot. */
async function resendLost(
  lost: JobRecord[],
  budget: { left: number },
  env: Environment,
  report: SweepReport,
): Promise<void> {
  const sent = new Map<string, JobRecord[]>()
  for (const job of lost.slice(0, budget.left)) {
    const now = env.clock.now()
    const next = { now, nextSendAt: nextSendAt(job.sends + 1, now, job.dueAt) }
    const { status, nextSendAt: seen } = job
    if (delayFor(now, job.dueAt) === undefined) continue
    const moved = await apply(env.store, job, transitions.resend(job, { status, nextSendAt: seen }, next))
    if (!moved) continue
    budget.left--
    sent.set(queueOf(job.type, job.lane), [...(sent.get(queueOf(job.type, job.lane)) ?? []), moved])
  }
  for (const [queue, jobs] of sent) {
    const messages = jobs.map((job) => messageOf(job, delayFor(env.clock.now(), job.dueAt)))
    await env.queue.send(queue, messages).then(
      () => {
        report.resent += jobs.length
        env.metrics?.count('resent', jobs[0]?.type ?? '', jobs.length)
      },
      (thrown: unknown) =>
        env.log.warn('messages could not be re-sent', { queue, jobs: jobs.length, reason: String(thrown) }),
    )
  }
}
