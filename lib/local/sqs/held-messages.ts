/**
 * The messages one queue holds: found by their key, given in the order of the backlog, every change told to the
 * journal. When a message comes, is hidden and goes is decided in `queue.ts`.
 */
import type { Backlog } from '../../queue/backlog.ts'
import type { Journal, JournalRecord } from './journal.ts'
import type { MessageContent, StoredMessage } from './message.ts'

export class HeldMessages {
  readonly backlog: Backlog<StoredMessage>
  readonly #queue: string
  readonly #journal: Journal
  /** In the order they came. */
  readonly #messages = new Map<number, StoredMessage>()
  #keys = 0

  constructor(queue: string, journal: Journal, backlog: Backlog<StoredMessage>) {
    this.#queue = queue
    this.#journal = journal
    this.backlog = backlog
  }

  find(key: number): StoredMessage | undefined {
    return this.#messages.get(key)
  }

  put(content: MessageContent, now: number): void {
    const key = ++this.#keys
    this.#journal.write({ do: 'put', queue: this.#queue, key, content })
    this.#hold(key, content, now)
  }

  /** Counts a receive of a message that was taken. */
  receive(message: StoredMessage, now: number): void {
    const { key, content } = message
    content.receiveCount++
    content.firstReceivedAt ??= now
    message.lastReceivedAt = now
    const { receiveCount, firstReceivedAt } = content
    this.#journal.write({ do: 'receive', queue: this.#queue, key, receiveCount, firstReceivedAt })
  }

  delete(message: StoredMessage): void {
    this.#journal.write({ do: 'delete', queue: this.#queue, key: message.key })
    this.drop(message)
  }

  purge(): void {
    this.#journal.write({ do: 'purge', queue: this.#queue })
    this.#dropAll()
  }

  /** Forgets an expired message. The journal need not know: it has expired there as well. */
  drop(message: StoredMessage): void {
    this.#messages.delete(message.key)
    this.backlog.remove(message)
  }

  /** The oldest stand first (in a dead-letter queue nearly so), so this ends after the first that is still fresh. */
  forgetExpired(now: number, retentionMs: number): void {
    for (const message of this.#messages.values()) {
      if (!isExpired(message, now, retentionMs)) break
      this.delete(message)
    }
  }

  /** Gives the next visible message away, an expired one to nobody; false when none is left. It stays when `give` throws. */
  giveNext(now: number, retentionMs: number, give: (content: MessageContent) => void): boolean {
    const message = this.backlog.take(now)
    if (!message) return false
    try {
      if (!isExpired(message, now, retentionMs)) give(message.content)
    } catch (error) {
      this.backlog.hide(message, now, now)
      throw error
    }
    this.delete(message)
    return true
  }

  /** What the journal needs to rebuild them. */
  *records(): Iterable<JournalRecord> {
    for (const { key, content } of this.#messages.values()) yield { do: 'put', queue: this.#queue, key, content }
  }

  /** Does again what the journal says was done. */
  replay(record: JournalRecord, now: number): void {
    if (record.do === 'put') {
      this.#keys = Math.max(this.#keys, record.key)
      this.#hold(record.key, record.content, now)
    } else if (record.do === 'purge') this.#dropAll()
    else if (record.do === 'receive' || record.do === 'delete') {
      const message = this.#messages.get(record.key)
      if (!message) return
      if (record.do === 'delete') this.drop(message)
      else {
        message.content.receiveCount = record.receiveCount
        message.content.firstReceivedAt = record.firstReceivedAt
      }
    }
  }

  #hold(key: number, content: MessageContent, now: number): void {
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
    this.backlog.add(message, now)
  }

  #dropAll(): void {
    for (const message of [...this.#messages.values()]) this.drop(message)
  }
}

export const isExpired = ({ content }: StoredMessage, now: number, retentionMs: number): boolean =>
  content.sentAt + retentionMs <= now
