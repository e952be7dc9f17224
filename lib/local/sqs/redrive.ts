/** Messages that change queues: to the dead letters after too many receives, and back from there by a move task. */
import { randomUUID } from 'node:crypto'
import type { MessageContent } from './message.ts'
import type { Redrive } from './queue-attributes.ts'

interface End {
  identity: { arn: string }
}

/**
 * Where a message goes in place of its next receive; undefined: it is received. "When the ReceiveCount exceeds
 * maxReceiveCount": so at the receive after the last allowed one.
 */
export function deadLetterQueueOf<Queue extends End>(
  { receiveCount, deadLetterSource }: MessageContent,
  source: Queue,
  redrive: Redrive | undefined,
  queueByArn: (arn: string) => Queue | undefined,
): Queue | undefined {
  if (!redrive || receiveCount < redrive.maxReceiveCount) return undefined
  const target = queueByArn(redrive.deadLetterTargetArn)
  // A message never goes back to where it came from: two queues that name each other would play it for ever.
  return target === source || target?.identity.arn === deadLetterSource ? undefined : target
}

/** A message that a move task brings is a new one: "with a new messageID and enqueueTime". */
export function movedContent(
  { body, attributes, systemAttributes, group, deduplicationId }: MessageContent,
  now: number,
  sequenceNumber: string | undefined,
): MessageContent {
  return {
    body,
    ...(attributes && { attributes }),
    ...(systemAttributes && { systemAttributes }),
    ...(group !== undefined && { group }),
    ...(deduplicationId !== undefined && { deduplicationId }),
    ...(sequenceNumber !== undefined && { sequenceNumber }),
    messageId: randomUUID(),
    sentAt: now,
    visibleAt: now,
    receiveCount: 0,
  }
}
