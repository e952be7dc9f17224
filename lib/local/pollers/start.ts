/**
 * What Lambda's event source mapping does, for the local stack: one loop per mapping receives and fans out to at most
 * `maximumConcurrency` invocations. While all are busy nothing is received, so no message waits in a worker's hands
 * with its visibility timeout running. Idle, a mapping is one request in 20 seconds.
 */
import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  type Message,
  ReceiveMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs'
import type { SQSEvent } from 'aws-lambda'
import { type Clock, systemClock } from '../../clock.ts'
import { failedIds } from './outcome.ts'
import { eventOf } from './records.ts'

export interface Mapping {
  /** Name of the queue; its URL is the prefix and this. */
  queue: string
  functionName: string
  /** Messages per invocation; above 10 (the most of one receive) a batching window is needed, as in Lambda. */
  batchSize: number
  /** Invocations at a time: the size of the worker pool. */
  maximumConcurrency: number
  /** How long to wait for a batch to fill; 0 when absent. */
  batchingWindowSeconds?: number
  /** Whether the function answers with `batchItemFailures`. */
  reportBatchItemFailures: boolean
}

export interface PollerProblem {
  queue: string
  functionName: string
  /** What was being done. */
  during: 'receive' | 'invoke' | 'delete'
  error: unknown
}

/** One line for whoever started the service. */
export const tellProblem = ({ queue, during, error }: PollerProblem): void =>
  void process.stderr.write(`longshore: ${during} on ${queue}: ${String(error)}\n`)

export interface PollerOptions {
  client: SQSClient
  /** `queueUrlPrefix + mapping.queue` is the URL of the queue. */
  queueUrlPrefix: string
  mappings: Mapping[]
  /** Resolves with the function's answer; rejects when the function failed. */
  invoke: (functionName: string, event: SQSEvent) => Promise<unknown>
  region: string
  accountId: string
  clock?: Clock
  /** Hears what went wrong; the pollers go on. */
  onProblem?: (problem: PollerProblem) => void
}

export interface Pollers {
  /**
   * Receives nothing more from now on, lets running invocations end for at most `graceMs`, then resolves with how
   * many were still running: their messages become visible again after their timeout. So does, in the worst case, a
   * message that was on its way to the receive that is cut off.
   */
  stop(graceMs: number): Promise<{ running: number }>
}

const WAIT_SECONDS = 20
const RECEIVE_MAX = 10
/** After a failed receive; doubles from the first to the last, so that a server that restarts is found again soon. */
const PAUSE_MS = { first: 100, last: 5_000 }

export function startPollers(options: PollerOptions): Pollers {
  const stopping = new AbortController()
  const { clock = systemClock } = options
  const invocations = new Set<Promise<void>>()
  const loops = options.mappings.map((mapping) => poll(mapping, options, clock, stopping.signal, invocations))
  return {
    async stop(graceMs) {
      stopping.abort()
      await Promise.all(loops)
      const graceOver = new AbortController()
      await Promise.race([Promise.all(invocations), clock.sleep(graceMs, graceOver.signal)])
      graceOver.abort()
      return { running: invocations.size }
    },
  }
}

async function poll(
  mapping: Mapping,
  options: PollerOptions,
  clock: Clock,
  stopped: AbortSignal,
  invocations: Set<Promise<void>>,
): Promise<void> {
  const { client, onProblem } = options
  const QueueUrl = options.queueUrlPrefix + mapping.queue
  const { functionName, queue } = mapping
  const arn = `arn:aws:sqs:${options.region}:${options.accountId}:${QueueUrl.slice(QueueUrl.lastIndexOf('/') + 1)}`
  const problem = (during: PollerProblem['during'], error: unknown) =>
    onProblem?.({ queue, functionName, during, error })
  let running = 0
  let slotFree = () => {}
  let pauseMs = PAUSE_MS.first

  while (!stopped.aborted) {
    if (running >= mapping.maximumConcurrency) {
      await untilAborted(new Promise<void>((resolve) => (slotFree = resolve)), stopped)
      continue
    }
    let batch: Message[]
    try {
      batch = await collect()
      pauseMs = PAUSE_MS.first
    } catch (error) {
      problem('receive', error)
      await clock.sleep(pauseMs, stopped)
      pauseMs = Math.min(2 * pauseMs, PAUSE_MS.last)
      continue
    }
    if (batch.length === 0) continue
    if (stopped.aborted) {
      await giveBack(batch)
      break
    }
    running++
    const invocation = handle(batch).finally(() => {
      running--
      invocations.delete(invocation)
      slotFree()
    })
    invocations.add(invocation)
  }

  /** One batch: what a long poll gives, and what follows within the batching window. */
  async function collect(): Promise<Message[]> {
    const windowMs = 1000 * (mapping.batchingWindowSeconds ?? 0)
    const batch = await receive(mapping.batchSize, WAIT_SECONDS)
    if (batch.length === 0 || windowMs === 0) return batch
    const end = clock.now() + windowMs
    try {
      while (batch.length < mapping.batchSize && clock.now() < end && !stopped.aborted) {
        const waitSeconds = Math.min(WAIT_SECONDS, Math.ceil((end - clock.now()) / 1000))
        batch.push(...(await receive(mapping.batchSize - batch.length, waitSeconds)))
      }
    } catch (error) {
      // What is in hand goes to the function all the same.
      problem('receive', error)
    }
    return batch
  }

  async function receive(max: number, WaitTimeSeconds: number): Promise<Message[]> {
    const command = new ReceiveMessageCommand({
      QueueUrl,
      MaxNumberOfMessages: Math.min(max, RECEIVE_MAX),
      WaitTimeSeconds,
      MessageAttributeNames: ['All'],
      MessageSystemAttributeNames: ['All'],
    })
    try {
      return (await client.send(command, { abortSignal: stopped })).Messages ?? []
    } catch (error) {
      if (stopped.aborted) return []
      throw error
    }
  }

  async function handle(batch: Message[]): Promise<void> {
    let answer: unknown
    try {
      answer = await options.invoke(functionName, eventOf(batch, arn, options.region))
    } catch (error) {
      // Nothing is deleted: the messages come again after the visibility timeout, and count as received.
      problem('invoke', error)
      return
    }
    const ids = batch.map((message) => message.MessageId ?? '')
    const failed = failedIds(answer, ids, mapping.reportBatchItemFailures)
    await remove(batch.filter((message) => !failed.has(message.MessageId ?? '')))
  }

  /** A message that could not be deleted comes again, which every consumer must bear anyway. */
  async function remove(done: Message[]): Promise<void> {
    for (let from = 0; from < done.length; from += RECEIVE_MAX) {
      const Entries = done
        .slice(from, from + RECEIVE_MAX)
        .map((message, i) => ({ Id: `${i}`, ReceiptHandle: message.ReceiptHandle }))
      try {
        const { Failed = [] } = await client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }))
        for (const failure of Failed) problem('delete', new Error(`${failure.Code}: ${failure.Message}`))
      } catch (error) {
        problem('delete', error)
      }
    }
  }

  /** What arrived in the moment of stopping is visible at once for who comes next. */
  async function giveBack(batch: Message[]): Promise<void> {
    for (let from = 0; from < batch.length; from += RECEIVE_MAX) {
      const Entries = batch
        .slice(from, from + RECEIVE_MAX)
        .map((message, i) => ({ Id: `${i}`, ReceiptHandle: message.ReceiptHandle, VisibilityTimeout: 0 }))
      await client.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries })).catch(() => undefined)
    }
  }
}

function untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done, { once: true })
    if (signal.aborted) done()
    void promise.then(done)
  })
}
