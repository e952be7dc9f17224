/** The actions on messages. */
import { createHash } from 'node:crypto'
import { invalidParameter, SqsError } from '../errors.ts'
import { type Input, integerOf, requiredText, textOf, textsOf } from '../input.ts'
import { md5, type NewMessage } from '../message.ts'
import { attributesBytes, md5OfAttributes, readMessageAttributes, readTraceHeader } from '../message-attributes.ts'
import type { Queue } from '../queue.ts'
import type { Actions } from './action.ts'
import { batchEntries, eachEntry } from './batch.ts'
import { queueOf } from './queues.ts'

const DELAY_SECONDS_MAX = 900
const VISIBILITY_SECONDS_MAX = 43_200
const WAIT_SECONDS_MAX = 20
const RECEIVE_MAX = 10
/** Quota of SQS since 2025, for a message and for all messages of a batch together. */
const BATCH_BYTES_MAX = 1_048_576

/** What XML 1.0 cannot carry; SQS still refuses it in JSON. With the u flag a lone surrogate is one character. */
const FORBIDDEN = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u
/** Group and deduplication ids: "alphanumeric characters and punctuation", 128 at most. */
const ID = /^[\x21-\x7e]{1,128}$/

export const messageActions: Actions = {
  SendMessage: (call) => {
    const queue = queueOf(call)
    const sent = send(queue, call.input)
    queue.polls.wake()
    return sent
  },

  SendMessageBatch: (call) => {
    const queue = queueOf(call)
    const entries = batchEntries(call.input)
    const bytes = entries.reduce((sum, entry) => sum + Buffer.byteLength(textOf(entry, 'MessageBody') ?? ''), 0)
    if (bytes > BATCH_BYTES_MAX)
      throw new SqsError(
        'BatchRequestTooLong',
        `Batch requests cannot be longer than ${BATCH_BYTES_MAX} bytes. You have sent ${bytes} bytes.`,
      )
    // One wake for all: a receiver that waits gets the batch at once, not its first message alone.
    const result = eachEntry(entries, (entry) => send(queue, entry))
    queue.polls.wake()
    return result
  },

  ReceiveMessage: async (call) => {
    const { input, hub, gone } = call
    const queue = queueOf(call)
    const max = integerOf(input, 'MaxNumberOfMessages', 1, RECEIVE_MAX) ?? 1
    const visibility = integerOf(input, 'VisibilityTimeout', 0, VISIBILITY_SECONDS_MAX)
    const wait =
      integerOf(input, 'WaitTimeSeconds', 0, WAIT_SECONDS_MAX) ?? queue.seconds('ReceiveMessageWaitTimeSeconds')
    const view = {
      attributeNames: textsOf(input, 'MessageAttributeNames'),
      systemAttributeNames: [...textsOf(input, 'MessageSystemAttributeNames'), ...textsOf(input, 'AttributeNames')],
    }
    const attempt = () => queue.receive(max, visibility, view)
    // A receiver that has gone stops waiting: its messages would be in flight with nobody to work on them.
    const messages =
      attempt() ?? (wait > 0 ? await queue.polls.wait(hub.clock.now() + wait * 1000, attempt, gone) : undefined)
    return { Messages: messages }
  },

  DeleteMessage: (call) => {
    queueOf(call).delete(requiredText(call.input, 'ReceiptHandle'))
    return {}
  },

  DeleteMessageBatch: (call) => {
    const queue = queueOf(call)
    return eachEntry(batchEntries(call.input), (entry) => {
      queue.delete(requiredText(entry, 'ReceiptHandle'))
      return {}
    })
  },

  ChangeMessageVisibility: (call) => {
    changeVisibility(queueOf(call), call.input)
    return {}
  },

  ChangeMessageVisibilityBatch: (call) => {
    const queue = queueOf(call)
    return eachEntry(batchEntries(call.input), (entry) => {
      changeVisibility(queue, entry)
      return {}
    })
  },
}

function changeVisibility(queue: Queue, input: Input): void {
  const handle = requiredText(input, 'ReceiptHandle')
  const seconds = integerOf(input, 'VisibilityTimeout', 0, VISIBILITY_SECONDS_MAX)
  if (seconds === undefined)
    throw new SqsError('MissingRequiredParameterException', 'The request must contain the parameter VisibilityTimeout.')
  queue.changeVisibility(handle, seconds)
}

function send(queue: Queue, input: Input): object {
  const message = readMessage(queue, input)
  const { messageId, sequenceNumber } = queue.send(message)
  return {
    MessageId: messageId,
    MD5OfMessageBody: md5(message.body),
    MD5OfMessageAttributes: message.attributes && md5OfAttributes(message.attributes),
    MD5OfMessageSystemAttributes: message.systemAttributes && md5OfAttributes(message.systemAttributes),
    SequenceNumber: sequenceNumber,
  }
}

function readMessage(queue: Queue, input: Input): NewMessage {
  const body = requiredText(input, 'MessageBody')
  const attributes = readMessageAttributes(input, 'MessageAttributes')
  const systemAttributes = readTraceHeader(input)
  const bytesMax = queue.seconds('MaximumMessageSize')
  if (Buffer.byteLength(body) + attributesBytes(attributes) > bytesMax)
    throw new SqsError(
      'InvalidParameterValueException',
      `One or more parameters are invalid. Reason: Message must be shorter than ${bytesMax} bytes.`,
    )
  if (FORBIDDEN.test(body))
    throw new SqsError('InvalidMessageContents', 'Invalid characters found: only those of XML 1.0 are allowed.')
  const group = readId(input, 'MessageGroupId')
  const delaySeconds = integerOf(input, 'DelaySeconds', 0, DELAY_SECONDS_MAX)
  if (queue.fifo && delaySeconds)
    throw invalidParameter('DelaySeconds', delaySeconds, 'The parameter is not valid for this queue type.')
  const deduplicationId = queue.fifo ? fifoDeduplicationId(queue, input, body) : readId(input, 'MessageDeduplicationId')
  if (!queue.fifo && deduplicationId !== undefined)
    throw invalidParameter('MessageDeduplicationId', deduplicationId, 'The parameter is not valid for this queue type.')
  if (queue.fifo && group === undefined)
    throw new SqsError('MissingRequiredParameterException', 'The request must contain the parameter MessageGroupId.')
  return {
    body,
    ...(attributes && { attributes }),
    ...(systemAttributes && { systemAttributes }),
    ...(group !== undefined && { group }),
    ...(deduplicationId !== undefined && { deduplicationId }),
    ...(delaySeconds !== undefined && { delaySeconds }),
  }
}

function readId(input: Input, name: string): string | undefined {
  const id = textOf(input, name)
  if (id !== undefined && !ID.test(id))
    throw invalidParameter(
      name,
      id,
      `${name} can only include alphanumeric and punctuation characters. 1 to 128 in length.`,
    )
  return id
}

function fifoDeduplicationId(queue: Queue, input: Input, body: string): string {
  const id = readId(input, 'MessageDeduplicationId')
  if (id !== undefined) return id
  if (queue.attributes.ContentBasedDeduplication === 'true') return createHash('sha256').update(body).digest('hex')
  throw new SqsError(
    'InvalidParameterValueException',
    'The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly',
  )
}
