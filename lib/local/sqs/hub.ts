/** All queues of one server. */
import type { Clock } from '../../clock.ts'
import { SqsError } from './errors.ts'
import type { Faults } from './faults.ts'
import { type Journal, type JournalRecord, noJournal, openJournal, readJournal } from './journal.ts'
import { MoveTasks } from './move-tasks.ts'
import { Queue } from './queue.ts'
import { checkAttributes, defaultAttributes, type QueueAttributes, readRedrive } from './queue-attributes.ts'

const NAME = /^[A-Za-z0-9_-]{1,80}$/
const FIFO_NAME = /^[A-Za-z0-9_-]{1,75}\.fifo$/

export interface HubOptions {
  clock: Clock
  faults: Faults
  region: string
  accountId: string
  journal?: string
}

export class Hub {
  /** Where the server listens, e.g. `http://127.0.0.1:9324`; set once it does. */
  endpoint = ''
  readonly clock: Clock
  readonly moves: MoveTasks
  readonly #options: HubOptions
  readonly #queues = new Map<string, Queue>()
  #journal: Journal = noJournal

  constructor(options: HubOptions) {
    this.#options = options
    this.clock = options.clock
    this.moves = new MoveTasks(options.clock, (arn) => this.byArn(arn))
    if (options.journal === undefined) return
    for (const record of readJournal(options.journal)) this.#replay(record)
    this.#journal = openJournal(options.journal, () => this.#records())
  }

  urlOf(queue: Queue): string {
    return `${this.endpoint}/${this.#options.accountId}/${queue.name}`
  }

  /** The queue of a URL; only its last segment counts. Throws QueueDoesNotExist. */
  byUrl(url: string): Queue {
    return this.byName(url.slice(url.lastIndexOf('/') + 1))
  }

  byName(name: string): Queue {
    const queue = this.#queues.get(name)
    if (!queue) throw new SqsError('QueueDoesNotExist', 'The specified queue does not exist.')
    return queue
  }

  byArn(arn: string): Queue | undefined {
    const queue = this.#queues.get(arn.slice(arn.lastIndexOf(':') + 1))
    return queue?.identity.arn === arn ? queue : undefined
  }

  /** By name, ascending. */
  list(): Queue[] {
    return [...this.#queues.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Makes a queue, or finds the one that is there when no attribute asked for differs. Throws QueueNameExists. */
  create(name: string, asked: QueueAttributes, tags: Record<string, string>): Queue {
    const fifo = name.endsWith('.fifo')
    if (!(fifo ? FIFO_NAME : NAME).test(name))
      throw new SqsError(
        'InvalidParameterValueException',
        'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length',
      )
    this.#check(asked, fifo, this.#arnOf(name))
    if (fifo !== (asked.FifoQueue === 'true'))
      throw new SqsError(
        'InvalidParameterValueException',
        'The name of a FIFO queue must end with .fifo, and its attribute FifoQueue must be true.',
      )
    const known = this.#queues.get(name)
    if (known) {
      const differs = Object.keys(asked).find((key) => known.attributes[key] !== asked[key])
      if (differs === undefined) return known
      throw new SqsError(
        'QueueNameExists',
        `A queue already exists with the same name and a different value for attribute ${differs}`,
      )
    }
    const queue = this.#open(name, this.clock.now(), Queue.newSalt(), { ...defaultAttributes(fifo), ...asked })
    queue.tags = tags
    this.changed(queue)
    return queue
  }

  setAttributes(queue: Queue, changes: QueueAttributes): void {
    this.#check(changes, queue.fifo, queue.identity.arn)
    if (changes.FifoQueue !== undefined && !queue.fifo)
      throw new SqsError('InvalidAttributeValue', 'FifoQueue cannot be changed.')
    queue.attributes = { ...queue.attributes, ...changes }
    this.changed(queue)
  }

  /** Writes attributes and tags down. */
  changed(queue: Queue): void {
    this.#journal.write(queue.record)
  }

  delete(queue: Queue): void {
    this.#queues.delete(queue.name)
    queue.polls.end()
    this.#journal.write({ do: 'delete-queue', queue: queue.name })
  }

  /** Queues whose dead letters go to this one. */
  sourcesOf(queue: Queue): Queue[] {
    return this.list().filter((source) => source.redrive?.deadLetterTargetArn === queue.identity.arn)
  }

  endLongPolls(): void {
    for (const queue of this.#queues.values()) queue.polls.end()
  }

  close(): void {
    this.moves.end()
    this.endLongPolls()
    this.#journal.close()
    this.#journal = noJournal
  }

  #arnOf(name: string): string {
    return `arn:aws:sqs:${this.#options.region}:${this.#options.accountId}:${name}`
  }

  #check(attributes: QueueAttributes, fifo: boolean, arn: string): void {
    checkAttributes(attributes, fifo)
    const redrive = readRedrive(attributes)
    if (!redrive) return
    const target = this.byArn(redrive.deadLetterTargetArn)
    if (!target || redrive.deadLetterTargetArn === arn)
      throw new SqsError('InvalidParameterValueException', 'Dead letter target does not exist.')
    if (target.fifo !== fifo)
      throw new SqsError(
        'InvalidParameterValueException',
        'Dead-letter queue must be same type of queue as the source.',
      )
  }

  #open(name: string, createdAt: number, salt: string, attributes: QueueAttributes): Queue {
    const queue = new Queue({ name, arn: this.#arnOf(name), createdAt, salt }, attributes, {
      clock: this.clock,
      faults: this.#options.faults,
      journal: { write: (record: JournalRecord) => this.#journal.write(record), close: () => {} },
      queueByArn: (arn) => this.byArn(arn),
    })
    this.#queues.set(name, queue)
    return queue
  }

  #replay(record: JournalRecord): void {
    if (record.do === 'delete-queue') {
      this.#queues.delete(record.queue)
      return
    }
    if (record.do !== 'queue') {
      this.#queues.get(record.queue)?.replay(record)
      return
    }
    const { createdAt, salt, attributes } = record
    const queue = this.#queues.get(record.queue) ?? this.#open(record.queue, createdAt, salt, attributes)
    queue.attributes = attributes
    queue.tags = record.tags
    queue.modifiedAt = record.modifiedAt
  }

  *#records(): Iterable<JournalRecord> {
    for (const queue of this.#queues.values()) yield* queue.records()
  }
}
