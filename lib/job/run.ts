/** One run of a job: what the type's `run` can reach, who watches over it, and how it ended. */
import { asLongshoreError, LongshoreError } from '../errors.ts'
import type { Json } from '../glossary.ts'
import { apply, readJob } from './apply.ts'
import type { JobContext, JobResult, JobType, Progress } from './define.ts'
import type { Environment, Invocation } from './environment.ts'
import { armFollowUp } from './follow-up.ts'
import { haltOf } from './halt.ts'
import { imageItems } from './image-items.ts'
import { type Job, jobOf } from './job.ts'
import { leasesOf } from './leases.ts'
import { runLog } from './log.ts'
import type { JobRecord } from './record.ts'
import { acceptanceOf, tagClaims } from './tag-claims.ts'
import { report } from './transitions.ts'
import { within } from './within.ts'

/** A run ends in one of these ways; stop and fenced are told by the record, not by the run. */
export type Outcome =
  | { kind: 'success'; result: JobResult }
  | { kind: 'error'; error: LongshoreError }
  | { kind: 'canceled'; reason: string }
  | { kind: 'snoozed'; seconds: number; checkpoint: Json | undefined }
  | { kind: 'continued'; checkpoint: Json | undefined }
  | { kind: 'stopped' }
  | { kind: 'fenced' }

/** What `cancel`, `snooze` and `handOver` throw: an ending, not a failure. */
class Ending extends Error {
  readonly outcome: Outcome
  constructor(outcome: Outcome) {
    super(`the run ended: ${outcome.kind}`)
    this.outcome = outcome
  }
}

export interface FinishedRun {
  outcome: Outcome
  progress: Progress
  /** What the run saved last, when it saved anything. */
  checkpoint?: Json
}

/** Why nobody watches any more: made once, an error for each run costs more than the rest of its end. */
const OVER = new Error('the run is over')

/** Runs the job under its watcher. Never throws: every way out is an outcome. */
export async function run(
  job: JobRecord,
  type: JobType<never>,
  env: Environment,
  invocation: Invocation,
): Promise<FinishedRun> {
  const { clock, limits } = env
  const over = new AbortController()
  const watching = new AbortController()
  const log = runLog(job, job.fence, env, watching.signal)
  const progress: Progress = job.progress
    ? structuredClone(job.progress)
    : { items: { done: 0, failed: 0, skipped: 0, total: 0 }, bytes: { done: 0, total: 0 } }
  const state: RunState = { phase: type.phases[0] ?? '', progress, checkpoint: undefined, dirty: false }
  // Late initialisation: parameters from the record and credentials from their store, now, by the worker.
  let initialised: ReturnType<Job['init']> | undefined
  const opened = () => {
    initialised ??= jobOf(job, env).init(type)
    return initialised
  }
  const handOverMs = Math.min(limits.handOverMs, invocation.timeoutMs * 0.2)

  const context: JobContext = {
    jobId: job.id,
    tenant: job.tenant,
    attempt: job.failures + job.attempting,
    image: job.image,
    log,
    phase(name) {
      state.phase = name
      state.dirty = true
    },
    progress(update) {
      Object.assign(progress.items, update.items)
      Object.assign(progress.bytes, update.bytes)
      state.dirty = true
    },
    signal: over.signal,
    clock,
    blobs: env.blobs,
    registry: (host) => opened().registry(host),
    limits,
    order: {
      acceptance: acceptanceOf(job),
      leaseUntil: job.lease ?? clock.now(),
      claims: tagClaims(env.store, job.tenant, limits),
      followUp: (dueAt) => armFollowUp(job, type, dueAt, env),
    },
    leases: leasesOf({ id: job.id, fence: job.fence, lease: job.lease ?? clock.now() }, env),
    images: imageItems(env, job.tenant),
    checkpoint: job.checkpoint,
    save(checkpoint) {
      state.checkpoint = checkpoint
      state.dirty = true
    },
    isStopped: () => over.signal.reason instanceof Ending && over.signal.reason.outcome.kind === 'stopped',
    remainingMs: () => invocation.remainingMs() - handOverMs,
    wholeRunMs: invocation.timeoutMs - handOverMs,
    cancel(reason) {
      throw new Ending({ kind: 'canceled', reason })
    },
    snooze(seconds, checkpoint = state.checkpoint ?? job.checkpoint) {
      throw new Ending({ kind: 'snoozed', seconds, checkpoint })
    },
    handOver(checkpoint) {
      throw new Ending({ kind: 'continued', checkpoint })
    },
  }

  log.info(
    `attempt ${context.attempt} of ${job.maxAttempts} begins${job.waitReason ? ` (before: ${job.waitReason})` : ''}`,
  )
  const watcher = watch(job, env, state, watching.signal, (outcome) => over.abort(new Ending(outcome)), context)
  let outcome: Outcome
  try {
    const { params } = opened()
    const result = await (job.followUpOf ? lookBack(type, params, context) : type.run(params, context))
    outcome = { kind: 'success', result }
  } catch (thrown) {
    outcome = outcomeOf(thrown, over.signal)
  } finally {
    initialised?.registry.close?.()
  }
  watching.abort(OVER)
  await watcher
  if (outcome.kind === 'error')
    log.warn(`attempt ${context.attempt} failed: ${outcome.error.code}: ${outcome.error.message}`)
  if ((await within(limits.logWaitMs, log.flush(), clock)) === 'late')
    env.log.warn('the end of a job log was not written in time', { jobId: job.id })
  return { outcome, progress, ...(state.checkpoint !== undefined && { checkpoint: state.checkpoint }) }
}

