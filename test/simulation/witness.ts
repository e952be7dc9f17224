/**
 * What must hold at every step: looked at in the very step in which an item changes, with the function that changed it.
 * The names I1..I16 are those of design section 4.
 */

import type { DomainEvent } from '../../lib/events/port.ts'
import type { Json, Status } from '../../lib/glossary.ts'
import type { ExecutionRecord } from '../../lib/job/execution-record.ts'
import type { RetryMode } from '../../lib/job/execution-retry.ts'
import { SUPERSEDED_LETTER } from '../../lib/job/keys.ts'
import { aheadMs } from '../../lib/job/open-jobs.ts'
import { isTerminal, type JobRecord } from '../../lib/job/record.ts'
import { TRANSITIONS } from '../../lib/job/transitions.ts'
import type { Verdict } from '../../lib/job/verdict.ts'
import type { Message } from '../../lib/queue/port.ts'
import type { PolicyRecord } from '../../lib/schedule/policy.ts'
import type { Item } from '../../lib/store/port.ts'
import { Measures } from './measures.ts'
import { SKEW_MS } from './script.ts'
import { type Instance, START, type Watch, type World } from './world.ts'

const ALLOWED = new Set(
  Object.values(TRANSITIONS).flatMap(({ from, to }) => from.flatMap((a: Status) => to.map((b: Status) => `${a}>${b}`))),
)
/** What may still be written to a job that has ended. `m_sk`: a child leaves the count when it has a successor. */
const AFTER_THE_END = new Set(['retriedBy', 'm_sk'])

/** Whether an execution counts this child; not when a retry has put another in its place. */
export const isCounted = (job: JobRecord): boolean =>
  !(job as unknown as Item & { m_sk?: string }).m_sk?.startsWith(`${SUPERSEDED_LETTER}#`)

/** Without a run's word. */
const isEnded = (job: JobRecord): boolean => isTerminal(job.status) && job.finishedBy === undefined

/** Nothing may follow on this run. */
const isAtItsEnd = (job: JobRecord): boolean => job.stop === true || job.failures + job.attempting >= job.maxAttempts

export interface Answer {
  id: string
  key?: string
}

export class Witness implements Watch {
  readonly violations: string[] = []
  readonly jobs = new Map<string, JobRecord>()
  readonly tenants = new Map<string, string>()
  readonly executions = new Map<string, ExecutionRecord>()
  readonly policies = new Map<string, PolicyRecord>()
  readonly announcedAs = new Map<string, Set<string>>()
  /** Who changed a job last, and when. */
  readonly #changed = new Map<string, { by: Instance; at: number }>()
  /** What people were told. */
  readonly accepted: string[] = []
  readonly answers: Answer[] = []
  readonly stopsAcknowledged = new Set<string>()
  readonly executionStops = new Map<string, number>()
  readonly retries: { old: string; fresh: string }[] = []
  /** Which children had ended without success when their execution was last retried. */
  readonly unsuccessful = new Map<string, Set<string>>()
  readonly executionRetries = new Map<string, { mode: RetryMode; generation: number }>()
  readonly measures: Measures
  world: World = undefined as never
  /** Messages for the end of a lease, by job and fence, see I16. */
  readonly #foreseen = new Map<string, number>()
  /** Messages that were sent by anyone but workers since the last claim, see I16. */
  readonly #sends = new Map<string, { fence: number; since: number; count: number }>()
  readonly #createdFor = new Set<string>()
  /** How far a job was when it was claimed, and how many continuations in a row brought nothing since. */
  readonly #reached = new Map<string, { step: number; done: number; stalls: number }>()
  /** Runs that ended by crash or error while another one was to follow. */
  readonly #attempts = new Map<string, number>()

  constructor() {
    this.measures = new Measures(this)
  }

  fail(text: string): void {
    this.violations.push(`${text} [at ${((this.world.now - START) / 1000).toFixed(1)} s]`)
  }

  // What people are told.

