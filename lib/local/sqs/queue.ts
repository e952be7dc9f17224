/**
 * One queue of the embedded server: what happens to a message between SendMessage and DeleteMessage. Time comes from
 * the clock; every change is told to the journal before the caller hears of it.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import { Backlog } from '../../queue/backlog.ts'
import { LongPolls } from '../../queue/long-polls.ts'
import { Deduplication } from './deduplication.ts'
import { invalidParameter, SqsError } from './errors.ts'
import type { Faults } from './faults.ts'
import type { Journal, JournalRecord } from './journal.ts'
import { type MessageContent, type NewMessage, type StoredMessage, type View, viewOf } from './message.ts'
import { type QueueAttributes, type Redrive, readRedrive } from './queue-attributes.ts'
import { readReceiptHandle, receiptHandle } from './receipt.ts'
import { deadLetterQueueOf, movedContent } from './redrive.ts'

/** Quota of SQS: messages in flight per standard queue, and per FIFO queue. */
const IN_FLIGHT_MAX = 120_000
/** Quota of SQS: a message cannot be hidden for longer than this after one receive. */
const HIDDEN_MS_MAX = 43_200_000
/** "PurgeQueue: only one in 60 seconds." */
const PURGE_INTERVAL_MS = 60_000

export interface QueueIdentity {
  name: string
  arn: string
  createdAt: number
  /** New for every queue made, so that handles of a deleted queue of the same name are not taken for its own. */
  salt: string
}

export interface QueueSurroundings {
  clock: Clock
  journal: Journal
  faults: Faults
  /** Finds the dead-letter queue. */
  queueByArn: (arn: string) => Queue | undefined
}

type ReceivedView = Record<string, unknown>

export class Queue {
  readonly identity: QueueIdentity
  readonly fifo: boolean
  readonly polls: LongPolls<ReceivedView[]>
  tags: Record<string, string> = {}
  modifiedAt: number
  readonly #around: QueueSurroundings
  readonly #messages = new Map<number, StoredMessage>()
  readonly #backlog: Backlog<StoredMessage>
  readonly #deduplication = new Deduplication()
  #attributes: QueueAttributes
  #redrive: Redrive | undefined
  #keys = 0
  #purgedAt = Number.NEGATIVE_INFINITY

