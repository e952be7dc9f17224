/** Messages that the sweep sends: in place of lost ones, and for the end of a lease. */
import { apply } from './apply.ts'
import type { Environment } from './environment.ts'
import { messageOf, queueOf } from './message.ts'
import type { JobRecord } from './record.ts'
import * as transitions from './transitions.ts'
import { delayFor, nextSendAt } from './wait.ts'

/** Of one type. Moves `nextSendAt` first: of two sweeps one wins; a crash before the send waits for the next slot. */
export async function resendLost(
  lost: JobRecord[],
  budget: { left: number },
  env: Environment,
  report: { resent: number },
): Promise<void> {
  const moved: JobRecord[] = []
  for (const job of lost.slice(0, budget.left)) {
    const now = env.clock.now()
    const next = { now, nextSendAt: nextSendAt(job.sends + 1, now, job.dueAt) }
    const { status, nextSendAt: seen } = job
    if (delayFor(now, job.dueAt) === undefined) continue
    const after = await apply(env.store, job, transitions.resend(job, { status, nextSendAt: seen }, next))
    if (!after) continue
    budget.left--
    moved.push(after)
  }
  const count = await send(moved, ({ dueAt }) => dueAt, env)
  report.resent += count
  if (count > 0) env.metrics?.count('resent', moved[0]!.type, count)
}

/** One message for each job, for when it is due; returns how many were sent. */
export async function send(
  jobs: JobRecord[],
  dueAt: (job: JobRecord) => number | undefined,
  env: Environment,
): Promise<number> {
  let count = 0
  const queues = new Map<string, JobRecord[]>()
  for (const job of jobs) {
    const queue = queueOf(job.type, job.lane)
    queues.set(queue, [...(queues.get(queue) ?? []), job])
  }
  for (const [queue, of] of queues) {
    const messages = of.map((job) => messageOf(job, delayFor(env.clock.now(), dueAt(job))))
    await env.queue.send(queue, messages).then(
      () => {
        count += of.length
      },
      (thrown: unknown) =>
        env.log.warn('messages could not be re-sent', { queue, jobs: of.length, reason: String(thrown) }),
    )
  }
  return count
}
