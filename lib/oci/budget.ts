/**
 * How often a registry may be asked, shared by every worker there is (invariant I7). One item per host holds
 *
 *   pausedUntil       after a 429: nobody asks before. Who opens a client reads it along with the registry object, then
 *                     every `registryBudgetRefreshMs`; a long pause parks the job, a short one is waited for
 *   slice, granted    when the registry object sets `requestsPerSecond`: time is cut into slices, a worker takes some of a
 *                     slice's permits by one conditional write and asks no more often than that. What a dead worker took
 *                     ends with the slice, so nothing has to be given back
 *
 * The counts decide nothing but the pace: when the store cannot be asked for the pause, requests go on; without permits
 * they wait.
 */
import type { Clock } from '../clock.ts'
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { abortReason } from '../net/failure.ts'
import { absent, all, any, eq, le, lt } from '../store/condition.ts'
import { type Change, type Condition, ConditionFailed, type Item, type Key, type Store } from '../store/port.ts'

/** The shortest slice: a write per second and worker is what a limit costs. */
const SLICE_MS = 1_000
/** Seconds an item is kept that nobody asks for any more. */
const KEPT_SECONDS = 172_800

export const budgetKey = (tenant: string, host: string): Key => ({ pk: `B#${tenant}`, sk: host })

export interface HostBudget {
  /**
   * Resolves when one request may be sent. Throws `registry-throttled` with `retryAfterMs` when that is too far away to
   * hold a worker for it, and the caller's reason when it aborts.
   */
  take(signal?: AbortSignal): Promise<void>
  /** The registry said 429, and how long to wait, if it said that. Never throws. */
  throttled(retryAfterMs: number | undefined): Promise<void>
}

export interface BudgetOptions {
  key: Key
  store: Store
  clock: Clock
  limits: Limits
}

/** The budget of one host as one process sees it; kept from run to run, so that a warm worker does not read it anew. */
export class FleetBudget implements HostBudget {
  readonly #options: BudgetOptions
  readonly #host: string
  #requestsPerSecond: number | undefined
  #seenAt = Number.NEGATIVE_INFINITY
  #pausedUntil = 0
  /** Permits of the slice that began then. */
  #slice = 0
  #permits = 0
  #taken = 0
  /** All its permits are taken. */
  #fullSlice = 0
  /** What was used in the slice before this one: the first guess of what this one needs. */
  #usedBefore = 0
  #used = 0
  #waiting = 0
  #asking: Promise<number> | undefined
  #reading: Promise<void> | undefined

  constructor(options: BudgetOptions) {
    this.#options = options
    this.#host = options.key.sk
  }

  /** What the registry object says. */
  limit(requestsPerSecond: number | undefined): void {
    this.#requestsPerSecond = requestsPerSecond
  }

  /** The item, as somebody read it just now. */
  see(item: Item | undefined): void {
    this.#seenAt = this.#options.clock.now()
    const until = item?.pausedUntil
    if (typeof until === 'number') this.#pausedUntil = Math.max(this.#pausedUntil, this.#bounded(until))
  }

