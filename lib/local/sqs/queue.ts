/**
 * One queue of the embedded server: what happens to a message between SendMessage and DeleteMessage. Time comes from
 * the clock; every change is told to the journal before the caller hears of it, in `held-messages.ts`.
 */
import { randomBytes } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import { Backlog } from '../../queue/backlog.ts'
import { LongPolls } from '../../queue/long-polls.ts'
import { Admission } from './admission.ts'
import type { Sent } from './deduplication.ts'
import type { Faults } from './faults.ts'
import { HeldMessages, isExpired } from './held-messages.ts'
import type { Journal, JournalRecord } from './journal.ts'
import { type MessageContent, type NewMessage, type StoredMessage, type View, viewOf } from './message.ts'
import { type QueueAttributes, type Redrive, readRedrive } from './queue-attributes.ts'
import { readReceiptHandle, receiptHandle } from './receipt.ts'
import { deadLetterQueueOf, movedContent } from './redrive.ts'
import {
  HIDDEN_MS_MAX,
  handleExpired,
  hiddenTooLong,
  IN_FLIGHT_MAX,
  messageGone,
  notInFlight,
  PURGE_INTERVAL_MS,
  purgedJustNow,
  tooManyInFlight,
} from './refusals.ts'

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
  readonly #held: HeldMessages
  readonly #backlog: Backlog<StoredMessage>
  readonly #admission: Admission
  #attributes: QueueAttributes
  #redrive: Redrive | undefined
  #purgedAt = Number.NEGATIVE_INFINITY

  constructor(identity: QueueIdentity, attributes: QueueAttributes, around: QueueSurroundings) {
    this.identity = identity
    this.fifo = identity.name.endsWith('.fifo')
    this.modifiedAt = identity.createdAt
    this.#around = around
    this.#attributes = attributes
    this.#redrive = readRedrive(attributes)
    this.#admission = new Admission(this.fifo)
    this.#backlog = new Backlog({ ordered: this.fifo, disorder: this.fifo ? undefined : around.faults.disorder })
    this.#held = new HeldMessages(identity.name, around.journal, this.#backlog)
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
    yield* this.#held.records()
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
  send(message: NewMessage): Sent {
    this.#forgetExpired()
    const now = this.#now()
    const { delaySeconds = this.seconds('DelaySeconds'), ...rest } = message
    const scope = this.#attributes.DeduplicationScope
    const earlier = this.#admission.earlier(message, scope, now)
    if (earlier) return earlier
    const sent = this.#admission.admit(message, scope, now)
    this.put({ ...rest, ...sent, sentAt: now, visibleAt: now + delaySeconds * 1000, receiveCount: 0 })
    return sent
  }

  /** Takes in a message: a new one, a dead letter, one that a move task brings. Call `polls.wake()` after it. */
  put(content: MessageContent): void {
    this.#held.put(content, this.#now())
  }

  /** Does again what the journal says was done. */
  replay(record: JournalRecord): void {
    this.#held.replay(record, this.#now())
    if (record.do === 'put') this.#admission.restore(record.content, this.#attributes.DeduplicationScope)
  }

  /** Up to `max` messages, or undefined when none is receivable now. Throws OverLimit. */
  receive(max: number, visibilitySeconds: number | undefined, view: View): ReceivedView[] | undefined {
    const now = this.#now()
    const hiddenMs = 1000 * (visibilitySeconds ?? this.seconds('VisibilityTimeout'))
    const taken: StoredMessage[] = []
    while (taken.length < max) {
      if (this.#backlog.counts.inFlight >= IN_FLIGHT_MAX) {
        if (this.fifo || taken.length > 0) break
        throw tooManyInFlight()
      }
      const message = this.#backlog.take(now, taken.at(-1)?.group)
      if (!message) break
      if (isExpired(message, now, this.#retentionMs)) this.#held.drop(message)
      else if (!this.#toDeadLetters(message)) taken.push(message)
    }
    if (taken.length === 0) return undefined
    return taken.map((message) => this.#deliver(message, now, hiddenMs, view))
  }

  /** Deletes by handle; a stale one is silently too late (on FIFO: an error). Throws ReceiptHandleIsInvalid. */
  delete(handle: string): void {
    const { key, receive } = readReceiptHandle(this.identity.salt, handle)
    const message = this.#held.find(key)
    if (!message) return
    this.#backlog.settle(this.#now())
    const stale = message.content.receiveCount !== receive
    if (this.fifo && (stale || message.state !== 'inFlight')) throw handleExpired(handle)
    if (stale) return
    this.#held.delete(message)
    this.polls.wake()
  }

  /** Hides a message for so long from now on. Throws ReceiptHandleIsInvalid, MessageNotInflight, InvalidParameterValue. */
  changeVisibility(handle: string, seconds: number): void {
    const { key, receive } = readReceiptHandle(this.identity.salt, handle)
    const now = this.#now()
    const message = this.#held.find(key)
    if (!message) throw messageGone(handle)
    this.#backlog.settle(now)
    if (message.state !== 'inFlight' || message.content.receiveCount !== receive) throw notInFlight()
    if (now + seconds * 1000 > message.lastReceivedAt + HIDDEN_MS_MAX) throw hiddenTooLong(seconds)
    this.#backlog.hide(message, now + seconds * 1000, now)
    this.polls.wake()
  }

  /** Throws PurgeQueueInProgress within 60 seconds of the last purge. */
  purge(): void {
    const now = this.#now()
    if (now < this.#purgedAt + PURGE_INTERVAL_MS) throw purgedJustNow(this.name)
    this.#purgedAt = now
    this.#held.purge()
  }

  /** Moves the next visible message to the queue that `targetOf` names; false when none is left. */
  moveNext(targetOf: (content: MessageContent) => Queue): boolean {
    return this.#held.giveNext(this.#now(), this.#retentionMs, (content) => targetOf(content).adopt(content))
  }

  /** Takes in what a move task brings. */
  adopt(content: MessageContent): void {
    this.put(movedContent(content, this.#now(), this.#admission.nextSequenceNumber()))
    this.polls.wake()
  }

  #deliver(message: StoredMessage, now: number, hiddenMs: number, view: View): ReceivedView {
    const { content } = message
    this.#held.receive(message, now)
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
    this.#held.delete(message)
    target.polls.wake()
    return true
  }

  get #retentionMs(): number {
    return 1000 * this.seconds('MessageRetentionPeriod')
  }

  #forgetExpired(): void {
    this.#held.forgetExpired(this.#now(), this.#retentionMs)
  }

  #now(): number {
    return this.#around.clock.now()
  }
}
