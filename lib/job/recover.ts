/** What becomes of a run whose worker has died. */
import { apply } from './apply.ts'
import { ending } from './ending.ts'
import type { Environment } from './environment.ts'
import { attemptOf, type JobRecord } from './record.ts'
import * as transitions from './transitions.ts'
import { backoffMs, delayFor } from './wait.ts'

/**
 * A run whose lease is dead becomes retrying and is added to `lost`, or ends: stopped if that was asked, error if it was the
 * last attempt.
 */
export async function recover(
  job: JobRecord,
  env: Environment,
  report: { recovered: number; ended: number },
  lost: JobRecord[],
): Promise<void> {
  const { clock, limits, random, store } = env
  const now = clock.now()
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
