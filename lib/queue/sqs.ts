/**
 * The queues on SQS. One message is one call and ten are one call, because every call is money and about a
 * millisecond of CPU.
 */
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SendMessageBatchRequestEntry,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs'
import { LongshoreError } from '../errors.ts'
import type { Message, Queue, QueueConsumer, QueueDepth, QueueSettings, QueueSetup, ReceivedMessage } from './port.ts'

/** The most SQS takes in one SendMessageBatch. */
const BATCH_ENTRIES = 10
/** Batches on the way at once: a page of a fan-out (100 messages) takes two round trips, and no socket pool is emptied. */
const BATCHES_IN_PARALLEL = 5

/** What SQS answers when a receipt no longer holds the message: received again by another, visible again, or deleted. */
const NO_LONGER_MINE = new Set(['MessageNotInflight', 'InvalidParameterValue', 'InvalidParameterValueException'])

const NO_SUCH_QUEUE = new Set(['QueueDoesNotExist', 'AWS.SimpleQueueService.NonExistentQueue'])

/** `prefix + name` is the queue URL, e.g. `https://sqs.eu-west-1.amazonaws.com/123456789012/longshore-prod-`. */
export interface SqsQueueOptions {
  client: SQSClient
  prefix: string
}

/** Every failure is `queue-unavailable`: the sweep sends again what is lost. */
export function sqsQueue({ client, prefix }: SqsQueueOptions): Queue & QueueConsumer & QueueSetup {
  const urlOf = (queue: string) => prefix + queue

  async function sendBatch(queue: string, entries: SendMessageBatchRequestEntry[], mayRetry = true): Promise<void> {
    const command = new SendMessageBatchCommand({ QueueUrl: urlOf(queue), Entries: entries })
    const { Failed = [] } = await named(`send ${entries.length} messages to`, queue, () => client.send(command))
    if (Failed.length === 0) return
    if (!mayRetry) {
      const reasons = [...new Set(Failed.map((f) => f.Code ?? 'unknown'))].join(', ')
      throw new LongshoreError('queue-unavailable', `the queue ${queue} refused ${Failed.length} messages: ${reasons}`)
    }
    const refused = new Set(Failed.map((f) => f.Id))
    await sendBatch(
      queue,
      entries.filter((entry) => refused.has(entry.Id)),
      false,
    )
  }

  return {
    async send(queue: string, messages: Message[]): Promise<void> {
      const [first] = messages
      if (!first) return
      if (messages.length === 1) {
        const command = new SendMessageCommand({ QueueUrl: urlOf(queue), ...wire(first) })
        await named('send a message to', queue, () => client.send(command))
        return
      }
      const batches: SendMessageBatchRequestEntry[][] = []
      for (let from = 0; from < messages.length; from += BATCH_ENTRIES)
        batches.push(messages.slice(from, from + BATCH_ENTRIES).map((m, i) => ({ Id: `${i}`, ...wire(m) })))
      for (let from = 0; from < batches.length; from += BATCHES_IN_PARALLEL)
        await Promise.all(batches.slice(from, from + BATCHES_IN_PARALLEL).map((batch) => sendBatch(queue, batch)))
    },

    async depth(queue: string): Promise<QueueDepth> {
      const command = new GetQueueAttributesCommand({
        QueueUrl: urlOf(queue),
        AttributeNames: [
          'ApproximateNumberOfMessages',
          'ApproximateNumberOfMessagesNotVisible',
          'ApproximateNumberOfMessagesDelayed',
        ],
      })
      const { Attributes: a = {} } = await named('read the depth of', queue, () => client.send(command))
      return {
        waiting: Number(a.ApproximateNumberOfMessages ?? 0),
        inFlight: Number(a.ApproximateNumberOfMessagesNotVisible ?? 0),
        delayed: Number(a.ApproximateNumberOfMessagesDelayed ?? 0),
      }
    },

    async settings(queue: string): Promise<QueueSettings | undefined> {
      const command = new GetQueueAttributesCommand({
        QueueUrl: urlOf(queue),
        AttributeNames: ['VisibilityTimeout', 'RedrivePolicy'],
      })
      let date: string | undefined
      // The SDK keeps the headers of an answer to itself.
      command.middlewareStack.add(
        (next) => async (args) => {
          const result = await next(args)
          date = (result.response as { headers?: { date?: string } } | undefined)?.headers?.date
          return result
        },
        { step: 'deserialize', priority: 'low' },
      )
      try {
        const { Attributes = {} } = await client.send(command)
        const answeredAt = Date.parse(date ?? '')
        return {
          visibilitySeconds: Number(Attributes.VisibilityTimeout),
          ...deadLettersOf(Attributes.RedrivePolicy, prefix),
          ...(Number.isNaN(answeredAt) ? {} : { answeredAt }),
        }
      } catch (cause) {
        if (cause instanceof Error && NO_SUCH_QUEUE.has(cause.name)) return undefined
        throw unavailable('read the settings of', queue, cause)
      }
    },

    async receive(queue, { max, waitSeconds, signal }): Promise<ReceivedMessage[]> {
      if (signal?.aborted) return []
      const command = new ReceiveMessageCommand({
        QueueUrl: urlOf(queue),
        MaxNumberOfMessages: max,
        WaitTimeSeconds: waitSeconds,
        MessageSystemAttributeNames: ['ApproximateReceiveCount', 'MessageGroupId'],
      })
      try {
        const { Messages = [] } = await client.send(command, signal ? { abortSignal: signal } : {})
        return Messages.map((message) => ({
          messageId: message.MessageId ?? '',
          receipt: message.ReceiptHandle ?? '',
          body: message.Body ?? '',
          receiveCount: Number(message.Attributes?.ApproximateReceiveCount ?? 1),
          ...(message.Attributes?.MessageGroupId === undefined ? {} : { group: message.Attributes.MessageGroupId }),
        }))
      } catch (cause) {
        if (signal?.aborted) return []
        throw unavailable('receive from', queue, cause)
      }
    },

    async remove(queue: string, receipt: string): Promise<void> {
      const command = new DeleteMessageCommand({ QueueUrl: urlOf(queue), ReceiptHandle: receipt })
      await named('remove a message from', queue, () => client.send(command))
    },

    async giveBack(queue: string, receipt: string, afterSeconds: number): Promise<void> {
      const command = new ChangeMessageVisibilityCommand({
        QueueUrl: urlOf(queue),
        ReceiptHandle: receipt,
        VisibilityTimeout: afterSeconds,
      })
      try {
        await client.send(command)
      } catch (cause) {
        // Somebody else may receive it already: that is what giving back is for.
        if (cause instanceof Error && NO_LONGER_MINE.has(cause.name)) return
        throw unavailable('give a message back to', queue, cause)
      }
    },
  }
}

