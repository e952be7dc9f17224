/**
 * What happens in a history, as plain data: what people do, which port calls meet a fault, and how the platform is
 * that day. A seed makes a script; so does fast-check, which can then take parts away from a failing one.
 */
import { defaultLimits } from '../../lib/config.ts'
import { WRITE_LATE_SECONDS } from '../../lib/limits/aws-calls.ts'
import { INDEX_LAG_SECONDS } from '../../lib/limits/job.ts'
import type { Role } from './world.ts'

const SECOND = 1_000

/** `n` picks one of the jobs, executions or policies there are by then; who owns it acts. `by`: another tenant. */
export type Action = { at: number } & (
  | { do: 'submit'; key?: string; dueInMs?: number; by?: 'other' }
  | { do: 'stop'; n: number }
  | { do: 'retry'; n: number }
  | { do: 'bulk'; by?: 'other' }
  | { do: 'stopExecution'; n: number }
  | { do: 'retryExecution'; n: number; mode: 'failed' | 'unsuccessful' }
  /** What belongs to one tenant is stopped and retried by another: refused. */
  | { do: 'trespass'; n: number }
  /** Dead letters are moved back by hand. */
  | { do: 'redrive' }
  | { do: 'policy'; everyMinutes: number }
  | { do: 'runPolicy'; n: number }
  | { do: 'replacePolicy'; n: number }
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
  /** Its next call of this name only, as `update` or `count p#`. */
  on?: string
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
  /** Seconds between two ticks while there is chaos: 60, or less where two sweeps from two triggers meet. */
  tickSeconds: number
  /** Runs last up to this share of their function's time. */
  longRuns: number
  /** Probabilities. */
  missedTicks: number
  doubledTicks: number
  duplicates: number
  /** A function stands still, beyond its time, then goes on. */
  frozen: number
  /** A queue says that it is empty, whatever it holds: its numbers are approximate. */
  staleDepth: number
  /** Of runs that end otherwise than by success. */
  trouble: number
  /** Of runs that continue in another function. */
  continues: number
  hopsMax: number
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
 * The assumptions of design section 3, all together and as large as the limits claim: a terminal write is stamped by a clock
 * that is off by `SKEW_MS`, lands up to `LATE_MS` later and shows in the index `LAG_MS` after that, while the reader's clock
 * is off, too. The sum is `eventSettleSeconds`; beyond it an event could be passed over.
 */
export const SKEW_MS = defaultLimits.clockSkewMsMax
export const LATE_MS = WRITE_LATE_SECONDS * SECOND
export const LAG_MS = INDEX_LAG_SECONDS * SECOND

/** How much a port call counts towards the next fault: a sweep asks sixty times for nothing before it changes anything. */
export const EFFORT = { change: 12, look: 1 } as const
