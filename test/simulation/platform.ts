/** What calls the functions: event sources of the queues, the minute ticks, and a machine that may go down. */
import type { SQSEvent } from 'aws-lambda'
import { consume } from '../../lib/consume.ts'
import { handleDeadLetter } from '../../lib/job/dead-letter.ts'
import { sweepExecutions } from '../../lib/job/execution-sweep.ts'
import { fanOut } from '../../lib/job/fan-out.ts'
import { sweep } from '../../lib/job/sweep.ts'
import type { Verdict } from '../../lib/job/verdict.ts'
import { work } from '../../lib/job/work.ts'
import { deadLetterQueueOf } from '../../lib/queue/names.ts'
import { fireDue } from '../../lib/schedule/due.ts'
import type { Witness } from './witness.ts'
import type { Instance, Role, World } from './world.ts'

const MINUTE = 60_000

interface Message {
  messageId: string
  body: string
}

interface Source {
  queue: string
  role: Role
  timeoutMs: number
  batch: number
  pool: number
  running: number
  handle: (message: Message, instance: Instance) => Promise<Verdict>
}

class Platform {
  readonly #world: World
  readonly #witness: Witness
  readonly #sources = new Map<string, Source>()

  constructor(world: World, witness: Witness) {
    this.#world = world
    this.#witness = witness
    const { timeoutMs, pool, batch } = world.script.platform
    const source = (queue: string, role: Role, ms: number, size: number, handle: Source['handle']) =>
      this.#sources.set(queue, { queue, role, timeoutMs: ms, batch: size, pool, running: 0, handle })
    const worker: Source['handle'] = (message, { env, invocation }) => work(message, env, invocation)
    source('probe', 'work', timeoutMs, 1, worker)
    source('probe-bulk', 'work', timeoutMs, batch, worker)
    source('fan-out', 'fan-out', 20_000, 1, ({ body }, { env, invocation }) => fanOut(body, env, invocation))
    const letters: Source['handle'] = ({ body }, { env }) => handleDeadLetter(body, env)
    source('probe-dlq', 'dead-letter', MINUTE, 2, letters)
    source('fan-out-dlq', 'dead-letter', MINUTE, 2, letters)
    world.onMessage = (queue, delayMs) => this.#pollIn(queue, delayMs)
    world.at(world.chance.integer(0, MINUTE), () => this.#tick())
  }

  #pollIn(queue: string, delayMs: number): void {
    this.#world.at(delayMs + this.#world.chance.integer(10, 500), () => void this.#poll(this.#sources.get(queue)!))
  }

  /** Takes what there is, gives it to a function, and acknowledges what it says. */
  async #poll(source: Source): Promise<void> {
    const world = this.#world
    if (source.running >= source.pool) return
    const { queue } = world
    const messages = await queue.receive(source.queue, { max: source.batch, waitSeconds: 0 })
    const letters = deadLetterQueueOf(source.queue)
    if (letters && (messages.length === 0 || messages.some(({ receiveCount }) => receiveCount > 1))) {
      const { waiting } = await queue.depth(letters)
      if (waiting > 0) this.#pollIn(letters, world.chance.integer(0, MINUTE))
    }
    if (messages.length === 0) return
    // Whatever is not acknowledged comes again.
    this.#pollIn(source.queue, world.visibilityMs)
    source.running++
    if (source.running < source.pool) this.#pollIn(source.queue, 0)
    const instance = world.begin(source.role, source.timeoutMs)
    const over = () => {
      source.running--
      this.#pollIn(source.queue, 0)
    }
    instance.onDeath = over
    // The function dies before its first line: out of memory, a broken deployment.
    if (!world.calm && world.chance.chance(world.script.platform.stillborn)) return world.kill(instance)
    const { batchItemFailures } = await consume({ Records: messages } as unknown as SQSEvent, (message) =>
      this.#witness.handled(instance, message, () => source.handle(message, instance)),
    )
    if (instance.dead) return
    instance.end()
    const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier))
    for (const { messageId, receipt } of messages) if (!failed.has(messageId)) await queue.remove(source.queue, receipt)
    over()
  }

  /**
   * Every minute, as far as the world can tell the difference: a minute in which no record can have anything for the
   * ticks is mostly passed over, which is a history like any other, and one that costs nothing.
   */
  #tick(): void {
    const world = this.#world
    const { missedTicks, doubledTicks, skewMs, tickSeconds } = world.script.platform
    const wakeAt = this.#witness.wakeAt() - 2 * skewMs
    if (wakeAt <= world.now || (!world.calm && world.chance.chance(tickSeconds < 60 ? 1 : 0.1))) {
      const missed = !world.calm && world.chance.chance(missedTicks)
      if (missed) world.troubleAt = world.now
      else this.#minute()
      if (!missed && !world.calm && world.chance.chance(doubledTicks)) this.#minute()
    }
    const next = Math.min(wakeAt, world.timeline.peek() ?? wakeAt)
    const everyMs = world.calm ? MINUTE : tickSeconds * 1000
    const ticks = Math.min(600, Math.max(1, Math.ceil((next - world.now) / everyMs)))
    world.at(ticks * everyMs, () => this.#tick())
  }

  #minute(): void {
    const world = this.#world
    const run = (role: Role, handler: (instance: Instance) => Promise<unknown>) => {
      const instance = world.begin(role, MINUTE)
      handler(instance).then(
        () => instance.end(),
        () => instance.end(),
      )
    }
    run('sweep', async ({ env }) => {
      await sweep(env)
      await sweepExecutions(env)
    })
    if (this.#witness.policies.size > 0) run('schedule', ({ env }) => fireDue(env))
  }
}

/** From now on messages are delivered and ticks come. */
export function startPlatform(world: World, witness: Witness): void {
  new Platform(world, witness)
}
