/**
 * What operators learn of a run: one line and one count when it starts, one of each when it ends. The job's own log is for
 * the one who submitted it; these lines are for whoever looks after all jobs.
 */
import { type CountName, type Environment, type Invocation, logWith } from './environment.ts'
import { attemptOf, type JobRecord } from './record.ts'
import type { FinishedRun } from './run.ts'

/** The environment of one run: each line says which job, which attempt and which invocation. */
export function envOfRun(job: JobRecord, env: Environment, invocation: Invocation): Environment {
  const { id, type, fence } = job
  const log = logWith(env.log, { requestId: invocation.requestId, jobId: id, type, attempt: attemptOf(job), fence })
  return { ...env, log }
}

/** `waitedMs` is since it was accepted or, for one with a time of its own, since it was due. */
export function tellStart(job: JobRecord, env: Environment): void {
  const waitedMs = Math.max(0, env.clock.now() - Math.max(job.createdAt, job.dueAt ?? 0))
  env.metrics?.count('started', job.type)
  env.log.info('a run starts', { waitedMs, ...(job.execution ? { execution: job.execution } : {}) })
}

/** `after` is the record as this run left it; undefined when another holds the job by now: then that one tells. */
export function tellEnd(
  before: JobRecord,
  { outcome, progress }: FinishedRun,
  after: JobRecord | undefined,
  ms: number,
  env: Environment,
): void {
  const bytes = Math.max(0, progress.bytes.done - (before.progress?.bytes.done ?? 0))
  const { type } = before
  env.metrics?.measure('runMs', type, ms)
  if (bytes > 0) env.metrics?.measure('movedBytes', type, bytes)
  if (!after) return
  const { status } = after
  const error = after.error ?? (outcome.kind === 'error' ? outcome.error : undefined)
  if (status === 'retrying') {
    // A failure counts an attempt; a snooze, a throttle or a continuation keeps it.
    const retried = after.failures > before.failures
    env.metrics?.count(retried ? 'retried' : 'putOff', type)
    const dueInMs = Math.max(0, (after.dueAt ?? 0) - env.clock.now())
    env.log.info(retried ? 'the attempt failed and will be made again' : 'the job was put off', {
      ms,
      bytes,
      dueInMs,
      why: after.waitReason ?? outcome.kind,
    })
    return
  }
  const name = ENDS[status]
  if (name) env.metrics?.count(name, type)
  const fields = { status, ms, bytes, ...(error ? { code: error.code, reason: error.message } : {}) }
  if (status === 'error') env.log.warn('the job ended', fields)
  else env.log.info('the job ended', fields)
}

const ENDS: { [status: string]: CountName } = {
  success: 'succeeded',
  error: 'failed',
  stopped: 'stopped',
  canceled: 'canceled',
}
