/**
 * How a message gets into a queue: by a name of its own and, on a FIFO queue, with a sequence number and once in five
 * minutes per deduplication id. `scope` is the queue's `DeduplicationScope`.
 */
import { randomUUID } from 'node:crypto'
import { Deduplication, type Sent } from './deduplication.ts'
import type { MessageContent } from './message.ts'

type Named = Pick<MessageContent, 'group' | 'deduplicationId'>

export class Admission {
  readonly #fifo: boolean
  readonly #deduplication = new Deduplication()

  constructor(fifo: boolean) {
    this.#fifo = fifo
  }

  /** What was answered to the earlier message that this one repeats. */
  earlier(message: Named, scope: string | undefined, now: number): Sent | undefined {
    return this.#fifo ? this.#deduplication.find(keyOf(message, scope), now) : undefined
  }

  /** What is answered to a message that is new. */
  admit(message: Named, scope: string | undefined, now: number): Sent {
    if (!this.#fifo) return { messageId: randomUUID() }
    const sent = { messageId: randomUUID(), sequenceNumber: this.#deduplication.nextSequenceNumber() }
    this.#deduplication.remember(keyOf(message, scope), sent, now)
    return sent
  }

  /** Undefined on a standard queue. */
  nextSequenceNumber(): string | undefined {
    return this.#fifo ? this.#deduplication.nextSequenceNumber() : undefined
  }

  /** A message out of the journal: it was admitted by an earlier process. */
  restore(content: MessageContent, scope: string | undefined): void {
    const { messageId, sequenceNumber, deduplicationId, sentAt } = content
    if (!sequenceNumber) return
    this.#deduplication.seen(sequenceNumber)
    if (deduplicationId === undefined) return
    this.#deduplication.remember(keyOf(content, scope), { messageId, sequenceNumber }, sentAt)
  }
}

const keyOf = ({ group, deduplicationId }: Named, scope: string | undefined): string =>
  `${scope === 'messageGroup' ? group : ''}/${deduplicationId}`
