/** The queues as the protocol relies on them: there, hiding a message as long as a run may last, with dead letters. */
import type { Clock } from '../clock.ts'
import type { Limits } from '../config.ts'
import { asLongshoreError } from '../errors.ts'
import { LANES } from '../glossary.ts'
import type { JobTypes } from '../job/environment.ts'
import { FAN_OUT } from '../job/execution.ts'
import { deadLetterQueueOf, queueOf, RE_EVALUATE } from '../job/message.ts'
import type { Queue, QueueSetup } from '../queue/port.ts'
import type { Check } from './model.ts'

/** Fewer receives than this make dead letters of messages that were only unlucky: serverless.yml says 5. */
const RECEIVES_MIN = 5

/** Of the functions that every type shares, as serverless.yml says (a test compares them). */
export const SHARED_TIMEOUTS_SECONDS = { [FAN_OUT]: 300, [RE_EVALUATE]: 300 } as const

/** What a queue said of the time, and when it was asked. Milliseconds since the epoch. */
export interface Answered {
  serverTime: number
  sentAt: number
  receivedAt: number
}

interface Expected {
  queue: string
  /** Of the function that consumes it; absent for dead letters, whose consumer is done in seconds. */
  timeoutSeconds?: number
  deadLetters?: string
}

/** Never throws. */
export async function checkQueues(env: {
  queue: Queue & QueueSetup
  clock: Clock
  types: JobTypes
  limits: Pick<Limits, 'functionTimeoutSeconds'>
}): Promise<{ check: Check; answered: Answered[] }> {
  const expected = expectedOf(env.types, env.limits)
  const answered: Answered[] = []
  const problems = await Promise.all(expected.map((one) => problemOf(one, env, answered)))
  const wrong = problems.filter((problem) => problem !== undefined)
  const check: Check =
    wrong.length === 0
      ? { name: 'queues', ok: true, detail: `all ${expected.length} are there and set up as the protocol needs` }
      : { name: 'queues', ok: false, detail: `${wrong.join('; ')}; compare infrastructure/queues.yml and deploy again` }
  return { check, answered }
}

function expectedOf(types: JobTypes, { functionTimeoutSeconds }: Pick<Limits, 'functionTimeoutSeconds'>): Expected[] {
  const pools = [...types.values()].flatMap(({ type, limits }) => [
    ...LANES.map((lane) => ({
      queue: queueOf(type, lane),
      timeoutSeconds: Math.min(limits.timeoutSeconds, functionTimeoutSeconds),
      deadLetters: deadLetterQueueOf(type),
    })),
    { queue: deadLetterQueueOf(type) },
  ])
  const others = Object.entries(SHARED_TIMEOUTS_SECONDS).flatMap(([queue, seconds]) => [
    {
      queue,
      timeoutSeconds: Math.min(seconds, functionTimeoutSeconds),
      deadLetters: deadLetterQueueOf(queue),
    },
    { queue: deadLetterQueueOf(queue) },
  ])
  return [...pools, ...others]
}

async function problemOf(
  { queue: name, timeoutSeconds, deadLetters }: Expected,
  { queue, clock }: { queue: QueueSetup; clock: Clock },
  answered: Answered[],
): Promise<string | undefined> {
  const sentAt = clock.now()
  try {
    const settings = await queue.settings(name)
    if (!settings) return `there is no queue ${name}`
    if (settings.answeredAt !== undefined)
      answered.push({ serverTime: settings.answeredAt, sentAt, receivedAt: clock.now() })
    if (timeoutSeconds !== undefined && settings.visibilitySeconds < timeoutSeconds)
      return `the queue ${name} hides a message for ${settings.visibilitySeconds} s, a run may last ${timeoutSeconds} s`
    if (!deadLetters) return undefined
    if (settings.deadLetters?.queue !== deadLetters)
      return `the queue ${name} does not hand dead letters to ${deadLetters}`
    if (settings.deadLetters.afterReceives < RECEIVES_MIN)
      return `the queue ${name} gives up after ${settings.deadLetters.afterReceives} receives, not ${RECEIVES_MIN}`
    return undefined
  } catch (thrown) {
    return asLongshoreError(thrown).message
  }
}
