/** What becomes of a run whose worker has died. */
import { apply } from './apply.ts'
import { ending } from './ending.ts'
import type { Environment } from './environment.ts'
import { HALTED, haltOf } from './halt.ts'
import { attemptOf, type JobError, type JobRecord } from './record.ts'
import * as transitions from './transitions.ts'
import { backoffMs, delayFor } from './wait.ts'

/**
 * A run whose lease is dead becomes retrying and is added to `lost`, or ends: stopped if that was asked of it or of its
 * execution, error if it was the last attempt.
 */
export async function recover(
  job: JobRecord,
  env: Environment,
  report: { recovered: number; ended: number },
  lost: JobRecord[],
): Promise<void> {
  const stopped = await stopOfExecution(job, env)
  if (stopped || isAtItsEnd(job)) {
    if (await endDead(job, env, stopped)) report.ended++
    return
  }
  const { clock, limits, random, store } = env
  const now = clock.now()
  const seen = { fence: job.fence, lease: job.lease ?? 0, attempting: job.attempting }
  // A service that was restarted knows that its workers died with it: nothing to back off from.
  const restarted = (job.claimedAt ?? 0) < env.workersDeadBefore
  const dueAt = now + (restarted ? 0 : backoffMs(job.failures + 1, limits, random))
  // Sent by this sweep, or, when it is due beyond the queue's longest delay, by the one at that time.
  const wait = { now, dueAt, nextSendAt: delayFor(now, dueAt) === undefined ? dueAt : now, reason: causeOf(job) }
  const recovered = await apply(store, job, transitions.recover(job, seen, wait))
  if (!recovered) return
  report.recovered++
  env.metrics?.count('recovered', job.type)
  // After a restart that is what had to come.
  env.log[restarted ? 'info' : 'warn']('a job whose worker died was recovered', {
    ...idsOf(job),
    dueInMs: dueAt - now,
  })
  lost.push(recovered)
}

async function stopOfExecution(job: JobRecord, env: Environment): Promise<JobError | undefined> {
  const halt = job.execution && (await haltOf(env, job.tenant, job.execution))
  return halt === 'stop' ? { ...HALTED.stop } : undefined
}

/** A stop was asked, or it was the last attempt: nothing follows on a dead run but the end. */
export const isAtItsEnd = (job: JobRecord): boolean => job.stop === true || attemptOf(job) >= job.maxAttempts

/**
 * Ends a job whose lease is dead and which is at its end, by itself or by the stop of its `execution`; by whoever meets it
 * first. False: it has changed meanwhile.
 */
export async function endDead(job: JobRecord, env: Environment, execution?: JobError): Promise<boolean> {
  const error = execution ?? endOf(job)
  const status = error.code === 'stopped-by-user' ? 'stopped' : 'error'
  const seen = { fence: job.fence, lease: job.lease ?? 0, stop: job.stop === true }
  const end = transitions.recoverToEnd(job, seen, ending(status, env, { error }))
  if (!(await apply(env.store, job, end))) return false
  env.metrics?.count('endedDead', job.type)
  env.metrics?.count(status === 'error' ? 'failed' : 'stopped', job.type)
  env.log.warn('a job whose worker died was ended', {
    ...idsOf(job),
    status,
    code: error.code,
    reason: error.message,
  })
  return true
}

const endOf = (job: JobRecord): JobError =>
  job.stop
    ? { code: 'stopped-by-user', message: 'stopped; its worker had died before', retryable: true }
    : {
        code: 'lease-expired',
        message: `${causeOf(job)}; it was the last of ${job.maxAttempts} attempts`,
        retryable: true,
      }

const causeOf = (job: JobRecord): string => `the worker of attempt ${attemptOf(job)} died or ran out of time`

const idsOf = (job: JobRecord) => ({ jobId: job.id, type: job.type, attempt: attemptOf(job), fence: job.fence })
