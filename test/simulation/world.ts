/**
 * A seeded world in virtual time. The production handlers run in it unchanged; at every call of a port it may crash the
 * function before or after the effect, lose the answer, fail, throttle, delay, or let the request land after its sender
 * has died. The same script gives the same history.
 */
import { memoryBlobs } from '../../lib/blobs/memory.ts'
import type { BlobStore } from '../../lib/blobs/port.ts'
import type { Random } from '../../lib/clock.ts'
import { defaultLimits, type Limits } from '../../lib/config.ts'
import { type ErrorCode, LongshoreError } from '../../lib/errors.ts'
import type { DomainEvent } from '../../lib/events/port.ts'
import { type Environment, type Invocation, type JobTypes, silentLog } from '../../lib/job/environment.ts'
import type { OpenRegistry } from '../../lib/oci/types.ts'
import { memoryQueue } from '../../lib/queue/memory.ts'
import type { Message, QueueConsumer, QueueDepth } from '../../lib/queue/port.ts'
import type { Item } from '../../lib/store/port.ts'
import { Chance } from './chance.ts'
import { Running } from './running.ts'
import { EFFORT, type Fault, type Script } from './script.ts'
import { SimulatedStore } from './store.ts'
import { StorePort } from './store-port.ts'
import { type Happening, Timeline } from './timeline.ts'

export const START = Date.UTC(2026, 10, 22, 12)

export type Role = 'api' | 'work' | 'sweep' | 'schedule' | 'dead-letter' | 'fan-out' | 'redrive'

/** One run of a function. */
export interface Instance {
  role: Role
  number: number
  startedAt: number
  dead: boolean
  skewMs: number
  /** Jobs and executions it has claimed, with the fence it got. */
  holds: Map<string, number>
  /** Messages it has sent. */
  sent: number
  /** Messages that it has brought into a queue, less those it has taken from one: not negative when it moves them. */
  moved: number
  /** For whom it works, where it answers somebody. */
  principal: string | undefined
  invocation: Invocation
  env: Environment
  /** Called once when it dies. */
  onDeath: () => void
  /** Goes on with it, unless it is dead; later, while it is frozen. */
  wake: (run: () => void) => void
  /** It has come to its end by itself. */
  end: () => void
}

/** What looks at every effect. `seen` is called in the step in which an item changes. */
export interface Watch {
  seen(instance: Instance, before: Item | undefined, after: Item | undefined): void
  sent(instance: Instance, queue: string, messages: Message[]): void
  landed(queue: string, messages: Message[]): void
  announced(events: DomainEvent[]): void
  died(instance: Instance): void
  removed(instance: Instance): void
}

/** What a dead function waits for. One of its own: a shared one would keep whatever ever waited for it. */
export const never = (): Promise<never> => new Promise(() => {})

export class World {
  readonly chance: Chance
  readonly script: Script
  readonly store: SimulatedStore
  readonly blobs = memoryBlobs()
  readonly timeline = new Timeline()
  readonly limits: Limits
  readonly visibilityMs: number
  readonly alive = new Set<Instance>()
  readonly watch: Watch
  readonly trace: ((line: string) => void) | undefined
  queue: ReturnType<typeof memoryQueue>
  now = START
  calls = 0
  faults = 0
  /** When something last went wrong that is not the protocol's doing. */
  troubleAt = 0
  calm = false
  bootedAt = 0
  /** Called when a message has reached a queue. */
  onMessage: (queue: string, delayMs: number) => void = () => {}
  /** Called when a call meets a fault that takes so long. */
  onFault: (ms: number) => void = () => {}
  readonly #types: JobTypes
  readonly #registry: OpenRegistry
  readonly #random: Random
  /** Leases may end before their runs do. */
  readonly #limitsOfChaos: Limits
  #instances = 0
  #nextFault = 0
  #untilFault: number