  submitted(id: string, key: string | undefined, created: boolean): void {
    if (key === undefined && !created)
      this.fail(`I1 a submission without a key was answered with somebody else's job ${id}`)
    if (created && this.#createdFor.has(id)) this.fail(`I1 job ${id} was made twice`)
    if (created) this.#createdFor.add(id)
    this.accepted.push(id)
    this.answers.push({ id, ...(key ? { key } : {}) })
  }

  stopped(id: string): void {
    this.stopsAcknowledged.add(id)
    const job = this.jobs.get(id)
    if (job && job.status !== 'stopped' && !job.stop)
      this.fail(`I5 the stop of job ${id} was acknowledged and is not written`)
  }

  began(id: string): void {
    if (!this.executions.has(id)) this.fail(`I2 execution ${id} was accepted and has no record`)
  }

  /** `generation`: which of its lives was stopped; the answer may come when it has been retried since. */
  stoppedExecution(id: string, at: number, generation: number): void {
    if ((this.executions.get(id)?.generation ?? 0) !== generation) return
    if (!this.executionStops.has(id)) this.executionStops.set(id, at)
  }

  retriedExecution(id: string, mode: RetryMode, generation: number): void {
    const known = this.executionRetries.get(id)
    if (known?.generation === generation) this.fail(`I1 one retry of execution ${id} was given to two people`)
    if (generation > (known?.generation ?? 0)) this.executionRetries.set(id, { mode, generation })
    if ((this.executions.get(id)?.generation ?? 0) < generation)
      this.fail(`I2 the retry of execution ${id} was accepted and is not written`)
  }

  retried(old: string, fresh: string): void {
    this.retries.push({ old, fresh })
  }

  // What functions do.

  seen(instance: Instance, before: Item | undefined, after: Item | undefined): void {
    const key = (after ?? before)!.pk
    if (key.startsWith('J#'))
      this.#seenJob(instance, before as unknown as JobRecord, after as unknown as JobRecord, key)
    else if (key.startsWith('X#'))
      this.#seenExecution(instance, before as unknown as ExecutionRecord, after as unknown as ExecutionRecord)
    else if (key.startsWith('P#')) this.#seenPolicy(before as unknown as PolicyRecord, after as unknown as PolicyRecord)
  }

  #seenJob(instance: Instance, was: JobRecord | undefined, now: JobRecord, key: string): void {
    const last = key.lastIndexOf('#')
    const id = key.slice(last + 1)
    const tenant = key.slice(2, last)
    this.jobs.set(id, now)
    this.tenants.set(id, tenant)
    this.#changed.set(id, { by: instance, at: this.world.now })
    const fail = (text: string) =>
      this.fail(
        `${text} (job ${id}, by ${instance.role}-${instance.number}, ${was?.status} fence ${was?.fence} -> ${now.status} fence ${now.fence})`,
      )
    this.measures.changed(instance, id, was, now)
    const asked = instance.principal ?? (now.execution && this.executions.get(now.execution)?.tenant)
    if (asked !== undefined && asked !== tenant) fail(`I15 written for ${asked} into the keys of ${tenant}`)
    if (!was) return
    this.#seenProgress(id, was, now, fail)
    // What was put off or recovered waits anew.
    if (was.status === 'running' && now.status !== 'running') this.#sends.delete(id)
    if (was.status === 'running' && !isTerminal(now.status)) this.#countAttempt(instance, id, was, now, fail)
    if (isTerminal(was.status)) {
      this.#seenAfterTheEnd(was, now, fail)
      return
    }
    if (was.status !== now.status && !ALLOWED.has(`${was.status}>${now.status}`))
      fail('a transition that is not in the table')
    if (now.fence < was.fence) fail('I4 the fence went back')
    const letters = was.deadLettersFence === was.fence ? (was.deadLetters ?? 0) : 0
    if (instance.role === 'dead-letter' && !isTerminal(now.status) && now.deadLetters !== letters + 1)
      fail('I2 a dead letter was not counted')
    if (now.fence > was.fence) this.#seenClaim(instance, id, was, now, fail)
    else if (was.status === 'running') this.#seenWhileRunning(instance, id, was, now, fail)
    else if (now.status === 'running') fail('I4 a claim without a new fence')
    if (was.stop && isTerminal(now.status) && now.status !== 'stopped') fail('I5 a stop was overwritten')
    if (was.stop && !isTerminal(now.status) && (now.fence !== was.fence || !now.stop)) fail('I5 a stop was forgotten')
    if (now.status === 'success' && now.finishedBy !== now.claim) fail('I4 a run that lost its lease has committed')
    if (isTerminal(now.status) && now.status !== 'success' && !now.error) fail('I11 an end without a reason')
  }

