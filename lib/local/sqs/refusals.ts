/** What a queue refuses to do with its messages, in the words of the service, and the quotas behind it. */
import { invalidParameter, SqsError } from './errors.ts'

/** Quota of SQS: messages in flight per standard queue, and per FIFO queue. */
export const IN_FLIGHT_MAX = 120_000
/** Quota of SQS: a message cannot be hidden for longer than this after one receive. */
export const HIDDEN_MS_MAX = 43_200_000
/** "PurgeQueue: only one in 60 seconds." */
export const PURGE_INTERVAL_MS = 60_000

export const tooManyInFlight = () => new SqsError('OverLimit', `Too many messages in flight: at most ${IN_FLIGHT_MAX}.`)

export const purgedJustNow = (queue: string) =>
  new SqsError('PurgeQueueInProgress', `Only one PurgeQueue on ${queue} every 60 seconds.`)

export const handleExpired = (handle: string) =>
  invalidParameter('ReceiptHandle', handle, 'The receipt handle has expired.')

export const messageGone = (handle: string) =>
  invalidParameter('ReceiptHandle', handle, 'Message does not exist or is not available for visibility timeout change.')

export const notInFlight = () =>
  new SqsError('MessageNotInflight', 'The message referred to is not in flight under this receipt handle.')

export const hiddenTooLong = (seconds: number) =>
  invalidParameter(
    'VisibilityTimeout',
    seconds,
    `Total VisibilityTimeout for the message is beyond the limit [${HIDDEN_MS_MAX / 1000} seconds].`,
  )