  constructor(
    script: Script,
    options: { types: JobTypes; registry: OpenRegistry; watch: Watch; trace?: (line: string) => void },
  ) {
    this.script = script
    this.chance = new Chance(script.seed ^ 0x5eed)
    this.#types = options.types
    this.#registry = options.registry
    this.watch = options.watch
    this.trace = options.trace
    this.#untilFault = script.faults[0]?.after ?? Number.POSITIVE_INFINITY
    const { lagMs, narrow, earlyMs, stopPollMs, deadLettersMax, leaseMarginSeconds } = script.platform
    const { fanOutPageItems, maxAttempts, hopsMax, tickSeconds } = script.platform
    this.limits = {
      ...defaultLimits,
      stopPollMs,
      deadLettersMax,
      leaseMarginSeconds,
      fanOutPageItems,
      maxAttempts,
      hopsMax,
      tickSeconds,
    }
    this.#limitsOfChaos =
      earlyMs > 0 ? { ...this.limits, leaseMarginSeconds: leaseMarginSeconds - earlyMs / 1000 } : this.limits
    this.visibilityMs = script.platform.visibilityMs
    this.#random = {
      next: () => this.chance.next(),
      bytes: (count) => {
        const bytes = this.chance.bytes(count)
        if (narrow) bytes[count - 1] = 0
        return bytes
      },
    }
    this.store = new SimulatedStore({
      now: () => this.now,
      lagMs: () => (lagMs > 0 && !this.calm ? this.chance.integer(0, lagMs) : 0),
      shared: true,
    })
    this.queue = this.#emptyQueue()
  }

  #emptyQueue(): ReturnType<typeof memoryQueue> {
    return memoryQueue({
      clock: { now: () => this.now, sleep: async () => {} },
      visibilityTimeoutSeconds: this.visibilityMs / 1000,
      maxReceiveCount: this.script.platform.maxReceives,
      faults: { random: this.chance, duplicates: this.script.platform.duplicates, reorder: true },
    })
  }

  at(delayMs: number, run: () => void): Happening {
    return this.timeline.add(this.now + Math.max(0, Math.ceil(delayMs)), run)
  }

  /** A function begins: its own clock, its own ports, killed at its time limit. */
  begin(role: Role, timeoutMs: number): Instance {
    const { platform } = this.script
    const instance = new Running(this, role, ++this.#instances, timeoutMs)
    const frozen = !this.calm && platform.frozen > 0 && this.chance.chance(platform.frozen)
    if (frozen) {
      instance.freezeAt = this.now + this.chance.integer(0, 20_000)
      instance.thawAt = instance.freezeAt + timeoutMs + this.chance.integer(0, timeoutMs)
      if (role !== 'work') this.troubleAt = instance.thawAt
    }
    instance.killer = this.at(frozen ? instance.thawAt - this.now + 30_000 : timeoutMs, () => this.kill(instance))
    instance.env = this.#environment(instance)
    this.alive.add(instance)
    return instance
  }

  kill(instance: Instance): void {
    if (instance.dead) return
    this.trace?.(`${this.#when()} ${instance.role}-${instance.number} is killed`)
    this.watch.died(instance)
    instance.end()
    instance.onDeath()
  }

  /** The machine goes down and up again. */
  restart(queues: 'kept' | 'lost'): void {
    for (const instance of [...this.alive]) this.kill(instance)
    this.trace?.(`${this.#when()} restart, queues ${queues}`)
    if (queues === 'lost') this.queue = this.#emptyQueue()
    this.bootedAt = this.now
    this.troubleAt = this.now
  }

  /** From now on nothing goes wrong any more. */
  becomeCalm(): void {
    this.calm = true
    this.#untilFault = Number.POSITIVE_INFINITY
  }

  #environment(instance: Running): Environment {
    return {
      store: new StorePort(this, instance),
      queue: {
        send: (name, messages) => {
          instance.sent += messages.length
          this.watch.sent(instance, name, messages)
          const send = async () => {
            await this.queue.send(name, messages)
            instance.moved += messages.length
            this.watch.landed(name, messages)
            for (const message of messages) this.onMessage(name, (message.delaySeconds ?? 0) * 1000)
          }
          return this.call(instance, EFFORT.change, 'queue-unavailable', `send ${name}`, messages, send)
        },
        depth: (name) =>
          this.call(instance, EFFORT.look, 'queue-unavailable', `depth ${name}`, undefined, () => this.#depth(name)),
      },
      blobs: this.#blobs(instance),
      events: {
        put: (events) =>
          this.call(instance, EFFORT.change, 'queue-unavailable', 'events.put', events, async () => {
            this.watch.announced(events)
          }),
      },
      clock: instance.clock,
      random: this.#random,
      limits: this.calm ? this.limits : this.#limitsOfChaos,
      types: this.#types,
      log: silentLog,
      registries: () => this.#registryOf(instance),
      workersDeadBefore: this.bootedAt,
    }
  }

  /** The queues as whoever moves messages by hand reaches them. */
  consumer(instance: Instance): QueueConsumer {
    const removed = new Set<string>()
    const through = <T>(what: string, effect: () => Promise<T>) =>
      this.call(instance, EFFORT.change, 'queue-unavailable', what, undefined, effect)
    return {
      receive: (name, options) => through(`receive ${name}`, () => this.queue.receive(name, options)),
      remove: (name, receipt) =>
        through(`remove ${name}`, async () => {
          await this.queue.remove(name, receipt)
          // A request that the SDK repeats takes nothing more away.
          if (!removed.has(receipt)) instance.moved--
          removed.add(receipt)
          this.watch.removed(instance)
        }),
      giveBack: (name, receipt, afterSeconds) =>
        through(`give back ${name}`, () => this.queue.giveBack(name, receipt, afterSeconds)),
    }
  }

  async #depth(name: string): Promise<QueueDepth> {
    const { staleDepth } = this.script.platform
    if (staleDepth > 0 && !this.calm && this.chance.chance(staleDepth)) return { waiting: 0, inFlight: 0, delayed: 0 }
    return await this.queue.depth(name)
  }

  #blobs(instance: Instance): BlobStore {
    const { blobs } = this
    const through = <T>(what: string, effect: () => Promise<T>) =>
      this.call(instance, EFFORT.change / 2, 'store-unavailable', what, undefined, effect)
    return {
      get: (key) => through(`blob get ${key}`, () => blobs.get(key)),
      getRange: (key, offset, length) => through(`blob get ${key}`, () => blobs.getRange(key, offset, length)),
      put: (key, content) => through(`blob put ${key}`, () => blobs.put(key, content)),
      list: (prefix) => through(`blob list ${prefix}`, () => blobs.list(prefix)),
      delete: (key) => through(`blob delete ${key}`, () => blobs.delete(key)),
    }
  }

  #registryOf(instance: Instance): OpenRegistry {
    return async (host) => {
      const client = await this.#registry(host)
      const through = <T>(what: string, effect: () => Promise<T>) =>
        this.call(instance, EFFORT.change / 2, 'registry-unavailable', what, undefined, effect)
      return {
        ...client,
        resolve: (repository, reference, options) =>
          through(`resolve ${repository}:${reference}`, () => client.resolve(repository, reference, options)),
        tags: (repository, options) => through(`tags ${repository}`, () => client.tags(repository, options)),
        repositories: (options) => through('repositories', () => client.repositories(options)),
      }
    }
  }

  /** Whether this call of a port just works, unseen. Counts it. */
  passes(instance: Instance, effort: number): boolean {
    if (instance.dead) return false
    this.calls++
    this.#untilFault -= effort
    return this.#untilFault > 0 && !this.trace
  }

  /** One call of a port: mostly it just works. */
  call<T>(
    instance: Instance,
    effort: number,
    unavailable: ErrorCode,
    what: string,
    details: unknown,
    effect: () => Promise<T>,
  ): Promise<T> {
    if (this.passes(instance, effort)) return effect()
    return this.retell(instance, what, details, effect, unavailable)
  }

  /** A call that was counted and does not just pass: its sender is dead, it meets a fault, or it is traced. */
  retell<T>(
    instance: Instance,
    what: string,
    details: unknown,
    effect: () => Promise<T>,
    unavailable: ErrorCode = 'store-unavailable',
  ): Promise<T> {
    if (instance.dead) return never()
    const fault = this.script.faults[this.#nextFault]
    if (this.#untilFault > 0 || !fault || !isMet(fault, instance, what)) {
      if (this.trace) this.#tell(instance, what, details, undefined)
      return effect()
    }
    this.#nextFault++
    this.#untilFault = this.script.faults[this.#nextFault]?.after ?? Number.POSITIVE_INFINITY
    this.faults++
    this.troubleAt = this.now
    if (this.trace) this.#tell(instance, what, details, fault)
    if (fault.kind === 'slow' || fault.kind === 'repeated') this.onFault(fault.ms)
    return this.#faulty(instance, unavailable, effect, fault)
  }

  #faulty<T>(instance: Instance, unavailable: ErrorCode, effect: () => Promise<T>, { kind, ms }: Fault): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const later = (delayMs: number, run: () => void) => this.at(delayMs, () => instance.wake(run))
      const answer = (result: Promise<T>, delayMs: number) =>
        result.then(
          (value) => later(delayMs, () => resolve(value)),
          (error) => later(delayMs, () => reject(error)),
        )
      const fail = (code: ErrorCode) => later(Math.min(ms, 3_000), () => reject(new LongshoreError(code, 'simulated')))
      const unheard = () => effect().catch(() => undefined)
      switch (kind) {
        case 'crashBefore':
          return this.kill(instance)
        case 'crashAfter':
          void unheard()
          return this.kill(instance)
        case 'crashLate':
          this.at(ms, unheard)
          return this.kill(instance)
        case 'lostAnswer':
          void unheard()
          return void fail(unavailable)
        case 'failed':
          return void fail(unavailable)
        case 'throttled':
          return void fail(THROTTLED[unavailable] ?? unavailable)
        case 'repeated':
          void unheard()
          return void this.at(Math.min(ms, 2_000), () => void answer(effect(), 1))
        case 'slow':
          return void this.at(ms, () => void answer(effect(), Math.floor(ms / 4)))
      }
    })
  }

  #when(): string {
    return `${((this.now - START) / 1000).toFixed(3).padStart(10)}s`
  }

  #tell(instance: Instance, what: string, details: unknown, fault: Fault | undefined): void {
    const shown = details === undefined ? '' : ` ${JSON.stringify(details)}`
    const met = fault ? `   <-- ${fault.kind} ${fault.ms} ms` : ''
    this.trace?.(`${this.#when()} ${instance.role}-${instance.number} ${what}${shown}${met}`)
  }
}

const isMet = ({ role, on }: Fault, instance: Instance, what: string): boolean =>
  role === undefined || (role === instance.role && (on ? what === on : /^(put|update|send|remove|events)/.test(what)))

const THROTTLED: { [code in ErrorCode]?: ErrorCode } = {
  'store-unavailable': 'store-throttled',
  'registry-unavailable': 'registry-throttled',
}
