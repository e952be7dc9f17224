/**
 * What happens in a history, as plain data: what people do, which port calls meet a fault, and how the platform is
 * that day. A seed makes a script; so does fast-check, which can then take parts away from a failing one.
 */
import { Chance } from './chance.ts'
import type { Role } from './world.ts'

const SECOND = 1_000
const MINUTE = 60_000

/** `n` picks one of the jobs, executions or policies there are by then. */
export type Action = { at: number } & (
  | { do: 'submit'; key?: string; dueInMs?: number }
  | { do: 'stop'; n: number }
  | { do: 'retry'; n: number }
  | { do: 'bulk' }
  | { do: 'stopExecution'; n: number }
  | { do: 'policy'; everyMinutes: number }
  | { do: 'runPolicy'; n: number }
  | { do: 'replacePolicy'; n: number }
  | { do: 'tag' }
  /** Every function dies. `queues`: whether messages outlive it. */
  | { do: 'restart'; queues: 'kept' | 'lost' }
)

export const FAULT_KINDS = [
  /** The function is killed before the request has left. */
  'crashBefore',
  /** The function is killed after the request was applied. */
  'crashAfter',
  /** The function is killed while the request is on its way: it lands later. */
  'crashLate',
  /** Applied, but the answer is an error. */
  'lostAnswer',
  /** Never arrived, and the answer is an error. */
  'failed',
  /** Refused: too many requests. */
  'throttled',
  /** Applied, its answer lost, and repeated by the SDK. */
  'repeated',
  /** Arrives late, is answered late. */
  'slow',
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

export interface Fault {
  /** Effort of port calls since the fault before, see `EFFORT`. */
  after: number
  kind: FaultKind
  ms: number
  /** Waits for the next write or send of such a function. */
  role?: Role
}

export interface Platform {
  /** Of a worker's function. */
  timeoutMs: number
  pool: number
  batch: number
  /** Clocks differ from the true time by at most this. */
  skewMs: number
  /** An index shows a write at most so much later. */
  lagMs: number
  /** Leases are shorter by this: the sweep takes living runs for dead, and work runs twice. */
  earlyMs: number
  /** Probabilities. */
  missedTicks: number
  doubledTicks: number
  duplicates: number
  /** A function stands still, beyond its time, then goes on. */
  frozen: number
  /** Of runs that end otherwise than by success. */
  trouble: number
  /** See `stopPollMs` of lib/config.ts. */
  stopPollMs: number
  /** Of functions that die before their first line. */
  stillborn: number
  visibilityMs: number
  maxReceives: number
  deadLettersMax: number
  leaseMarginSeconds: number
  fanOutPageItems: number
  /** Random ids fall into one shard, so that jobs meet in one partition of the indexes. */
  narrow: boolean
  maxAttempts: number
  /** Probability that a run takes its time. */
  slowRuns: number
  images: number
}

export interface Script {
  seed: number
  platform: Platform
  people: Action[]
  faults: Fault[]
  /** When people and faults leave the scene. */
  chaosMs: number
}

/**
 * The assumptions of design section 3, all together: a terminal write is stamped by a clock that is off by `SKEW_MS`,
 * lands up to `LATE_MS` later and shows in the index `LAG_MS` after that, while the reader's clock is off, too. The sum
 * stays under `eventSettleSeconds` (30 s); beyond it an event could be passed over.
 */
export const SKEW_MS = 5 * SECOND
export const LATE_MS = 8 * SECOND
export const LAG_MS = 10 * SECOND

/** Most histories are small: a job or two and a few minutes find most flaws, and find them fast. */
export function scriptOf(seed: number): Script {
  const chance = new Chance(seed)
  const large = chance.chance(0.004)
  const chaosMs = large ? 40 * MINUTE : chance.integer(1, 6) * MINUTE
  const single = chance.chance(0.15)
  const platform = platformOf(chance, single)
  const people: Action[] = []
  const when = () => chance.integer(0, chaosMs)
  const act = (action: Action) => people.push(action)

  const bulk = chance.chance(large ? 0.9 : 0.12)
  const jobs = large ? chance.integer(3, 8) : bulk ? chance.integer(0, 1) : chance.pick([1, 1, 1, 1, 1, 2, 2])
  for (let n = 0; n < jobs; n++) {
    const at = chance.integer(0, chaosMs / 3)
    const key = chance.chance(0.35) ? `key-${chance.integer(1, 2)}` : undefined
    const dueInMs = !key && chance.chance(0.08) ? chance.integer(1, 20) * MINUTE : undefined
    act({ at, do: 'submit', ...(key ? { key } : {}), ...(dueInMs ? { dueInMs } : {}) })
    if (chance.chance(0.4)) act({ at: chance.integer(at, chaosMs), do: 'stop', n })
    if (chance.chance(0.15)) act({ at: when(), do: 'retry', n })
    if (chance.chance(0.05)) act({ at: when(), do: 'retry', n })
  }
  if (bulk) {
    act({ at: chance.integer(0, chaosMs / 3), do: 'bulk' })
    if (chance.chance(0.35)) act({ at: when(), do: 'stopExecution', n: 0 })
    if (chance.chance(0.2)) act({ at: when(), do: 'tag' })
  }
  const policy = chance.chance(large ? 0.3 : 0.02)
  if (policy) {
    act({ at: 0, do: 'policy', everyMinutes: chance.pick([1, 2, 5]) })
    if (chance.chance(0.2)) act({ at: when(), do: 'runPolicy', n: 0 })
    if (chance.chance(0.2)) act({ at: when(), do: 'replacePolicy', n: 0 })
    if (chance.chance(0.3)) act({ at: when(), do: 'stopExecution', n: chance.integer(0, 2) })
  }
  if (chance.chance(0.08)) {
    // One machine has one clock.
    platform.skewMs = 0
    act({ at: when(), do: 'restart', queues: chance.pick(['kept', 'lost', 'lost']) })
  }
  people.sort((a, b) => a.at - b.at)
  const aims: Role[] = ['work', 'sweep', 'sweep']
  if (bulk) aims.push('fan-out', 'fan-out')
  if (policy) aims.push('schedule', 'schedule')
  if (platform.stillborn > 0) aims.push('dead-letter')
  return {
    seed,
    platform,
    people,
    faults: faultsOf(chance, large ? 40 : single ? 1 : chance.integer(0, 10), aims),
    chaosMs,
  }
}

function platformOf(chance: Chance, single: boolean): Platform {
  const calm = <T>(value: T, none: T, probability: number): T => (single || !chance.chance(probability) ? none : value)
  return {
    timeoutMs: chance.pick([60, 60, 120, 300]) * SECOND,
    pool: chance.integer(1, 2),
    batch: chance.pick([1, 1, 3]),
    skewMs: calm(SKEW_MS, 0, 0.7),
    lagMs: calm(LAG_MS, 0, 0.4),
    earlyMs: calm(chance.integer(60, 120) * SECOND, 0, 0.1),
    missedTicks: calm(0.15, 0, 0.3),
    doubledTicks: calm(0.2, 0, 0.3),
    duplicates: calm(0.15, 0, 0.4),
    frozen: calm(0.2, 0, 0.25),
    trouble: chance.pick([0, 0, 0.2, 0.6]),
    stopPollMs: chance.pick([2, 30, 3_600]) * SECOND,
    images: chance.integer(1, 4),
    stillborn: calm(chance.pick([0.3, 0.9]), 0, 0.12),
    visibilityMs: chance.pick([30, 120, 360]) * SECOND,
    maxReceives: chance.pick([1, 2, 5]),
    deadLettersMax: chance.pick([1, 3]),
    leaseMarginSeconds: chance.pick([10, 60]),
    fanOutPageItems: chance.integer(1, 3),
    narrow: chance.chance(0.5),
    maxAttempts: chance.integer(1, 3),
    slowRuns: chance.pick([0.2, 0.2, 0.8]),
  }
}

/** Crashes are what most of the protocol is about: they come twice as often. */
const KINDS: readonly FaultKind[] = [...FAULT_KINDS, 'crashBefore', 'crashAfter', 'crashLate']

export function faultsOf(chance: Chance, count: number, aims: readonly Role[]): Fault[] {
  return Array.from({ length: count }, () => {
    const fault = {
      after: chance.integer(1, 12 * EFFORT.change),
      kind: chance.pick(KINDS),
      ms: chance.integer(1, LATE_MS),
    }
    // The ticks write little: races with them need a fault that waits for it.
    return chance.chance(0.25) ? { ...fault, role: chance.pick(aims) } : fault
  })
}

/** How much a port call counts towards the next fault: a sweep asks sixty times for nothing before it changes anything. */
export const EFFORT = { change: 12, look: 1 } as const
