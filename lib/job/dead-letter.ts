/**
 * Messages that were received five times without an acknowledgement. The record decides what that means: a living lease
 * or a terminal status make it harmless, and only the third dead letter without a claim between makes it poison.
 */
import { asLongshoreError } from '../errors.ts'
import { apply, readJob } from './apply.ts'
import { ending } from './ending.ts'
import type { Environment } from './environment.ts'
import {
  type ImagesHint,
  imagesAgain,
  messageOf,
  queueOf,
  RE_EVALUATE,
  readFanOutMessage,
  readImagesMessage,
  readMessage,
} from './message.ts'
import { isTerminal, type JobRecord } from './record.ts'
import * as transitions from './transitions.ts'
import type { Verdict } from './verdict.ts'
import { nextSendAt } from './wait.ts'

/** One dead letter. Never throws. */
export async function handleDeadLetter(body: string, env: Environment): Promise<Verdict> {
  const place = readMessage(body)
  if (!place && readFanOutMessage(body)) {
    // An open execution gets its message again from the sweep, with growing distance: nothing is lost with this one.
    env.log.error('a fan-out died before it could claim its execution; look at the logs of the fan-out function', {
      execution: readFanOutMessage(body)?.execution ?? '',
    })
    return 'acknowledge'
  }
  const images = place ? undefined : readImagesMessage(body)
  if (images) return await sendImagesAgain(images, env)
  if (!place) {
    env.log.error('a dead letter that is not ours was dropped', {})
    return 'acknowledge'
  }
  env.metrics?.count('deadLetters', place.type)
  try {
    const job = await readJob(env.store, place.tenant, place.id, env.clock.now())
    // A running job, dead or alive, is the case of its lease and the sweeper: a message adds nothing.
    if (job && !isTerminal(job.status) && job.status !== 'running') await countOrEnd(job, env)
    return 'acknowledge'
  } catch (thrown) {
    env.log.warn('a dead letter goes back', { jobId: place.id, reason: asLongshoreError(thrown).message })
    return 'return'
  }
}

/** No record stands behind it, so it counts its own deaths. The images keep their verdict of an older revision meanwhile. */
async function sendImagesAgain(images: ImagesHint, env: Environment): Promise<Verdict> {
  const fields = { images: images.digests.length, first: images.digests[0] ?? '', deaths: images.deaths + 1 }
  if (images.deaths + 1 >= env.limits.deadLettersMax) {
    env.log.error('images are not matched anew; look at the logs of the re-evaluate function and scan them', fields)
    return 'acknowledge'
  }
  try {
    await env.queue.send(RE_EVALUATE, [imagesAgain(images, 60 * (images.deaths + 1))])
    env.log.warn('images to be matched anew were a dead letter; they are sent again', fields)
    return 'acknowledge'
  } catch (thrown) {
    env.log.warn('a dead letter goes back', { reason: asLongshoreError(thrown).message })
    return 'return'
  }
}

async function countOrEnd(job: JobRecord, env: Environment): Promise<void> {
  const { clock, limits } = env
  const count = job.deadLettersFence === job.fence ? (job.deadLetters ?? 0) + 1 : 1
  if (count >= limits.deadLettersMax) {
    const error = {
      code: 'poison-message' as const,
      message: `${count} messages of this job died before a worker could claim it; look at the logs of the ${job.type} function`,
      retryable: true,
    }
    const ended = await apply(env.store, job, transitions.poison(job, job.fence, ending('error', env, { error })))
    if (!ended) return
    env.metrics?.count('failed', job.type)
    env.log.error('a job was ended as poison', { jobId: job.id, type: job.type, reason: error.message })
    return
  }
  const now = clock.now()
  const delaySeconds = 60 * count
  const next = { now, nextSendAt: nextSendAt(job.sends + 1, now, now + delaySeconds * 1000) }
  const counted = await apply(
    env.store,
    job,
    transitions.countDeadLetter(job, { fence: job.fence, count, status: job.status, nextSendAt: job.nextSendAt }, next),
  )
  if (counted) await env.queue.send(queueOf(job.type, job.lane), [messageOf(job, delaySeconds)])
}
