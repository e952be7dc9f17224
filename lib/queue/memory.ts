/**
 * The queues in memory, for tests and the simulator: visibility timeout, receive count, dead letters, delays and fair
 * groups as SQS has them, on a clock the caller owns. No timer of its own runs while nobody waits.
 */
import type { Clock, Random } from '../clock.ts'
import { LongshoreError } from '../errors.ts'
import { Backlog, type Entry } from './backlog.ts'
import { LongPolls } from './long-polls.ts'
import { deadLetterQueueOf } from './names.ts'
import type { Message, Queue, QueueConsumer, QueueDepth, QueueSetup, ReceivedMessage } from './port.ts'

export interface MemoryQueueOptions {
  clock: Clock
  /** 30 when absent, the default of SQS. */
  visibilityTimeoutSeconds?: number | ((queue: string) => number)
  /** Receives before a message becomes a dead letter; 5 when absent, as in serverless.yml. */
  maxReceiveCount?: number
  /** What a standard queue is allowed to do, made likely: a second delivery with this probability, any order. */
  faults?: { random: Random; duplicates?: number; reorder?: boolean }
}

interface Held extends Entry {
  key: number
  messageId: string
  body: string
  receiveCount: number
}

interface One {
  backlog: Backlog<Held>
  entries: Map<number, Held>
  polls: LongPolls<ReceivedMessage[]>
}

const receiptOf = (entry: Held) => `${entry.key}.${entry.receiveCount}`

/** Queues come into being when first named. Deterministic: same calls, same clock, same random, same answers. */
export function memoryQueue(options: MemoryQueueOptions): Queue & QueueConsumer & QueueSetup {
  const { clock, faults, maxReceiveCount = 5, visibilityTimeoutSeconds = 30 } = options
  const visibilityMs = (queue: string) =>
    1000 * (typeof visibilityTimeoutSeconds === 'number' ? visibilityTimeoutSeconds : visibilityTimeoutSeconds(queue))
  const queues = new Map<string, One>()
  let keys = 0

  function open(name: string): One {
    const known = queues.get(name)
    if (known) return known
    const disorder = faults?.reorder ? () => faults.random.next() * 20 : undefined
    const backlog = new Backlog<Held>({ disorder })
    const one = {
      backlog,
      entries: new Map(),
      polls: new LongPolls<ReceivedMessage[]>(clock, () => backlog.nextChange()),
    }
    queues.set(name, one)
    return one
  }

  function put(queue: One, message: Pick<Held, 'messageId' | 'body' | 'group' | 'receiveCount' | 'visibleAt'>): void {
    const entry: Held = { ...message, key: ++keys, order: 0, state: 'ready', place: -1 }
    queue.entries.set(entry.key, entry)
    queue.backlog.add(entry, clock.now())
  }

  function drop(queue: One, entry: Held): void {
    queue.entries.delete(entry.key)
    queue.backlog.remove(entry)
  }

  /** Takes up to `max` messages in flight; those received too often go to the dead letters instead. */
  function take(name: string, queue: One, max: number): ReceivedMessage[] | undefined {
    const now = clock.now()
    const taken: Held[] = []
    while (taken.length < max) {
      const entry = queue.backlog.take(now)
      if (!entry) break
      const deadLetters = deadLetterQueueOf(name)
      if (deadLetters !== undefined && entry.receiveCount >= maxReceiveCount) {
        drop(queue, entry)
        const target = open(deadLetters)
        put(target, { ...entry, visibleAt: now })
        target.polls.wake()
        continue
      }
      entry.receiveCount++
      taken.push(entry)
    }
    for (const entry of taken) {
      if (entry.receiveCount === 1 && faults && faults.random.next() < (faults.duplicates ?? 0))
        put(queue, { ...entry, visibleAt: now })
      queue.backlog.hide(entry, now + visibilityMs(name), now)
    }
    if (taken.length === 0) return undefined
    return taken.map((entry) => ({
      messageId: entry.messageId,
      receipt: receiptOf(entry),
      body: entry.body,
      receiveCount: entry.receiveCount,
      ...(entry.group === undefined ? {} : { group: entry.group }),
    }))
  }

  /** The message of a receipt; undefined when it is gone or was received again since. */
  function current(name: string, queue: One, receipt: string): Held | undefined {
    if (!/^\d+\.\d+$/.test(receipt))
      throw new LongshoreError('queue-unavailable', `"${receipt}" is not a receipt of the queue ${name}`)
    const entry = queue.entries.get(Number.parseInt(receipt, 10))
    return entry && receiptOf(entry) === receipt ? entry : undefined
  }

  return {
    async send(name: string, messages: Message[]): Promise<void> {
      const queue = open(name)
      for (const { body, delaySeconds = 0, group } of messages) {
        const visibleAt = clock.now() + delaySeconds * 1000
        put(queue, { messageId: `message-${keys + 1}`, body, group, receiveCount: 0, visibleAt })
      }
      queue.polls.wake()
    },

    async depth(name: string): Promise<QueueDepth> {
      const { backlog } = open(name)
      backlog.settle(clock.now())
      const { visible, inFlight, delayed } = backlog.counts
      return { waiting: visible, inFlight, delayed }
    },

    async settings(name: string) {
      const deadLetters = deadLetterQueueOf(name)
      return {
        visibilitySeconds: visibilityMs(name) / 1000,
        ...(deadLetters === undefined ? {} : { deadLetters: { queue: deadLetters, afterReceives: maxReceiveCount } }),
        answeredAt: clock.now(),
      }
    },

    async receive(name, { max, waitSeconds, signal }): Promise<ReceivedMessage[]> {
      if (signal?.aborted) return []
      const queue = open(name)
      const attempt = () => take(name, queue, max)
      const now = attempt()
      if (now !== undefined || waitSeconds === 0) return now ?? []
      return (await queue.polls.wait(clock.now() + waitSeconds * 1000, attempt, signal)) ?? []
    },

    async remove(name: string, receipt: string): Promise<void> {
      const queue = open(name)
      const entry = current(name, queue, receipt)
      if (entry) drop(queue, entry)
    },

    async giveBack(name: string, receipt: string, afterSeconds: number): Promise<void> {
      const queue = open(name)
      const entry = current(name, queue, receipt)
      queue.backlog.settle(clock.now())
      if (entry?.state !== 'inFlight') return
      queue.backlog.hide(entry, clock.now() + afterSeconds * 1000, clock.now())
      queue.polls.wake()
    },
  }
}