  async take(signal?: AbortSignal): Promise<void> {
    const { clock, limits } = this.#options
    const startedAt = clock.now()
    for (;;) {
      if (signal?.aborted) throw abortReason(signal)
      if (clock.now() - this.#seenAt >= limits.registryBudgetRefreshMs) await this.#read()
      const pauseMs = this.#pausedUntil - clock.now()
      if (pauseMs > limits.registryThrottleWaitMs)
        throw this.#parked(pauseMs, `asked for a pause, which lasts until ${new Date(this.#pausedUntil).toISOString()}`)
      if (pauseMs > 0) {
        await clock.sleep(pauseMs, signal)
        continue
      }
      if (this.#requestsPerSecond === undefined) return
      const waitMs = await this.#permit()
      if (waitMs === 0) return
      if (clock.now() - startedAt + waitMs > limits.registryBudgetWaitMs)
        throw this.#parked(
          limits.registryPauseSeconds * 1000,
          `may be asked ${this.#requestsPerSecond} times a second, and other jobs are before this one`,
        )
      await clock.sleep(waitMs, signal)
    }
  }

  async throttled(retryAfterMs: number | undefined): Promise<void> {
    const { store, key, clock, limits } = this.#options
    const pauseMs = Math.min(
      retryAfterMs ?? limits.registryPauseSeconds * 1000,
      limits.registryRetryAfterSecondsMax * 1000,
    )
    const pausedUntil = clock.now() + pauseMs
    this.#pausedUntil = Math.max(this.#pausedUntil, pausedUntil)
    // A pause that is waited for in place is over before others would read of it.
    if (pauseMs <= limits.registryThrottleWaitMs) return
    const shorter = any(absent('pausedUntil'), lt('pausedUntil', pausedUntil))
    // Refused: somebody was told to wait longer. Failed: this worker keeps the pause, the others hear it from the registry.
    await store.update(key, { set: { pausedUntil, expires: this.#expires() } }, shorter).catch(() => undefined)
  }

  /** A pause that another version or a wrong clock wrote is believed up to the longest there is. */
  #bounded(until: number): number {
    const { clock, limits } = this.#options
    return Math.min(until, clock.now() + limits.registryRetryAfterSecondsMax * 1000)
  }

  #parked(retryAfterMs: number, why: string): LongshoreError {
    return new LongshoreError('registry-throttled', `${this.#host} ${why}; the job goes on then`, { retryAfterMs })
  }

  #expires = (): number => Math.ceil(Math.max(this.#pausedUntil, this.#options.clock.now()) / 1000) + KEPT_SECONDS

  /** One read for all who ask at the same time; a store that does not answer is asked again at the next refresh. */
  #read(): Promise<void> {
    const { store, key, clock } = this.#options
    this.#reading ??= store
      .get(key)
      .then((item) => this.see(item))
      .catch(() => {
        this.#seenAt = clock.now()
      })
      .finally(() => {
        this.#reading = undefined
      })
    return this.#reading
  }

  /** 0: there is one. Otherwise milliseconds until it is worth asking again. */
  async #permit(): Promise<number> {
    this.#waiting++
    try {
      for (;;) {
        this.#turn()
        if (this.#permits > 0) {
          this.#permits--
          this.#used++
          return 0
        }
        if (!this.#asking) {
          this.#asking = this.#lease().finally(() => {
            this.#asking = undefined
          })
        }
        const waitMs = await this.#asking
        if (waitMs > 0) return waitMs
      }
    } finally {
      this.#waiting--
    }
  }

  /** Permits are of their slice: those of a past one are gone. */
  #turn(): void {
    const { start, sliceMs } = this.#now()
    if (this.#slice >= start) return
    this.#usedBefore = this.#slice === start - sliceMs ? this.#used : 0
    this.#slice = start
    this.#permits = 0
    this.#taken = 0
    this.#used = 0
  }

  #now(): { start: number; sliceMs: number; capacity: number } {
    const perSecond = this.#requestsPerSecond ?? 1
    const sliceMs = Math.max(SLICE_MS, Math.ceil(1_000 / perSecond))
    const now = this.#options.clock.now()
    return { start: now - (now % sliceMs), sliceMs, capacity: Math.max(1, Math.floor((perSecond * sliceMs) / 1_000)) }
  }

  /** Takes permits of the slice that is now: as many as the last one needed, twice as many each time that was too few. */
  async #lease(): Promise<number> {
    const { clock } = this.#options
    const { start, sliceMs, capacity } = this.#now()
    const nextSlice = () => Math.max(1, start + sliceMs - clock.now())
    // Known to be empty: nothing is asked until the next one.
    if (this.#fullSlice === start || this.#taken >= capacity) return nextSlice()
    const wanted = Math.min(
      capacity - this.#taken,
      Math.max(this.#waiting, this.#usedBefore - this.#taken, this.#taken, 1),
    )
    try {
      const fresh: Change = { set: { slice: start, granted: wanted, expires: this.#expires() } }
      const none = any(absent('slice'), lt('slice', start))
      if (this.#taken === 0 && (await this.#write(fresh, none))) return this.#granted(start, wanted)
      const joined: Change = { add: { granted: wanted } }
      if (await this.#write(joined, all(eq('slice', start), le('granted', capacity - wanted))))
        return this.#granted(start, wanted)
      const seen = await this.#options.store.get(this.#options.key)
      this.see(seen)
      const slice = Number(seen?.slice ?? 0)
      // A clock before ours has opened the next one.
      if (slice > start) return Math.max(1, Math.min(slice - clock.now(), sliceMs))
      const left = slice === start ? Math.min(wanted, capacity - Number(seen?.granted ?? 0)) : 0
      if (left <= 0) {
        this.#fullSlice = start
        return nextSlice()
      }
      const rest = all(eq('slice', start), eq('granted', Number(seen?.granted)))
      if (await this.#write({ add: { granted: left } }, rest)) return this.#granted(start, left)
      return nextSlice()
    } catch {
      // The store is down or busy: no permits from it now.
      return nextSlice()
    }
  }

  #granted(slice: number, count: number): number {
    this.#turn()
    // The answer came when its slice was over: those permits are gone, and it is asked anew.
    if (this.#slice !== slice) return 0
    this.#permits += count
    this.#taken += count
    return 0
  }

  async #write(change: Change, when: Condition): Promise<boolean> {
    try {
      this.see(await this.#options.store.update(this.#options.key, change, when))
      return true
    } catch (thrown) {
      if (thrown instanceof ConditionFailed) return false
      throw thrown
    }
  }
}
