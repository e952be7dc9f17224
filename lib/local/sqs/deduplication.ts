/** What a FIFO queue remembers of the last five minutes, and its sequence numbers. */

/** "Messages with the same deduplication ID are accepted but not delivered during the 5-minute interval." */
const INTERVAL_MS = 300_000

export interface Sent {
  messageId: string
  sequenceNumber?: string
}

export class Deduplication {
  /** In order of time, so that the old ones are at the front. */
  readonly #sent = new Map<string, { sent: Sent; at: number }>()
  #sequence = 0n

  find(id: string, now: number): Sent | undefined {
    for (const [oldest, { at }] of this.#sent) {
      if (at + INTERVAL_MS > now) break
      this.#sent.delete(oldest)
    }
    return this.#sent.get(id)?.sent
  }

  remember(id: string, sent: Sent, at: number): void {
    this.#sent.set(id, { sent, at })
  }

  /** 20 digits, rising. */
  nextSequenceNumber(): string {
    return `${++this.#sequence}`.padStart(20, '0')
  }

  seen(sequenceNumber: string): void {
    const number = BigInt(sequenceNumber)
    if (number > this.#sequence) this.#sequence = number
  }
}