  /** Counted here, too, and not taken from the record. */
  #countAttempt(instance: Instance, id: string, was: JobRecord, now: JobRecord, fail: (text: string) => void): void {
    const takenOver = now.fence > was.fence
    const ended = now.status === 'retrying' && (instance.role === 'sweep' || now.attempting === 0)
    if (!takenOver && !ended) return
    const count = (this.#attempts.get(id) ?? 0) + 1
    this.#attempts.set(id, count)
    if (count >= was.maxAttempts) fail(`I2 ${count} attempts ended and another one is to follow`)
  }

  /** I6: counted here, too, and not taken from the record. */
  #seenProgress(id: string, was: JobRecord, now: JobRecord, fail: (text: string) => void): void {
    if (isTerminal(now.status)) return
    if (now.fence > was.fence) {
      const stalls = this.#reached.get(id)?.stalls ?? 0
      this.#reached.set(id, { step: stepOf(was.checkpoint), done: was.progress?.items.done ?? 0, stalls })
      return
    }
    if (stepOf(now.checkpoint) < stepOf(was.checkpoint)) fail('I6 a checkpoint went back')
    if ((now.hops ?? 0) <= (was.hops ?? 0)) return
    const from = this.#reached.get(id)
    if (!from) return
    const grown = stepOf(now.checkpoint) > from.step || (now.progress?.items.done ?? 0) > from.done
    from.stalls = grown ? 0 : from.stalls + 1
    const { stallsMax, hopsMax } = this.world.limits
    if (from.stalls >= stallsMax) fail(`I6 ${from.stalls} continuations brought nothing and another is to follow`)
    if ((now.hops ?? 0) > hopsMax) fail(`I6 continued ${now.hops} times, ${hopsMax} allowed`)
  }

  #seenAfterTheEnd(was: JobRecord, now: JobRecord, fail: (text: string) => void): void {
    for (const name of new Set([...Object.keys(was), ...Object.keys(now)]))
      if (
        !AFTER_THE_END.has(name) &&
        JSON.stringify(was[name as keyof JobRecord]) !== JSON.stringify(now[name as keyof JobRecord])
      )
        fail(`I3 a terminal job was changed: ${name}`)
    if (isCounted(was) && !isCounted(now)) {
      const successor = this.jobs.get(now.retriedBy ?? '')
      if (!successor || successor.execution !== now.execution) fail('I13 a child left the count without a successor')
      else if ((successor.generation ?? 0) <= (now.generation ?? 0)) fail('I13 one retry has retried what it has made')
      if (now.status === 'success') fail('I13 a child that succeeded left the count')
    } else if (!isCounted(was) && isCounted(now)) fail('I13 a child came back into the count')
  }

  #seenClaim(instance: Instance, id: string, was: JobRecord, now: JobRecord, fail: (text: string) => void): void {
    instance.holds.set(id, now.fence)
    const clock = this.world.now + instance.skewMs
    if (was.status === 'running' && (was.lease ?? 0) >= clock && (was.claimedAt ?? 0) >= this.world.bootedAt)
      fail('I4 a living lease was taken over')
    if (was.status !== 'running' && (was.dueAt ?? 0) > clock) fail('a job was claimed before it was due')
    if (was.status === 'running' && was.failures + was.attempting >= was.maxAttempts) fail('I2 one attempt too many')
    const stopAt = was.execution === undefined ? undefined : this.executionStops.get(was.execution)
    if (stopAt !== undefined && stopAt < instance.startedAt)
      fail('I5 a child was claimed after the stop of its execution')
  }

  /** A run is changed by its holder, by sweep or worker when its lease is dead, and by a stop; by nobody else. */
  #seenWhileRunning(
    instance: Instance,
    id: string,
    was: JobRecord,
    now: JobRecord,
    fail: (text: string) => void,
  ): void {
    if (instance.role === 'work' && instance.holds.get(id) === was.fence) return
    if (instance.role === 'work' || instance.role === 'sweep') {
      const isStopped = was.execution !== undefined && this.executions.get(was.execution)?.stop
      if (instance.role === 'work' && !(isEnded(now) && (isStopped || isAtItsEnd(was))))
        fail('I4 a worker without the fence has written')
      if (
        was.status !== now.status &&
        (was.lease ?? 0) >= this.world.now + instance.skewMs &&
        (was.claimedAt ?? 0) >= instance.env.workersDeadBefore
      )
        fail('I4 a living lease was recovered')
      if (now.status === 'retrying' && was.failures + was.attempting >= was.maxAttempts) fail('I2 one attempt too many')
    } else if (now.status !== 'running' || !now.stop) fail('I4 somebody else has ended a run')
  }

  #seenExecution(instance: Instance, was: ExecutionRecord | undefined, now: ExecutionRecord): void {
    const fail = (text: string) => this.fail(`${text} (execution ${now.id}, by ${instance.role}-${instance.number})`)
    this.executions.set(now.id, now)
    if (!was) {
      if (now.trigger === 'schedule') this.#seenTick(now, fail)
      return
    }
    const again = (now.generation ?? 0) - (was.generation ?? 0)
    if (again !== 0) this.#seenRetry(instance, was, now, again, fail)
    else if (was.status !== 'running' && JSON.stringify(was) !== JSON.stringify(now))
      fail('I3 a terminal execution was changed')
    if (now.fence > was.fence) {
      instance.holds.set(now.id, now.fence)
      if (was.lease >= this.world.now + instance.skewMs && (was.claimedAt ?? 0) >= this.world.bootedAt)
        fail('I4 a living fan-out was taken over')
    } else if (
      instance.role === 'fan-out' &&
      now.failures < this.world.limits.maxAttempts &&
      instance.holds.get(now.id) !== was.fence
    )
      fail('I4 a fan-out without the fence has written')
    if (was.stop && !now.stop && again === 0) fail('I5 the stop of an execution was forgotten')
    if (now.status !== 'running') this.#seenClose(now, fail)
  }

  /** A life after the end, asked for by somebody. */
  #seenRetry(
    instance: Instance,
    was: ExecutionRecord,
    now: ExecutionRecord,
    again: number,
    fail: (text: string) => void,
  ): void {
    this.executionStops.delete(now.id)
    const ended = [...this.jobs].filter(
      ([, job]) => job.execution === now.id && isCounted(job) && isTerminal(job.status) && job.status !== 'success',
    )
    this.unsuccessful.set(now.id, new Set(ended.map(([id]) => id)))
    if (instance.role !== 'api' || again !== 1 || now.status !== 'running')
      fail('I3 an execution lives again by itself')
    if (was.fanOut === 'retrying') fail('I3 an execution was retried while it was being retried')
    if (now.fence <= was.fence) fail('I4 a retry without a new fence')
    if (instance.principal !== now.tenant)
      fail(`I15 an execution of ${now.tenant} was retried by ${instance.principal}`)
  }

  /** I13: what is written at the close is what is there, for good. */
  #seenClose(now: ExecutionRecord, fail: (text: string) => void): void {
    const counts: { [status: string]: number } = {}
    let total = 0
    for (const job of this.jobs.values()) {
      if (job.execution !== now.id || !isCounted(job)) continue
      counts[job.status] = (counts[job.status] ?? 0) + 1
      total++
      if (!isTerminal(job.status)) fail(`I13 closed while a child is ${job.status}`)
    }
    if (now.counts?.total !== total) fail(`I13 closed with ${now.counts?.total} children, it has ${total}`)
    else
      for (const status in counts)
        if (now.counts[status as Status] !== counts[status]) fail(`I13 closed with wrong counts of ${status}`)
    if (now.stop && now.status !== 'stopped') fail(`I5 stopped and closed as ${now.status}`)
  }

  /** I9: one record per instant. */
  #seenTick(now: ExecutionRecord, fail: (text: string) => void): void {
    for (const other of this.executions.values())
      if (
        other.id !== now.id &&
        other.policy === now.policy &&
        other.trigger === 'schedule' &&
        other.instant === now.instant
      )
        fail('I9 a second execution of one instant')
    if (now.status !== 'running' && !now.error) fail('I9 a skip without a reason')
    if (now.status !== 'running') return
    // A retry is no run of the schedule: who asks for it may have two at once.
    for (const other of this.executions.values())
      if (other.id !== now.id && other.policy === now.policy && other.trigger === 'schedule' && !other.generation)
        if (this.#isAtWork(other)) fail(`I9 a run began while run ${other.id} of its policy is at work`)
  }

  /** Not what an index shows of it, but what is. */
  #isAtWork(execution: ExecutionRecord): boolean {
    if (execution.status !== 'running' || execution.stop || execution.cancel) return false
    return execution.fanOut !== 'done' || this.#hasOpenChild(execution.id)
  }

  #seenPolicy(was: PolicyRecord | undefined, now: PolicyRecord): void {
    this.policies.set(now.id, now)
    if (!was || was.revision !== now.revision || was.nextRunAt === undefined || now.nextRunAt === was.nextRunAt) return
    const fired = [...this.executions.values()].some(
      (execution) => execution.policy === now.id && execution.instant === was.nextRunAt,
    )
    if (!fired) this.fail(`I9 the policy went on before its instant ${was.nextRunAt} was fired`)
    if (now.nextRunAt === undefined || now.nextRunAt < was.nextRunAt) this.fail('I9 the policy went back')
    const everyMs = Number(now.cron?.match(/^\*\/(\d+)/)?.[1]) * 60_000
    if ((now.nextRunAt ?? 0) > Math.max(this.world.now + SKEW_MS, was.nextRunAt) + everyMs)
      this.fail('I9 an instant was left out')
  }

  /** A message, and what the worker has left behind when it says that the message has done its work. */
  async handled(instance: Instance, message: { body: string }, handle: () => Promise<Verdict>): Promise<Verdict> {
    const sentBefore = instance.sent
    const begunAt = this.world.now
    const verdict = await handle()
    if (verdict !== 'acknowledge' || instance.role !== 'work') return verdict
    const { id } = JSON.parse(message.body) as { id: string }
    const job = this.jobs.get(id)
    if (!job || isTerminal(job.status)) return verdict
    const last = this.#changed.get(id)
    const untouched = (last?.at ?? 0) < begunAt
    if (job.status === 'running') {
      // Untouched: held for another message of the batch, whose answer was lost and which comes again.
      if (instance.holds.get(id) === job.fence && !untouched) this.fail(`I2 a worker has left the job ${id} it holds`)
      return verdict
    }
    const soon = (job.dueAt ?? 0) - this.world.now <= 890_000
    if (soon && instance.sent === sentBefore && (last?.by === instance || untouched))
      this.fail(`I2 a worker has dropped the message of the waiting job ${id}`)
    return verdict
  }

  sent(instance: Instance, _queue: string, messages: Message[]): void {
    for (const { body, delaySeconds } of messages) {
      const { id, tenant } = JSON.parse(body) as { id?: string; tenant: string }
      const job = id === undefined ? undefined : this.jobs.get(id)
      if (!job || id === undefined) continue
      if (tenant !== this.tenants.get(id)) this.fail(`I15 a message of job ${id} names tenant ${tenant}`)
      if (instance.role === 'redrive') continue
      if (instance.role === 'work') {
        if (instance.sent > 2 * this.world.script.platform.batch)
          this.fail(`I16 one worker sent ${instance.sent} messages`)
        continue
      }
      if (job.status === 'running') {
        // Sent while it waited, it arrives late.
        if (!delaySeconds) continue
        // One for the end of its lease, from each tick in whose time it ends, and a tick may come twice.
        const lease = `${id} ${job.fence}`
        const count = (this.#foreseen.get(lease) ?? 0) + 1
        this.#foreseen.set(lease, count)
        if (count > 4) this.fail(`I16 the end of a lease of job ${id} was foreseen ${count} times`)
        continue
      }
      const known = this.#sends.get(id)
      const sends = known?.fence === job.fence ? known : { fence: job.fence, since: this.world.now, count: 0 }
      this.#sends.set(id, sends)
      sends.count++
      if (sends.count > this.#sendsMax(this.world.now - sends.since, job))
        this.fail(`I16 job ${id} was sent ${sends.count} times in ${(this.world.now - sends.since) / 1000} s`)
    }
  }

  /** The first, two while its queue is empty, then one per slot of 1 min, 10 min, 1 h, 6 h, 12 h, ...; see wait.ts. */
  #sendsMax(ageMs: number, job: JobRecord): number {
    let slots = 0
    for (let end = 60_000, n = 0; end - 4 * SKEW_MS <= ageMs; n++, slots++)
      end += 1_000 * ([600, 3_600, 21_600][n] ?? 21_600 * 2 ** (n - 2))
    const restarts = this.world.bootedAt > 0 ? 1 : 0
    return 3 + slots + restarts + (job.deadLetters ?? 0)
  }

  removed(instance: Instance): void {
    if (instance.role === 'redrive' && instance.moved < 0)
      this.fail('I2 a dead letter was taken away before it was sent')
  }

  landed(_queue: string, messages: Message[]): void {
    for (const { body } of messages) {
      const { id } = JSON.parse(body) as { id?: string }
      if (id !== undefined) this.measures.landed(id)
    }
  }

  announced(events: DomainEvent[]): void {
    for (const event of events) {
      const job = this.jobs.get(event.subject)
      if (!job || !isTerminal(job.status) || event.type !== `job.${job.status}`)
        this.fail(`I12 job ${event.subject} is ${job?.status} and was announced as ${event.type}`)
      if (event.tenant !== this.tenants.get(event.subject))
        this.fail(`I15 the end of job ${event.subject} was told to ${event.tenant}`)
      const ids = this.announcedAs.get(event.subject) ?? new Set()
      ids.add(event.id)
      this.announcedAs.set(event.subject, ids)
      if (ids.size > 1) this.fail(`I3 job ${event.subject} has ${ids.size} terminal events`)
    }
  }

  died(instance: Instance): void {
    this.measures.died(instance)
  }

  /** Everything has an end and everybody knows. */
  quiet(): boolean {
    for (const [id, job] of this.jobs) if (!isTerminal(job.status) || !this.announcedAs.has(id)) return false
    for (const execution of this.executions.values()) if (execution.status === 'running') return false
    for (const policy of this.policies.values()) if (policy.enabled) return false
    return true
  }

  /** When a tick may have something to do, by the times in the records. */
  wakeAt(): number {
    const { limits, bootedAt, now } = this.world
    const settleMs = limits.eventSettleSeconds * 1000
    let at = Number.POSITIVE_INFINITY
    const wake = (time: number) => {
      if (time < at) at = time
    }
    for (const [id, job] of this.jobs) {
      if (isTerminal(job.status)) {
        if (!this.announcedAs.has(id)) wake((job.finishedAt ?? 0) + settleMs)
      } else if (job.status === 'running')
        wake((job.claimedAt ?? 0) < bootedAt ? now : (job.lease ?? 0) - aheadMs(limits))
      else {
        wake(job.nextSendAt - 2 * SKEW_MS)
        if (job.sends <= 2) wake(Math.max(job.sentAt + limits.emptyQueueSeconds * 1000, job.dueAt ?? 0))
        if (job.sentAt < bootedAt) wake(job.dueAt ?? 0)
      }
    }
    for (const execution of this.executions.values()) {
      if (execution.status !== 'running') continue
      if (execution.fanOut === 'retrying' || (execution.fanOut === 'listing' && !execution.stop))
        wake(execution.createdAt < bootedAt ? now : Math.max(execution.nextSendAt, execution.lease))
      else if (!this.#hasOpenChild(execution.id)) wake(Math.max(execution.listedAt ?? 0, execution.lease) + settleMs)
    }
    for (const policy of this.policies.values()) if (policy.enabled && policy.nextRunAt) wake(policy.nextRunAt)
    return at
  }

  #hasOpenChild(execution: string): boolean {
    for (const job of this.jobs.values()) if (job.execution === execution && !isTerminal(job.status)) return true
    return false
  }
}

/** How far a probe has come by its checkpoint; before its first one not even at 0. */
const stepOf = (checkpoint: Json | undefined): number => (checkpoint as { step: number } | undefined)?.step ?? -1
