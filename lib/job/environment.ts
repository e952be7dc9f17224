/**
 * Everything the job protocol can reach. The protocol's code touches the world through these ports only, so that the
 * simulator can stand behind every one of them.
 */
import type { BlobStore } from '../blobs/port.ts'
import type { Clock, Random } from '../clock.ts'
import type { Limits } from '../config.ts'
import type { Events } from '../events/port.ts'
import type { Json } from '../glossary.ts'
import type { OpenRegistry } from '../oci/types.ts'
import type { Queue } from '../queue/port.ts'
import type { Store } from '../store/port.ts'
import type { JobDefinition } from './define.ts'
import type { Halt } from './halt.ts'

/** Structured lines for operators (Powertools in a function); never job parameters beyond ids and hosts. */
export interface OperatorLog {
  info(message: string, fields?: { [name: string]: Json }): void
  warn(message: string, fields?: { [name: string]: Json }): void
  error(message: string, fields?: { [name: string]: Json }): void
}

/** The same log with these fields on every line: what concerns one job says which. */
export function logWith(log: OperatorLog, fields: { [name: string]: Json }): OperatorLog {
  return {
    info: (message, more) => log.info(message, { ...fields, ...more }),
    warn: (message, more) => log.warn(message, { ...fields, ...more }),
    error: (message, more) => log.error(message, { ...fields, ...more }),
  }
}

/** How often something happened. `putOff` is a snooze, a throttle or a continuation: no attempt is counted for it. */
export type CountName =
  | 'submitted'
  | 'started'
  | 'succeeded'
  | 'failed'
  | 'stopped'
  | 'canceled'
  | 'retried'
  | 'putOff'
  | 'recovered'
  | 'endedDead'
  | 'resent'
  | 'deadLetters'
  | 'eventsRefused'
  | 'selfCheckProblems'

/** One measured value; the unit is the last word of the name. */
export type MeasureName = 'runMs' | 'movedBytes' | 'oldestWaitingSeconds' | 'oldestWaitingBulkSeconds'

/** Numbers for operators, by job type (or `all`). Kept in memory until the invocation ends; never throws. */
export interface Metrics {
  count(name: CountName, type: string, by?: number): void
  measure(name: MeasureName, type: string, value: number): void
  /** Writes what was kept. Called once at the end of an invocation. */
  flush(): void
}

export const silentLog: OperatorLog = { info: () => {}, warn: () => {}, error: () => {} }

/** Types by name. `job/` knows no type: it gets the list as an argument. */
export type JobTypes = ReadonlyMap<string, JobDefinition<never>>

export interface Environment {
  store: Store
  queue: Queue
  blobs: BlobStore
  events: Events
  clock: Clock
  random: Random
  limits: Limits
  types: JobTypes
  log: OperatorLog
  /** Absent: nobody counts, as on a laptop. */
  metrics?: Metrics
  /** Registry clients with the tenant's registry objects and credentials, kept for one invocation. */
  registries: (tenant: string) => OpenRegistry & { close?: () => void }
  /**
   * Milliseconds since the epoch: workers that claimed before are known to be dead, whatever their lease says, and
   * messages sent before are known to be gone. Set by who holds an exclusive lock on the data (0: nobody knows).
   */
  workersDeadBefore: number
}

/** What the platform tells about one run of a function. */
export interface Invocation {
  requestId: string
  /** Milliseconds until the platform kills this function. */
  remainingMs(): number
  /** The function's whole time, for the share kept for handing over. */
  timeoutMs: number
  /** Flags of executions as read in this invocation, and when: one read for a batch of quick children. */
  stopFlags: Map<string, { at: number; halt: Promise<Halt | undefined> }>
}
