/**
 * The worker: message -> claim -> run -> settle -> acknowledge. Every line may be the last one before a crash:
 * before the claim nothing happened; after it the lease ends and the sweeper takes over; after the finish the message
 * comes again, finds a terminal job and is acknowledged.
 */
import { asLongshoreError, LongshoreError } from '../errors.ts'
import { claimJob, claimToken } from './claim.ts'
import type { JobDefinition, JobType } from './define.ts'
import type { Environment, Invocation } from './environment.ts'
import type { JobPlace } from './keys.ts'
import { messageOf, queueOf, readMessage } from './message.ts'
import type { JobRecord } from './record.ts'
import { type FinishedRun, run } from './run.ts'
import { settle } from './settle.ts'
import { envOfRun, tellEnd, tellStart } from './tell.ts'
import type { Verdict } from './verdict.ts'

/** One message, whole. Never throws. */
export async function work(
  message: { messageId: string; body: string },
  env: Environment,
  invocation: Invocation,
): Promise<Verdict> {
  const place = readMessage(message.body)
  if (!place) {
    env.log.error('a message that is not ours was dropped', {
      requestId: invocation.requestId,
      messageId: message.messageId,
    })
    return 'acknowledge'
  }
  try {
    if (invocation.remainingMs() < leastTimeMs(env, invocation)) return await sendLater(place, env)
    const job = await claimJob(place, claimToken(invocation.requestId, message.messageId), env, invocation)
    if (typeof job === 'string') return job
    const type = env.types.get(job.type)
    const own = envOfRun(job, env, invocation)
    const startedAt = env.clock.now()
    tellStart(job, own)
    const finished: FinishedRun = isRunnable(type)
      ? await run(job, type, own, invocation)
      : { outcome: { kind: 'error', error: unknownType(job) }, progress: job.progress ?? noProgress() }
    const ms = env.clock.now() - startedAt
    // Whatever its watcher saw, the next one of the batch is to see, too.
    if (job.execution && finished.outcome.kind === 'stopped') invocation.stopFlags.delete(job.execution)
    await settle(job, finished, own, (after) => tellEnd(job, finished, after, ms, own))
    return 'acknowledge'
  } catch (thrown) {
    env.log.warn('a message goes back to its queue', {
      requestId: invocation.requestId,
      jobId: place.id,
      type: place.type,
      reason: asLongshoreError(thrown).message,
    })
    return 'return'
  }
}

/** A run that would have to hand over at once is not begun. */
const leastTimeMs = (env: Environment, invocation: Invocation): number =>
  Math.min(env.limits.handOverMs, invocation.timeoutMs * 0.2)

const isRunnable = (type: JobDefinition<never> | undefined): type is JobType<never> => type?.run !== undefined

const unknownType = (job: JobRecord): LongshoreError =>
  new LongshoreError('config-invalid', `this deployment knows no job type "${job.type}"`)

const noProgress = () => ({ items: { done: 0, failed: 0, skipped: 0, total: 0 }, bytes: { done: 0, total: 0 } })

/** Not begun for lack of time: acknowledged and sent anew, since returning it would count as a failed receive. */
async function sendLater(place: JobPlace, env: Environment): Promise<Verdict> {
  await env.queue.send(queueOf(place.type, place.execution ? 'bulk' : 'interactive'), [messageOf(place)])
  return 'acknowledge'
}
