/**
 * The two promised times, in virtual time: a lost message is sent again within 2 minutes, and a killed worker's job is
 * at work again, or at its end, within its lease and 60 seconds, whatever the clocks say. Counted from the last moment at which something
 * else went wrong (a fault, a missed tick): a sweep that is itself killed cannot heal, the next one does. A lease that ends
 * before the index has shown its claim counts from there.
 */
import { aheadMs } from '../../lib/job/open-jobs.ts'
import { isTerminal, type JobRecord } from '../../lib/job/record.ts'
import type { Witness } from './witness.ts'
import type { Instance } from './world.ts'

const MINUTE = 60_000
/** From a message in the queue to a function that claims: the poller's half second, and whole seconds of delay. */
const DELIVERY_MS = 2_500

/** `at`: when the job could go on. `late`: how long after its lease that was found. */
interface Recovered {
  at: number
  late: number
  leaseEnd: number
}

export class Measures {
  /** Worst case of each, milliseconds. */
  lostSendMs = 0
  recoveredMs = 0
  backAtWorkMs = 0
  readonly #witness: Witness
  /** Jobs that wait for a message that has not reached the queue yet. */
  readonly #unsent = new Map<string, number>()
  /** Runs whose worker died: when their lease ends by the true clock. */
  readonly #dead = new Map<string, { fence: number; leaseEnd: number }>()
  readonly #recovered = new Map<string, Recovered>()
  readonly #leaseEnds = new Map<string, number>()
  /** When the index shows a claim at the latest: a sweep that cannot see a run cannot recover it. */
  readonly #shownAt = new Map<string, number>()

  constructor(witness: Witness) {
    this.#witness = witness
  }

  changed(instance: Instance, id: string, was: JobRecord | undefined, now: JobRecord): void {
    const { world } = this.#witness
    if (isTerminal(now.status) || now.status === 'running') this.#unsent.delete(id)
    else if (now.sends <= 1 && (was === undefined || was.status === 'running'))
      this.#unsent.set(id, Math.max(world.now, now.dueAt ?? 0))
    if (was?.status === 'running' && (now.status !== 'running' || now.fence !== was.fence))
      this.#runEnded(instance, id, was, now)
    if (now.status === 'running' && now.fence !== was?.fence) {
      this.#leaseEnds.set(id, (now.lease ?? 0) - instance.skewMs)
      this.#shownAt.set(id, this.#witness.world.now + this.#witness.world.script.platform.lagMs)
      this.#claimed(id)
    }
    if (isTerminal(now.status)) this.#recovered.delete(id)
  }

  died(instance: Instance): void {
    if (instance.role !== 'work') return
    for (const [id, fence] of instance.holds) {
      const job = this.#witness.jobs.get(id)
      if (job?.status === 'running' && job.fence === fence)
        this.#dead.set(id, { fence, leaseEnd: this.#leaseEnds.get(id) ?? 0 })
    }
  }

  landed(id: string): void {
    const { world, jobs } = this.#witness
    const since = this.#unsent.get(id)
    this.#unsent.delete(id)
    if (since === undefined || (jobs.get(id)?.sends ?? 9) > 2 || world.script.platform.earlyMs > 0) return
    const ms = world.now - Math.max(since, world.troubleAt)
    this.lostSendMs = Math.max(this.lostSendMs, ms)
    if (ms > 2 * MINUTE) this.#witness.fail(`a lost message of job ${id} was sent again after ${ms / 1000} s`)
  }

  #runEnded(instance: Instance, id: string, was: JobRecord, now: JobRecord): void {
    const dead = this.#dead.get(id)
    this.#dead.delete(id)
    const { world } = this.#witness
    // Its own last request may land after its death.
    const isOwn = instance.role === 'work' && instance.holds.get(id) === was.fence
    const isTakenOver = instance.role === 'work' && now.status === 'running'
    if (isOwn || (instance.role !== 'work' && instance.role !== 'sweep')) return
    if (dead?.fence !== was.fence || (was.claimedAt ?? 0) < world.bootedAt) return
    const late = world.now - Math.max(dead.leaseEnd, world.troubleAt, this.#shownAt.get(id) ?? 0)
    this.recoveredMs = Math.max(this.recoveredMs, late)
    if (late > MINUTE + this.#slackMs())
      this.#witness.fail(`the dead run of job ${id} was recovered ${late / 1000} s after its lease`)
    // At its end this very moment, at work, or due at once or within the delay of a message.
    const recovered = { at: world.now, late: Math.max(0, late), leaseEnd: dead.leaseEnd }
    if (isTerminal(now.status)) this.#goesOn(id, recovered, `job ${id} ended`)
    else if (isTakenOver) this.#recovered.set(id, recovered)
    else this.#recovered.set(id, { ...recovered, at: Math.max(world.now, now.dueAt ?? 0) })
  }

  #claimed(id: string): void {
    const recovered = this.#recovered.get(id)
    this.#recovered.delete(id)
    if (recovered) this.#goesOn(id, recovered, `job ${id} was at work again`)
  }

  /** Nothing waits for the dead run any more. */
  #goesOn(id: string, recovered: Recovered, what: string): void {
    const { world } = this.#witness
    const { stillborn, frozen } = world.script.platform
    // Another job may have had the workers, also one that came after the recovery.
    if (this.#witness.jobs.size > 1) return
    // A frozen function holds its place in the pool, a stillborn one takes the message along.
    // And a sweep that is killed between recovery and message is the case of a lost message; the lease is of another clock.
    if (world.troubleAt + this.#slackMs() > recovered.leaseEnd || stillborn > 0 || frozen > 0) return
    // A message that died of the same killed workers comes again a minute later, on purpose, and the sweep leaves it that.
    if ((this.#witness.jobs.get(id)?.deadLetters ?? 0) > 0) return
    const ms = recovered.late + world.now - recovered.at
    // The tick before the lease's end sends its successor; one that went wrong leaves that to the next, as a recovery.
    const isForeseen = world.troubleAt + aheadMs(world.limits) + this.#slackMs() <= recovered.leaseEnd
    if (isForeseen) this.backAtWorkMs = Math.max(this.backAtWorkMs, ms)
    if (ms > (isForeseen ? MINUTE : MINUTE + DELIVERY_MS + this.#slackMs()))
      this.#witness.fail(`${what} ${ms / 1000} s after its lease and backoff`)
  }

  /** Two clocks are compared. */
  #slackMs(): number {
    return 2 * this.#witness.world.script.platform.skewMs
  }
}