/** The name in the ARN of a redrive policy, without what our queues' names begin with. */
function deadLettersOf(policy: string | undefined, prefix: string): Pick<QueueSettings, 'deadLetters'> {
  if (!policy) return {}
  const { deadLetterTargetArn, maxReceiveCount } = JSON.parse(policy) as {
    deadLetterTargetArn: string
    maxReceiveCount: number | string
  }
  const name = deadLetterTargetArn.slice(deadLetterTargetArn.lastIndexOf(':') + 1)
  const begin = prefix.slice(prefix.lastIndexOf('/') + 1)
  const queue = name.startsWith(begin) ? name.slice(begin.length) : name
  return { deadLetters: { queue, afterReceives: Number(maxReceiveCount) } }
}

function wire({ body, delaySeconds, group }: Message) {
  return {
    MessageBody: body,
    ...(delaySeconds === undefined ? {} : { DelaySeconds: delaySeconds }),
    ...(group === undefined ? {} : { MessageGroupId: group }),
  }
}

async function named<R>(doing: string, queue: string, call: () => Promise<R>): Promise<R> {
  try {
    return await call()
  } catch (cause) {
    throw unavailable(doing, queue, cause)
  }
}

/** The SDK's own message may quote a request; its name (`QueueDoesNotExist`, `ECONNREFUSED`) says what happened. */
function unavailable(doing: string, queue: string, cause: unknown): LongshoreError {
  if (cause instanceof LongshoreError) return cause
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined
  const reason = code ?? (cause instanceof Error ? cause.name : 'unknown error')
  return new LongshoreError('queue-unavailable', `could not ${doing} the queue ${queue} (${reason})`, { cause })
}