  constructor(identity: QueueIdentity, attributes: QueueAttributes, around: QueueSurroundings) {
    this.identity = identity
    this.fifo = identity.name.endsWith('.fifo')
    this.modifiedAt = identity.createdAt
    this.#around = around
    this.#attributes = attributes
    this.#redrive = readRedrive(attributes)
    this.#backlog = new Backlog({ ordered: this.fifo, disorder: this.fifo ? undefined : around.faults.disorder })
    this.polls = new LongPolls(around.clock, () => this.#backlog.nextChange())
  }

  static newSalt(): string {
    return randomBytes(6).toString('base64')
  }

  get attributes(): QueueAttributes {
    return this.#attributes
  }

  get redrive(): Redrive | undefined {
    return this.#redrive
  }

  set attributes(attributes: QueueAttributes) {
    this.#redrive = readRedrive(attributes)
    this.#attributes = attributes
    this.modifiedAt = this.#now()
  }

  get counts() {
    this.#forgetExpired()
    this.#backlog.settle(this.#now())
    return this.#backlog.counts
  }

  get name(): string {
    return this.identity.name
  }

  /** Everything the journal needs to rebuild the queue. */
  *records(): Iterable<JournalRecord> {
    yield this.record
    for (const { key, content } of this.#messages.values()) yield { do: 'put', queue: this.name, key, content }
  }

  get record(): JournalRecord {
    const { createdAt, salt } = this.identity
    const { modifiedAt, attributes, tags } = this
    return { do: 'queue', queue: this.name, createdAt, modifiedAt, salt, attributes, tags }
  }

  seconds(attribute: string): number {
    return Number(this.#attributes[attribute] ?? 0)
  }

  /** Returns the id of an earlier message when a FIFO queue has seen the deduplication id within five minutes. */
  send(message: NewMessage): { messageId: string; sequenceNumber?: string } {
    this.#forgetExpired()
    const now = this.#now()
    const { delaySeconds = this.seconds('DelaySeconds'), ...rest } = message
    const deduplicated = this.#deduplicationKey(message)
    const earlier = this.fifo ? this.#deduplication.find(deduplicated, now) : undefined
    if (earlier) return earlier
    const sent = {
      messageId: randomUUID(),
      ...(this.fifo ? { sequenceNumber: this.#deduplication.nextSequenceNumber() } : {}),
    }
    if (this.fifo) this.#deduplication.remember(deduplicated, sent, now)
    this.put({ ...rest, ...sent, sentAt: now, visibleAt: now + delaySeconds * 1000, receiveCount: 0 })
    return sent
  }

  /** Takes in a message: a new one, a dead letter, one that a move task brings. Call `polls.wake()` after it. */
  put(content: MessageContent): void {
    const key = ++this.#keys
    this.#log({ do: 'put', queue: this.name, key, content })
    this.#hold(key, content)
  }

  /** Does again what the journal says was done. */
  replay(record: JournalRecord): void {
    if (record.do === 'put') this.#restore(record.key, record.content)
    else if (record.do === 'purge') this.#dropAll()
    else if (record.do === 'receive' || record.do === 'delete') {
      const message = this.#messages.get(record.key)
      if (!message) return
      if (record.do === 'delete') this.#drop(message)
      else {
        message.content.receiveCount = record.receiveCount
        message.content.firstReceivedAt = record.firstReceivedAt
      }
    }
  }

  /** Up to `max` messages, or undefined when none is receivable now. Throws OverLimit. */
  receive(max: number, visibilitySeconds: number | undefined, view: View): ReceivedView[] | undefined {
    const now = this.#now()
    const hiddenMs = 1000 * (visibilitySeconds ?? this.seconds('VisibilityTimeout'))
    const taken: StoredMessage[] = []
    while (taken.length < max) {
      if (this.#backlog.counts.inFlight >= IN_FLIGHT_MAX) {
        if (this.fifo || taken.length > 0) break
        throw new SqsError('OverLimit', `Too many messages in flight: at most ${IN_FLIGHT_MAX}.`)
      }
      const message = this.#backlog.take(now, taken.at(-1)?.group)
      if (!message) break
      if (this.#isExpired(message, now)) this.#drop(message)
      else if (!this.#toDeadLetters(message)) taken.push(message)
    }
    if (taken.length === 0) return undefined
    return taken.map((message) => this.#deliver(message, now, hiddenMs, view))
  }

  /** Deletes by handle; a stale one is silently too late (on FIFO: an error). Throws ReceiptHandleIsInvalid. */
  delete(handle: string): void {
    const { key, receive } = readReceiptHandle(this.identity.salt, handle)
    const message = this.#messages.get(key)
    if (!message) return
    this.#backlog.settle(this.#now())
    const stale = message.content.receiveCount !== receive
    if (this.fifo && (stale || message.state !== 'inFlight'))
      throw invalidParameter('ReceiptHandle', handle, 'The receipt handle has expired.')
    if (stale) return
    this.#log({ do: 'delete', queue: this.name, key })
    this.#drop(message)
    this.polls.wake()
  }

  /** Hides a message for so long from now on. Throws ReceiptHandleIsInvalid, MessageNotInflight, InvalidParameterValue. */
  changeVisibility(handle: string, seconds: number): void {
    const { key, receive } = readReceiptHandle(this.identity.salt, handle)
    const now = this.#now()
    const message = this.#messages.get(key)
    if (!message)
      throw invalidParameter(
        'ReceiptHandle',
        handle,
        'Message does not exist or is not available for visibility timeout change.',
      )
    this.#backlog.settle(now)
    if (message.state !== 'inFlight' || message.content.receiveCount !== receive)
      throw new SqsError('MessageNotInflight', 'The message referred to is not in flight under this receipt handle.')
    if (now + seconds * 1000 > message.lastReceivedAt + HIDDEN_MS_MAX)
      throw invalidParameter(
        'VisibilityTimeout',
        seconds,
        `Total VisibilityTimeout for the message is beyond the limit [${HIDDEN_MS_MAX / 1000} seconds].`,
      )
    this.#backlog.hide(message, now + seconds * 1000, now)
    this.polls.wake()
  }

  /** Throws PurgeQueueInProgress within 60 seconds of the last purge. */
  purge(): void {
    const now = this.#now()
    if (now < this.#purgedAt + PURGE_INTERVAL_MS)
      throw new SqsError('PurgeQueueInProgress', `Only one PurgeQueue on ${this.identity.name} every 60 seconds.`)
    this.#purgedAt = now
    this.#log({ do: 'purge', queue: this.name })
    this.#dropAll()
  }

  /** Moves the next visible message to the queue that `targetOf` names; false when none is left. */
  moveNext(targetOf: (content: MessageContent) => Queue): boolean {
    const now = this.#now()
    const message = this.#backlog.take(now)
    if (!message) return false
    try {
      if (!this.#isExpired(message, now)) targetOf(message.content).adopt(message.content)
    } catch (error) {
      this.#backlog.hide(message, now, now)
      throw error
    }
    this.#log({ do: 'delete', queue: this.name, key: message.key })
    this.#drop(message)
    return true
  }

  /** Takes in what a move task brings. */
  adopt(content: MessageContent): void {
    const sequenceNumber = this.fifo ? this.#deduplication.nextSequenceNumber() : undefined
    this.put(movedContent(content, this.#now(), sequenceNumber))
    this.polls.wake()
  }

  #deliver(message: StoredMessage, now: number, hiddenMs: number, view: View): ReceivedView {
    const { content } = message
    content.receiveCount++
    content.firstReceivedAt ??= now
    message.lastReceivedAt = now
    const { receiveCount, firstReceivedAt } = content
    this.#log({ do: 'receive', queue: this.name, key: message.key, receiveCount, firstReceivedAt })
    const received = viewOf(content, receiptHandle(this.identity.salt, message.key, content.receiveCount), view)
    if (!this.fifo && content.receiveCount === 1 && this.#around.faults.duplicates())
      this.put({ ...content, visibleAt: now })
    this.#backlog.hide(message, now + hiddenMs, now)
    return received
  }

  #toDeadLetters(message: StoredMessage): boolean {
    const target = deadLetterQueueOf(message.content, this, this.#redrive, this.#around.queueByArn)
    if (!target) return false
    // Into the dead-letter queue first: a crash between the two lines of the journal doubles the message, never loses it.
    target.put({ ...message.content, visibleAt: this.#now(), deadLetterSource: this.identity.arn })
    this.#log({ do: 'delete', queue: this.name, key: message.key })
    this.#drop(message)
    target.polls.wake()
    return true
  }

  #restore(key: number, content: MessageContent): void {
    this.#keys = Math.max(this.#keys, key)
    this.#hold(key, content)
    if (content.sequenceNumber) this.#deduplication.seen(content.sequenceNumber)
    if (content.deduplicationId !== undefined && content.sequenceNumber) {
      const sent = { messageId: content.messageId, sequenceNumber: content.sequenceNumber }
      this.#deduplication.remember(this.#deduplicationKey(content), sent, content.sentAt)
    }
  }

  #deduplicationKey({ group, deduplicationId }: Pick<MessageContent, 'group' | 'deduplicationId'>): string {
    return `${this.#attributes.DeduplicationScope === 'messageGroup' ? group : ''}/${deduplicationId}`
  }

  #hold(key: number, content: MessageContent): void {
    const message: StoredMessage = {
      key,
      content,
      group: content.group,
      visibleAt: content.visibleAt,
      lastReceivedAt: 0,
      order: 0,
      state: 'ready',
      place: -1,
    }
    this.#messages.set(key, message)
    this.#backlog.add(message, this.#now())
  }

  #drop(message: StoredMessage): void {
    this.#messages.delete(message.key)
    this.#backlog.remove(message)
  }

  #dropAll(): void {
    for (const message of [...this.#messages.values()]) this.#drop(message)
  }

  #isExpired(message: StoredMessage, now: number): boolean {
    return message.content.sentAt + this.seconds('MessageRetentionPeriod') * 1000 <= now
  }

  /** The oldest stand first (in a dead-letter queue nearly so), so this ends after the first that is still fresh. */
  #forgetExpired(): void {
    const now = this.#now()
    for (const message of this.#messages.values()) {
      if (!this.#isExpired(message, now)) break
      this.#log({ do: 'delete', queue: this.name, key: message.key })
      this.#drop(message)
    }
  }

  #log(record: JournalRecord): void {
    this.#around.journal.write(record)
  }

  #now(): number {
    return this.#around.clock.now()
  }
}
