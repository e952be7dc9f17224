/** A message as the queue keeps it, and as a receiver sees it. */
import { createHash } from 'node:crypto'
import type { Entry } from '../../queue/backlog.ts'
import { type MessageAttributes, md5OfAttributes, selectAttributes } from './message-attributes.ts'

/** What a message is, apart from where it stands; this is what the journal keeps. */
export interface MessageContent {
  messageId: string
  body: string
  attributes?: MessageAttributes
  systemAttributes?: MessageAttributes
  sentAt: number
  /** From when on it may be received. */
  visibleAt: number
  group?: string
  deduplicationId?: string
  sequenceNumber?: string
  receiveCount: number
  firstReceivedAt?: number
  /** ARN of the queue it came from, once it is a dead letter. */
  deadLetterSource?: string
}

/** A message to be sent, already checked. */
export interface NewMessage
  extends Pick<MessageContent, 'body' | 'attributes' | 'systemAttributes' | 'group' | 'deduplicationId'> {
  delaySeconds?: number
}

export interface StoredMessage extends Entry {
  /** Its name inside the queue; a duplicate made by a fault has its own. */
  key: number
  content: MessageContent
  lastReceivedAt: number
}

/** The IAM user every caller is taken for; signatures are not checked. */
const SENDER_ID = 'AIDALONGSHORELOCAL000'

export const md5 = (text: string) => createHash('md5').update(text).digest('hex')

export interface View {
  attributeNames: string[]
  systemAttributeNames: string[]
}

/** One element of `Messages` in the answer to ReceiveMessage. */
export function viewOf(content: MessageContent, receiptHandle: string, view: View): Record<string, unknown> {
  const attributes = selectAttributes(content.attributes, view.attributeNames)
  return {
    MessageId: content.messageId,
    ReceiptHandle: receiptHandle,
    MD5OfBody: md5(content.body),
    Body: content.body,
    Attributes: systemAttributes(content, view.systemAttributeNames),
    MessageAttributes: attributes,
    MD5OfMessageAttributes: attributes && md5OfAttributes(attributes),
  }
}

function systemAttributes(content: MessageContent, names: string[]): Record<string, string> | undefined {
  if (names.length === 0) return undefined
  const all: Record<string, string | undefined> = {
    ApproximateReceiveCount: `${content.receiveCount}`,
    SentTimestamp: `${content.sentAt}`,
    SenderId: SENDER_ID,
    ApproximateFirstReceiveTimestamp: `${content.firstReceivedAt ?? content.sentAt}`,
    MessageGroupId: content.group,
    MessageDeduplicationId: content.deduplicationId,
    SequenceNumber: content.sequenceNumber,
    AWSTraceHeader: content.systemAttributes?.AWSTraceHeader?.StringValue,
    DeadLetterQueueSourceArn: content.deadLetterSource,
  }
  const wanted: Record<string, string> = {}
  for (const [name, value] of Object.entries(all))
    if (value !== undefined && (names.includes('All') || names.includes(name))) wanted[name] = value
  return Object.keys(wanted).length === 0 ? undefined : wanted
}
