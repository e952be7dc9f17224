/**
 * Dead letters moved back by hand. Their consumer does that by itself, with a delay and a count that ends a poisoned job;
 * this is for those it could not: it was broken, or the store was down for long. A message that dies again comes back.
 */

import type { Queue, QueueConsumer } from '../queue/port.ts'
import type { Environment, JobTypes } from './environment.ts'
import { FAN_OUT } from './execution.ts'
import {
  deadLetterQueueOf,
  queueOf,
  RE_EVALUATE,
  readFanOutMessage,
  readImagesMessage,
  readMessage,
} from './message.ts'

/** All dead-letter queues: one per job type, for both lanes, and those of the fan-out and of re-evaluation. */
export const deadLetterQueues = (types: JobTypes): string[] =>
  [...types.keys(), FAN_OUT, RE_EVALUATE].map(deadLetterQueueOf)

export interface Redriven {
  moved: number
  /** Not ours: left where they are. */
  foreign: number
}

/** A short poll of SQS asks some of its servers only, and may find nothing where there is something (ReceiveMessage). */
const EMPTY_MAX = 3

/** At most `redriveBatchMax` of what is visible. Sent first, then removed: a crash in between leaves a double, no loss. */
export async function redrive(
  queue: string,
  env: Pick<Environment, 'limits'> & { queue: Queue & QueueConsumer },
): Promise<Redriven> {
  const done: Redriven = { moved: 0, foreign: 0 }
  const most = env.limits.redriveBatchMax
  let empty = 0
  while (done.moved + done.foreign < most) {
    const max = Math.min(10, most - done.moved - done.foreign)
    const messages = await env.queue.receive(queue, { max, waitSeconds: 0 })
    if (messages.length > 0) empty = 0
    else if (++empty === EMPTY_MAX) break
    for (const { body, receipt, group } of messages) {
      const home = homeOf(body)
      if (home === undefined) {
        done.foreign++
        continue
      }
      await env.queue.send(home, [{ body, ...(group === undefined ? {} : { group }) }])
      await env.queue.remove(queue, receipt)
      done.moved++
    }
  }
  return done
}

function homeOf(body: string): string | undefined {
  const job = readMessage(body)
  if (job) return queueOf(job.type, job.execution ? 'bulk' : 'interactive')
  if (readImagesMessage(body)) return RE_EVALUATE
  return readFanOutMessage(body) ? FAN_OUT : undefined
}