/** What the run has told so far; the watcher writes it. */
interface RunState {
  phase: string
  progress: Progress
  checkpoint: Json | undefined
  dirty: boolean
}

function lookBack(type: JobType<never>, params: never, context: JobContext): Promise<JobResult> {
  if (!type.followUp)
    throw new LongshoreError('config-invalid', `this deployment's job type "${type.type}" does not look back`)
  return type.followUp(params, context)
}

function outcomeOf(thrown: unknown, signal: AbortSignal): Outcome {
  if (thrown instanceof Ending) return thrown.outcome
  // Whatever an aborted socket or inflater threw: the reason of the abort is the outcome.
  if (signal.aborted && signal.reason instanceof Ending) return signal.reason.outcome
  if (thrown instanceof Error && thrown.name === 'ZodError')
    return {
      kind: 'error',
      error: new LongshoreError('invalid-value', 'the stored parameters do not fit this version of the job type', {
        cause: thrown,
      }),
    }
  return { kind: 'error', error: asLongshoreError(thrown) }
}

/**
 * Looks at the record every `stopPollMs`: a stop, a lost fence or the end of the function's time abort the run. A poll is
 * a read; when there is progress to tell it is a write at most every `progressWriteSeconds`. Short jobs cause neither.
 */
async function watch(
  job: JobRecord,
  env: Environment,
  state: RunState,
  signal: AbortSignal,
  abort: (outcome: Outcome) => void,
  context: JobContext,
): Promise<void> {
  const { clock, limits } = env
  const handOver = () => abort({ kind: 'continued', checkpoint: state.checkpoint ?? job.checkpoint })
  let writtenAt = clock.now()
  while (!signal.aborted) {
    await clock.sleep(Math.max(0, Math.min(limits.stopPollMs, context.remainingMs())), signal)
    if (signal.aborted) return
    if (context.remainingMs() <= 0) return handOver()
    const write = state.dirty && clock.now() - writtenAt >= limits.progressWriteSeconds * 1000
    try {
      // The end of the time comes also when the store does not answer, and so does the end of the run.
      const seen = await within(context.remainingMs(), poll(job, env, write ? state : undefined), clock, signal)
      if (signal.aborted) return
      if (seen === 'late') return handOver()
      if (write) writtenAt = clock.now()
      if (seen === 'fenced' || seen === 'stopped') return abort({ kind: seen })
    } catch (thrown) {
      // A poll that fails is tried again at the next; the run itself does not depend on it.
      env.log.warn('a stop poll failed', { jobId: job.id, reason: String(thrown) })
    }
  }
}

/** One look at the record; a write when there is something to tell. What the run says meanwhile is for the next one. */
async function poll(job: JobRecord, env: Environment, told?: RunState): Promise<'goes on' | 'stopped' | 'fenced'> {
  const { store, clock } = env
  let now: JobRecord | undefined
  if (told) {
    told.dirty = false
    now = await apply(store, job, report(job.fence, told)).catch((thrown: unknown) => {
      told.dirty = true
      throw thrown
    })
  } else now = await readJob(store, job.tenant, job.id, clock.now())
  if (now?.status !== 'running' || now.fence !== job.fence) return 'fenced'
  if (now.stop || (job.execution && (await haltOf(env, job.tenant, job.execution)) === 'stop')) return 'stopped'
  return 'goes on'
}
