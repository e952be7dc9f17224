/** Queue messages: a hint which job to look at. No authority, no parameters, no credentials. */
import * as z from 'zod'
import type { Limits } from '../config.ts'
import type { Lane } from '../glossary.ts'
import type { Message } from '../queue/port.ts'
import { ID_PATTERN } from './id.ts'
import type { JobPlace } from './keys.ts'

const hint = z.object({
  tenant: z.string().min(1).max(64),
  id: z.string().regex(ID_PATTERN),
  type: z.string().min(1).max(64),
  createdAt: z.number().int(),
  execution: z.string().regex(ID_PATTERN).optional(),
})

const fanOutHint = z.object({ tenant: z.string().min(1).max(64), execution: z.string().regex(ID_PATTERN) })

const imagesHint = z.object({
  tenant: z.string().min(1).max(64),
  digests: z.array(z.string().max(200)).min(1),
  deaths: z.number().int().optional(),
})

/** The queue of images that are to be matched anew; its consumer keeps no record of each. */
export const RE_EVALUATE = 're-evaluate'

/** Messages to one call of the queue: six of 500 digests are 222 KB, below the 256 KB that SQS always took. */
const IMAGES_MESSAGES_MAX = 6

export const queueOf = (type: string, lane: Lane): string => (lane === 'bulk' ? `${type}-bulk` : type)
export const deadLetterQueueOf = (type: string): string => `${type}-dlq`

/** The group keeps one tenant's or one execution's thousand messages from standing before another's one. */
export function messageOf(job: JobPlace, delaySeconds = 0): Message {
  const { tenant, id, type, createdAt, execution } = job
  return {
    body: JSON.stringify({ tenant, id, type, createdAt, ...(execution ? { execution } : {}) }),
    group: execution ?? tenant,
    ...(delaySeconds > 0 ? { delaySeconds } : {}),
  }
}

/** Undefined for what is not one of our messages. */
export function readMessage(body: string): JobPlace | undefined {
  try {
    const { tenant, id, type, createdAt, execution } = hint.parse(JSON.parse(body))
    return { tenant, id, type, createdAt, ...(execution ? { execution } : {}) }
  } catch {
    return undefined
  }
}

/** Images to be matched anew, as many to a message and as many messages to a call as SQS takes. */
export function imagesMessages(
  tenant: string,
  digests: readonly string[],
  { messageImagesMax }: Pick<Limits, 'messageImagesMax'>,
): Message[][] {
  const messages: Message[] = []
  for (let from = 0; from < digests.length; from += messageImagesMax)
    messages.push({
      body: JSON.stringify({ tenant, digests: digests.slice(from, from + messageImagesMax) }),
      group: tenant,
    })
  const calls: Message[][] = []
  for (let from = 0; from < messages.length; from += IMAGES_MESSAGES_MAX)
    calls.push(messages.slice(from, from + IMAGES_MESSAGES_MAX))
  return calls
}

/** `deaths`: how often it was a dead letter; no record counts it. */
export interface ImagesHint {
  tenant: string
  digests: string[]
  deaths: number
}

/** A dead letter once more, later. */
export const imagesAgain = ({ tenant, digests, deaths }: ImagesHint, delaySeconds: number): Message => ({
  body: JSON.stringify({ tenant, digests, deaths: deaths + 1 }),
  group: tenant,
  delaySeconds,
})

/** Undefined for what is not one of our messages. */
export function readImagesMessage(body: string): ImagesHint | undefined {
  try {
    const { tenant, digests, deaths = 0 } = imagesHint.parse(JSON.parse(body))
    return { tenant, digests, deaths }
  } catch {
    return undefined
  }
}

/** Which execution's fan-out to look at; undefined for what is not one of our messages. */
export function readFanOutMessage(body: string): { tenant: string; execution: string } | undefined {
  try {
    return fanOutHint.parse(JSON.parse(body))
  } catch {
    return undefined
  }
}
