/**
 * The minute tick: recovers dead leases, re-sends lost messages, hands over events. Stateless; two sweeps at once only
 * waste reads and messages, because every change is a transition of the table with the state it expects.
 *
 * A lease that ends before the next tick gets a message that comes when it is over: whoever receives it takes a dead run
 * over at once, or ends it (`work.ts`), and leaves alone what has ended meanwhile. So nothing stands still until the next
 * tick.
 */
import type { Environment } from './environment.ts'
import { handOverEvents } from './event-cursor.ts'
import { OPEN_KINDS } from './keys.ts'
import { queueOf } from './message.ts'
import { endOfLease, endsBeforeNextTick, isOverdue, openJobs } from './open-jobs.ts'
import { isTerminal, type JobRecord } from './record.ts'
import { recover } from './recover.ts'
import { resendLost, send } from './resend.ts'
import { leaseIsDead } from './transitions.ts'

export interface SweepReport {
  looked: number
  recovered: number
  ended: number
  resent: number
  /** Messages that come at the end of a lease. */
  foreseen: number
  events: number
}

/** Longest life of a lease: within it after a start, running jobs of former workers are looked for. */
const LEASE_LIFE_MAX_MS = 20 * 60_000

/** One sweep of all types; `met` hears of every waiting job that was looked at. Throws only when the store is down. */
export async function sweep(env: Environment, met: (job: JobRecord) => void = () => {}): Promise<SweepReport> {
  const report: SweepReport = { looked: 0, recovered: 0, ended: 0, resent: 0, foreseen: 0, events: 0 }
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
      const foreseen: JobRecord[] = []
      for (const job of jobs) {
        if (isTerminal(job.status)) continue
        if (job.status === 'running') {
          if (leaseIsDead(job, env.clock.now(), env.workersDeadBefore)) await recover(job, env, report, lost)
          else if (endsBeforeNextTick(job, env)) foreseen.push(job)
          continue
        }
        met(job)
        if (isLost(job, empty, env)) lost.push(job)
      }
      if (lost.length > 0) await resendLost(lost, resend, env, report)
      if (foreseen.length > 0)
        report.foreseen += await send(foreseen.slice(0, env.limits.resendBatchMax), (job) => endOfLease(job, env), env)
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

function isLost(job: JobRecord, empty: Set<string>, env: Environment): boolean {
  const now = env.clock.now()
  if (isOverdue(job, env)) return true
  const due = (job.dueAt ?? 0) <= now
  // Twice at most: after that only nextSendAt counts, so that messages grow with the logarithm of a job's age.
  const settled = now - job.sentAt > env.limits.emptyQueueSeconds * 1000
  return due && ((empty.has(job.lane) && settled && job.sends <= 2) || job.sentAt < env.workersDeadBefore)
}
