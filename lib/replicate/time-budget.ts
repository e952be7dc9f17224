/** The time of this run: which blobs still fit, and the end of those that do not come to an end. */
import type { JobContext } from '../job/define.ts'
import { onAbort } from '../net/abort.ts'

/** Milliseconds kept for the hand-over itself, at most a tenth of the run: cancelling sessions and one write. */
const MARGIN_MS = 3_000

export class TimeBudget {
  /** Aborts with the job, and when the time of this run is used. */
  readonly signal: AbortSignal
  readonly #context: JobContext
  readonly #controller = new AbortController()
  readonly #timer = new AbortController()
  readonly #marginMs: number
  readonly #startedAt: number
  readonly #stopListening: () => void
  #bytes = 0
  #over = false

  constructor(context: JobContext) {
    this.#context = context
    this.signal = this.#controller.signal
    this.#marginMs = Math.min(MARGIN_MS, context.remainingMs() / 10)
    this.#startedAt = context.clock.now()
    this.#stopListening = onAbort(context.signal, (reason) => this.#controller.abort(reason))
    context.clock.sleep(Math.max(0, this.#leftMs()), this.#timer.signal).then(() => {
      if (this.#timer.signal.aborted) return
      this.#over = true
      this.#controller.abort(new Error('the time of this run is used'))
    })
  }

  /** The time ended the run, not a stop or a failure. */
  get isOver(): boolean {
    return this.#over
  }

  moved(bytes: number): void {
    this.#bytes += bytes
  }

  /**
   * Whether a blob of this size would end in time at the rate seen so far. Before anything moved there is no rate, so
   * the largest blob always gets a whole run to itself.
   */
  mayStart(size: number): boolean {
    const left = this.#leftMs()
    if (left <= 0) return false
    const elapsed = this.#context.clock.now() - this.#startedAt
    if (this.#bytes === 0 || elapsed <= 0) return true
    return size / (this.#bytes / elapsed) <= left
  }

  /** Stops the timer; must be called. */
  end(): void {
    this.#timer.abort()
    this.#stopListening()
  }

  #leftMs(): number {
    return this.#context.remainingMs() - this.#marginMs
  }
}
