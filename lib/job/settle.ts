/** After a run: which transition its outcome asks for, written, and what follows from it. */
import { isDeepStrictEqual } from 'node:util'
import { LongshoreError } from '../errors.ts'
import type { Json } from '../glossary.ts'
import { persist, readJob } from './apply.ts'
import type { Progress } from './define.ts'
import { ending, jobErrorOf } from './ending.ts'
import type { Environment } from './environment.ts'
import { jobOf } from './job.ts'
import { messageOf, queueOf } from './message.ts'
import type { JobRecord } from './record.ts'
import type { FinishedRun } from './run.ts'
import * as transitions from './transitions.ts'
import { delayFor, nextSendAt, retryMs, throttleMs } from './wait.ts'

/**
 * Writes how the run ended. A stop that was acknowledged meanwhile wins over whatever the run would have said. `told` hears
 * of the record as this run left it, before a message is sent; of nothing when another holds the job by now.
 */
export async function settle(
  job: JobRecord,
  finished: FinishedRun,
  env: Environment,
  told: (after?: JobRecord) => void = () => {},
): Promise<void> {
  const pause = (n: number) => env.clock.sleep(200 * 2 ** n)
  const { outcome } = finished
  if (outcome.kind === 'fenced') return told()
  // Made anew for every try: the outbox sorts by the time of the finish, and what is written late with an early time would
  // land behind the cursor of the events, never to be handed over (test/models/outbox.pml).
  const write = (transition: () => transitions.Transition) =>
    persist(4, pause, () => jobOf(job, env).updateStatus(transition()))
  const stopped = () => {
    // A stop may come after the last effect: who asked for it must know that nothing was undone.
    const message = outcome.kind === 'success' ? 'stopped; its work was already complete' : 'stopped while it ran'
    const error = { code: 'stopped-by-user' as const, message, retryable: true }
    return transitions.settleStop(
      job,
      job.fence,
      ending('stopped', env, { error, progress: finished.progress, finishedBy: job.claim }),
    )
  }
  const written = await write(outcome.kind === 'stopped' ? stopped : () => settlement(job, finished, env))
  if (written) {
    told(written)
    return await sendAgain(written, env)
  }

  const seen = await persist(4, pause, () => readJob(env.store, job.tenant, job.id, env.clock.now()))
  if (seen?.status === 'running' && seen.fence === job.fence && seen.stop) return told(await write(stopped))
  const isOurs =
    seen && (seen.status === 'retrying' ? seen.fence === job.fence : seen.finishedBy && seen.finishedBy === job.claim)
  told(isOurs ? seen : undefined)
  // Our own write, applied by a request whose answer was lost.
  if (seen?.status === 'retrying' && seen.fence === job.fence) await sendAgain(seen, env)
  else if (seen && seen.finishedBy !== job.claim)
    env.log.warn('a run lost its lease and its result', { jobId: job.id, fence: job.fence })
}

/** After a hand-over or a failed attempt. A crash before this send is the sweeper's case. */
async function sendAgain(job: JobRecord, env: Environment): Promise<void> {
  if (job.status !== 'retrying') return
  const delay = delayFor(env.clock.now(), job.dueAt)
  if (delay !== undefined) await env.queue.send(queueOf(job.type, job.lane), [messageOf(job, delay)])
}

/** Whether a run brought the job further: it left another checkpoint, or its counts rose (I6). */
function hasGrown(job: JobRecord, checkpoint: Json | undefined, now: Progress): boolean {
  const before = job.progress
  return (
    !isDeepStrictEqual(checkpoint, job.checkpoint) ||
    now.items.done > (before?.items.done ?? 0) ||
    now.bytes.done > (before?.bytes.done ?? 0)
  )
}

function settlement(job: JobRecord, finished: FinishedRun, env: Environment): transitions.Transition {
  const { outcome, progress } = finished
  const { limits, clock, random } = env
  const finishedBy = job.claim
  const wait = (ms: number, reason: string): transitions.Wait => {
    const now = clock.now()
    return { now, dueAt: now + ms, nextSendAt: nextSendAt(1, now, now + ms), reason, progress }
  }
  const endWith = (error: LongshoreError) =>
    transitions.finish(job, job.fence, ending('error', env, { error: jobErrorOf(error), progress, finishedBy }))
  const putOff = (
    why: 'hops' | 'snoozes' | 'throttles',
    max: number,
    ms: number,
    reason: string,
    last: LongshoreError,
    stalls?: number,
  ) =>
    (job[why] ?? 0) >= max
      ? endWith(last)
      : transitions.handOver(
          job,
          job.fence,
          why,
          wait(ms, reason),
          'checkpoint' in outcome ? outcome.checkpoint : (finished.checkpoint ?? job.checkpoint),
          stalls,
        )

  switch (outcome.kind) {
    case 'success':
      return transitions.finish(job, job.fence, ending('success', env, { ...outcome.result, progress, finishedBy }))
    case 'canceled': {
      const error = { code: 'conflict' as const, message: outcome.reason, retryable: false }
      return transitions.finish(job, job.fence, ending('canceled', env, { error, progress, finishedBy }))
    }
    case 'snoozed': {
      const last = new LongshoreError('snoozes-exhausted', `the job was put off ${limits.snoozesMax} times`)
      return putOff('snoozes', limits.snoozesMax, outcome.seconds * 1000, `put off for ${outcome.seconds} s`, last)
    }
    case 'continued': {
      const last = new LongshoreError('hops-exhausted', `the job was continued ${limits.hopsMax} times without an end`)
      const stalls = hasGrown(job, outcome.checkpoint, progress) ? 0 : (job.stalls ?? 0) + 1
      if (stalls >= limits.stallsMax)
        return endWith(
          new LongshoreError(
            'no-progress',
            `${stalls} invocations in a row used up their time and brought nothing; see the log for where it stands`,
          ),
        )
      return putOff('hops', limits.hopsMax, 0, 'the time of one invocation was used up', last, stalls)
    }
    case 'error': {
      const { error } = outcome
      const reason = `${error.code}: ${error.message}`.slice(0, 300)
      if (error.kind === 'permanent') return endWith(error)
      if (error.kind === 'throttled')
        return putOff('throttles', limits.throttlesMax, throttleMs(error.retryAfterMs, random), reason, error)
      if (job.failures + job.attempting >= job.maxAttempts) return endWith(error)
      return transitions.fail(
        job,
        job.fence,
        wait(retryMs(job.failures + 1, error.retryAfterMs, limits, random), reason),
        finished.checkpoint,
      )
    }
    default:
      throw new LongshoreError('internal', `the outcome ${outcome.kind} has no settlement`)
  }
}
