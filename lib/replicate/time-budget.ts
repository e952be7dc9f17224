/** The time of this run: what still fits into it, and the end of what does not come to an end. */
import type { Limits } from '../config.ts'
import type { JobContext } from '../job/define.ts'
import { onAbort } from '../net/abort.ts'

/**
 * Milliseconds before the end by which everything is planned to be done, at most a tenth of the run. A third of it is
 * the least slack of a request; what is late is cut only in the last third, because a chunk that is cut costs the whole
 * session with docker-registry (found with the real one: the small chunks at the end of a run came late).
 */
const MARGIN_MS = 3_000
/** Bytes per second before anything is known: wide area networks give 5 to 60 MB/s. */
const ASSUMED_RATE = 5_000_000
/** Bytes of the first chunk of a run that knows no rate: it finds one in a second or two. */
const FIRST_CHUNK_BYTES = 4_194_304
/** A transfer is begun when it would fit at two thirds of the rate: networks have bad minutes. */
const CAUTION = 1.5
/** Before so much has moved, what was seen is the socket's buffers, not the network. */
const MEASURED_BYTES_MIN = 1_048_576
const MEASURED_MS_MIN = 1_000

export class TimeBudget {
  /** Aborts with the job, and when the time of this run is used. */
  readonly signal: AbortSignal
  readonly #context: JobContext
  readonly #limits: Limits
  readonly #controller = new AbortController()
  readonly #timer = new AbortController()
  readonly #marginMs: number
  readonly #startedAt: number
  readonly #stopListening: () => void
  readonly #knownRate: number
  readonly #lanes: () => number
  #bytes = 0
  #over = false

  /** `knownRate`: bytes per second of the run before, 0 when there was none. `lanes`: transfers that share the line. */
  constructor(context: JobContext, knownRate: number, lanes: () => number) {
    this.#context = context
    this.#limits = context.limits
    this.#knownRate = knownRate
    this.#lanes = lanes
    this.signal = this.#controller.signal
    this.#marginMs = Math.min(MARGIN_MS, context.remainingMs() / 10)
    this.#startedAt = context.clock.now()
    this.#stopListening = onAbort(context.signal, (reason) => this.#controller.abort(reason))
    context.clock.sleep(Math.max(0, context.remainingMs() - this.#marginMs / 3), this.#timer.signal).then(() => {
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

  /** Bytes per second of all transfers together: of this run, else of the one before; 0 when nobody knows. */
  get rate(): number {
    const elapsed = this.#context.clock.now() - this.#startedAt
    const isMeasured = this.#bytes >= MEASURED_BYTES_MIN || (this.#bytes > 0 && elapsed >= MEASURED_MS_MIN)
    return isMeasured ? Math.ceil((this.#bytes / Math.max(elapsed, 1)) * 1_000) : this.#knownRate
  }

  /** Whether a transfer of this size would end in time. */
  fits(size: number): boolean {
    return size <= this.#fitting()
  }

  /**
   * Whether a blob that must go as a whole may be begun. The first of a run always may: what was seen before may have
   * been a bad hour.
   */
  mayStartWhole(size: number): boolean {
    return this.#leftMs() > 0 && (this.fits(size) || this.#bytes === 0)
  }

  /** Whether there is time for anything. */
  get isOpen(): boolean {
    return this.#leftMs() > 0
  }

  /**
   * How many of the `left` bytes of a blob to send in one request: all that is left when it fits, 0 when no chunk of at
   * least `min` bytes would end in time; one is always tried.
   */
  next(left: number, min: number, max: number): number {
    const leftMs = this.#leftMs()
    if (leftMs <= 0) return 0
    const fitting = this.#fitting()
    if (left <= fitting && left <= max) return left
    const least = Math.max(min, Math.min(this.#limits.uploadChunkBytesMin, max))
    const { rate } = this
    if (rate === 0) return Math.min(left, Math.max(least, Math.min(FIRST_CHUNK_BYTES, max)))
    const perChunk = (rate / this.#share()) * this.#limits.uploadChunkSeconds
    const wanted = Math.floor(Math.min(this.#limits.uploadChunkBytesMax, max, perChunk, fitting))
    if (wanted >= least) return Math.min(left, wanted)
    // The first of a run is tried whatever was seen before: a rate of a bad minute would forbid every chunk, and with none
    // there would never be another rate.
    const isFresh = this.#bytes === 0 && this.#context.clock.now() - this.#startedAt < leftMs
    return least <= fitting || isFresh ? Math.min(left, least) : 0
  }

  /** Stops the timer; must be called. */
  end(): void {
    this.#timer.abort()
    this.#stopListening()
  }

  /** Bytes one transfer moves in the time left, seen with caution. */
  #fitting(): number {
    const rate = this.rate || ASSUMED_RATE
    const usableMs = Math.max(0, this.#leftMs() - this.#marginMs / 3)
    return ((rate / this.#share()) * usableMs) / 1_000 / CAUTION
  }

  #share(): number {
    return Math.max(1, this.#lanes())
  }

  #leftMs(): number {
    return this.#context.remainingMs() - this.#marginMs
  }
}
