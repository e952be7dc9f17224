/** A function while it runs: its clock, its time limit, and whether it stands still for a while. */
import type { Clock } from '../../lib/clock.ts'
import type { Environment, Invocation } from '../../lib/job/environment.ts'
import type { Happening } from './timeline.ts'
import { type Instance, never, type Role, type World } from './world.ts'

export class Running implements Instance {
  readonly world: World
  readonly role: Role
  readonly number: number
  readonly startedAt: number
  readonly skewMs: number
  readonly holds = new Map<string, number>()
  readonly invocation: Invocation
  readonly clock: Clock
  dead = false
  sent = 0
  moved = 0
  principal: string | undefined
  freezeAt = 0
  thawAt = 0
  killer: Happening | undefined
  env: Environment = undefined as never
  onDeath: () => void = () => {}

  constructor(world: World, role: Role, number: number, timeoutMs: number) {
    this.world = world
    this.role = role
    this.number = number
    this.startedAt = world.now
    const { skewMs } = world.script.platform
    this.skewMs = skewMs === 0 ? 0 : world.chance.integer(-skewMs, skewMs)
    const endsAt = world.now + timeoutMs
    this.invocation = {
      requestId: `request-${number}`,
      remainingMs: () => endsAt - world.now,
      timeoutMs,
      stopFlags: new Map(),
    }
    this.clock = {
      now: () => world.now + this.skewMs,
      sleep: (ms, signal) => this.#sleep(ms, signal),
    }
  }

  #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (this.dead) return never()
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve()
      const wake = () => {
        happening.cancel()
        signal?.removeEventListener('abort', wake)
        this.wake(resolve)
      }
      const happening = this.world.at(ms, wake)
      signal?.addEventListener('abort', wake, { once: true })
    })
  }

  wake(run: () => void): void {
    if (this.dead) return
    const { now } = this.world
    if (now < this.freezeAt || now >= this.thawAt) run()
    else this.world.at(this.thawAt - now + this.world.chance.integer(0, 50), () => this.wake(run))
  }

  end(): void {
    this.dead = true
    this.killer?.cancel()
    this.world.alive.delete(this)
  }
}
