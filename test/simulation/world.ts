/**
 * A seeded world in virtual time. The production handlers run in it unchanged; at every call of a port it may crash the
 * function before or after the effect, lose the answer, fail, throttle, delay, or let the request land after its sender
 * has died. The same seed gives the same history.
 */
import { memoryBlobs } from '../../lib/blobs/memory.ts'
import type { Clock, Random } from '../../lib/clock.ts'
import { defaultLimits } from '../../lib/config.ts'
import { LongshoreError } from '../../lib/errors.ts'
import type { DomainEvent } from '../../lib/events/port.ts'
import { type Environment, type Invocation, type JobTypes, silentLog } from '../../lib/job/environment.ts'
import type { OpenRegistry } from '../../lib/oci/types.ts'
import { memoryQueue } from '../../lib/queue/memory.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import type { Store } from '../../lib/store/port.ts'
import { seededRandom } from '../job/world.ts'

export const START = Date.UTC(2026, 10, 22, 12)
/** Clocks of functions differ by at most this, half of the lease's margin each way. */
const SKEW_MS = 5_000
/** A request that was sent before its sender died lands at most this much later. */
const LATE_MS = 5_000

export interface Instance {
  dead: boolean
  /** Goes on with it, unless it is dead; later, while it is frozen. */
  wake: (run: () => void) => void
  skewMs: number
  invocation: Invocation
  env: Environment
  /** Called once when it dies. */
  onDeath: () => void
}

interface Happening {
  at: number
  order: number
  run: () => void
}

export interface Chaos {
  /** Probability of a fault per port call while there is chaos. */
  faults: number
  /** How many functions may be crashed in all. */
  crashes: number
}

export class SimulatedWorld {
  readonly random: Random
  readonly store: Store
  readonly queue: ReturnType<typeof memoryQueue>
  readonly blobs = memoryBlobs()
  readonly events: DomainEvent[] = []
  readonly #happenings: Happening[] = []
  readonly #types: JobTypes
  readonly #registry: OpenRegistry
  now = START
  calls = 0
  chaos: Chaos
  #order = 0
  #requests = 0

  constructor(
    seed: number,
    options: { types: JobTypes; registry: OpenRegistry; chaos: Chaos; watch: (store: Store) => Store },
  ) {
    this.random = seededRandom(seed)
    this.chaos = options.chaos
    this.#types = options.types
    this.#registry = options.registry
    this.store = options.watch(memoryStore())
    this.queue = memoryQueue({
      clock: { now: () => this.now, sleep: async () => {} },
      visibilityTimeoutSeconds: 1_800,
      faults: { random: this.random, duplicates: 0.05, reorder: true },
    })
  }

  chance(probability: number): boolean {
    return this.random.next() < probability
  }

  integer(from: number, to: number): number {
    return from + Math.floor(this.random.next() * (to - from + 1))
  }

  pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.random.next() * values.length)] as T
  }

  at(delayMs: number, run: () => void): void {
    const happening = { at: this.now + Math.max(0, delayMs), order: this.#order++, run }
    let index = this.#happenings.length
    while (index > 0 && before(happening, this.#happenings[index - 1]!)) index--
    this.#happenings.splice(index, 0, happening)
  }

  /** Runs what is due until the time is over or nothing is left. */
  async runUntil(time: number): Promise<void> {
    for (;;) {
      await settle()
      const next = this.#happenings.at(-1)
      if (!next || next.at > time) break
      this.#happenings.pop()
      this.now = Math.max(this.now, next.at)
      next.run()
    }
    this.now = Math.max(this.now, time)
  }

  /** A function begins: its own clock, its own ports, killed at its time limit. */
  begin(timeoutMs: number): Instance {
    const endsAt = this.now + timeoutMs
    // A zombie: frozen for longer than its lease lives, then going on as if nothing had happened.
    const frozen = this.chaos.faults > 0 && this.chance(0.2)
    const freezeAt = this.now + this.integer(0, 20_000)
    const thawAt = frozen ? freezeAt + timeoutMs + this.integer(0, timeoutMs) : freezeAt
    const instance: Instance = {
      dead: false,
      wake: (run) => {
        if (instance.dead) return
        if (this.now < freezeAt || this.now >= thawAt) run()
        else this.at(thawAt - this.now + this.integer(0, 50), () => instance.wake(run))
      },
      skewMs: this.integer(-SKEW_MS, SKEW_MS),
      onDeath: () => {},
      invocation: {
        requestId: `request-${++this.#requests}`,
        remainingMs: () => endsAt - this.now,
        timeoutMs,
        stopFlags: new Map(),
      },
      env: undefined as never,
    }
    instance.env = this.#environment(instance)
    this.at(frozen ? thawAt - this.now + 30_000 : timeoutMs, () => this.kill(instance))
    return instance
  }

  kill(instance: Instance): void {
    if (instance.dead) return
    instance.dead = true
    instance.onDeath()
  }

  #environment(instance: Instance): Environment {
    const call = <T>(effect: () => Promise<T>, errors: { unavailable: 'store-unavailable' | 'queue-unavailable' }) =>
      this.#call(instance, effect, errors.unavailable)
    const clock: Clock = {
      now: () => this.now + instance.skewMs,
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted) return resolve()
          const wake = () => {
            signal?.removeEventListener('abort', wake)
            instance.wake(resolve)
          }
          signal?.addEventListener('abort', wake, { once: true })
          this.at(ms, wake)
        }),
    }
    const stores = { unavailable: 'store-unavailable' } as const
    const queues = { unavailable: 'queue-unavailable' } as const
    const { store, queue, blobs } = this
    return {
      store: {
        get: (key) => call(() => store.get(key), stores),
        getMany: (keys) => call(() => store.getMany(keys), stores),
        put: (item, condition) => call(() => store.put(item, condition), stores),
        update: (key, change, condition) => call(() => store.update(key, change, condition), stores),
        delete: (key, condition) => call(() => store.delete(key, condition), stores),
        query: (query) => call(() => store.query(query), stores),
        count: (query) => call(() => store.count(query), stores),
      },
      queue: {
        send: (name, messages) => call(() => queue.send(name, messages), queues),
        depth: (name) => call(() => queue.depth(name), queues),
      },
      blobs,
      events: {
        put: (events) =>
          call(async () => {
            this.events.push(...events)
          }, queues),
      },
      clock,
      random: this.random,
      limits: { ...defaultLimits, stopPollMs: this.random.next() < 0.5 ? 60_000 : 3_600_000, leaseMarginSeconds: 10 },
      types: this.#types,
      log: silentLog,
      registries: () => this.#registry,
      workersDeadBefore: 0,
    }
  }

  /** One call of a port: mostly it just works, at once or a little later. */
  #call<T>(
    instance: Instance,
    effect: () => Promise<T>,
    unavailable: 'store-unavailable' | 'queue-unavailable',
  ): Promise<T> {
    this.calls++
    if (instance.dead) return new Promise(() => {})
    if (!this.chance(this.chaos.faults)) return effect()
    return new Promise<T>((resolve, reject) => {
      const later = (ms: number, run: () => void) => this.at(ms, () => instance.wake(run))
      const settleWith = (result: Promise<T>, ms: number) =>
        result.then(
          (value) => later(ms, () => resolve(value)),
          (error) => later(ms, () => reject(error)),
        )
      const down = () => reject(new LongshoreError(unavailable, 'simulated'))
      const crash = () => {
        if (this.chaos.crashes <= 0) return false
        this.chaos.crashes--
        return true
      }
      switch (this.integer(0, 7)) {
        case 0: // killed before the request left
          if (!crash()) return later(1, down)
          return this.kill(instance)
        case 1: // killed after it was applied
          if (!crash()) return void settleWith(effect(), 1)
          void effect().catch(() => {})
          return this.kill(instance)
        case 2: // killed while it was on its way: it lands late
          if (!crash()) return void settleWith(effect(), 1)
          this.at(this.integer(1, LATE_MS), () => void effect().catch(() => {}))
          return this.kill(instance)
        case 3: // applied, but the answer is lost
          return void effect()
            .catch(() => {})
            .then(() => later(this.integer(1, 3_000), down))
        case 4: // never arrived
          return later(this.integer(1, 3_000), down)
        case 5: // limited
          return later(1, () =>
            reject(
              unavailable === 'store-unavailable'
                ? new LongshoreError('store-throttled', 'simulated')
                : new LongshoreError(unavailable, 'simulated'),
            ),
          )
        case 6: // applied, and repeated by the SDK because the first answer was lost
          return void effect()
            .catch(() => {})
            .then(() => settleWith(effect(), this.integer(1, 2_000)))
        default: // slow
          return later(this.integer(1, 20_000), () => void settleWith(effect(), this.integer(0, 5_000)))
      }
    })
  }
}

/** The list is kept latest first, so that the next one is popped from its end. */
const before = (a: Happening, b: Happening): boolean => a.at > b.at || (a.at === b.at && a.order > b.order)

/** What a resolved call sets off is done after a few turns of the microtask queue. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 24; turn++) await undefined
}
