/**
 * Receivers that wait. One sleep for all of them, and none while nobody waits: an idle queue costs nothing, and
 * 100,000 messages need no timer each.
 */
import type { Clock } from '../clock.ts'

interface Waiter<R> {
  deadline: number
  attempt: () => R | undefined
  settle: (result: R | undefined) => void
}

export class LongPolls<R> {
  readonly #clock: Clock
  readonly #nextChange: () => number | undefined
  /** In order of arrival: the one that waits longest is served first. */
  readonly #waiters = new Set<Waiter<R>>()
  #sleep: { until: number; controller: AbortController } | undefined

  /** `nextChange` says when something may become receivable by itself. */
  constructor(clock: Clock, nextChange: () => number | undefined) {
    this.#clock = clock
    this.#nextChange = nextChange
  }

  get size(): number {
    return this.#waiters.size
  }

  /**
   * Resolves with what `attempt` returns as soon as it returns something, or with undefined at the deadline, on abort
   * (the receiver has gone: nothing may be handed to it any more) and on `end`.
   */
  wait(deadline: number, attempt: () => R | undefined, signal?: AbortSignal): Promise<R | undefined> {
    if (signal?.aborted) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      const settle = (result: R | undefined) => {
        signal?.removeEventListener('abort', gone)
        this.#waiters.delete(waiter)
        if (this.#waiters.size === 0) this.#stopSleeping()
        resolve(result)
      }
      const gone = () => settle(undefined)
      const waiter: Waiter<R> = { deadline, attempt, settle }
      this.#waiters.add(waiter)
      signal?.addEventListener('abort', gone, { once: true })
      this.#sleepUntil(Math.min(deadline, this.#nextChange() ?? deadline))
    })
  }

  /** Serves who waits; to be called after everything that may have made a message receivable. */
  wake(): void {
    for (const waiter of this.#waiters) {
      const result = waiter.attempt()
      if (result === undefined) break
      waiter.settle(result)
    }
    const next = this.#nextChange()
    if (this.#waiters.size > 0 && next !== undefined) this.#sleepUntil(next)
  }

  /** Sends everybody away with nothing. */
  end(): void {
    for (const waiter of this.#waiters) waiter.settle(undefined)
  }

  #sleepUntil(until: number): void {
    if (this.#sleep && this.#sleep.until <= until) return
    this.#stopSleeping()
    const controller = new AbortController()
    this.#sleep = { until, controller }
    // A timer may fire a little early by the clock; at least 1 ms keeps that from becoming a busy loop.
    void this.#clock.sleep(Math.max(1, until - this.#clock.now()), controller.signal).then(() => {
      if (controller.signal.aborted) return
      this.#sleep = undefined
      this.#tick()
    })
  }

  #stopSleeping(): void {
    this.#sleep?.controller.abort()
    this.#sleep = undefined
  }

  #tick(): void {
    this.wake()
    const now = this.#clock.now()
    let earliest = Number.POSITIVE_INFINITY
    for (const waiter of this.#waiters) {
      if (waiter.deadline <= now) waiter.settle(undefined)
      else earliest = Math.min(earliest, waiter.deadline)
    }
    if (earliest < Number.POSITIVE_INFINITY) this.#sleepUntil(earliest)
  }
}
