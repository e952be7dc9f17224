/** The record of an execution, as it is stored and read. */
import { type ErrorCode, LongshoreError } from '../errors.ts'
import type { Json, Status } from '../glossary.ts'
import type { Item } from '../store/port.ts'
import type { Environment } from './environment.ts'
import { shardOf } from './id.ts'
import { EXECUTION_SHARDS, executionKey, openPartition, stamp } from './keys.ts'
import { attributesOf, isExpired } from './record.ts'
import type { WalkCursor } from './selector.ts'

export type ExecutionStatus = 'running' | 'success' | 'error' | 'stopped' | 'canceled'
export type StatusCounts = { [status in Status]: number } & { total: number }

export interface ExecutionRecord {
  v: number
  id: string
  tenant: string
  type: string
  policy?: string
  trigger: 'schedule' | 'manual' | 'request'
  /** The instant of the schedule, for `schedule`. */
  instant?: number
  status: ExecutionStatus
  stop?: boolean
  /** Its policy was disabled or deleted: what waits is canceled when it is claimed, what runs may finish. */
  cancel?: boolean
  /** The policy's own fields as they were when it began. */
  spec: { [name: string]: Json }
  /** `retrying`: children that did not succeed are being submitted again. */
  fanOut: 'listing' | 'retrying' | 'done'
  /** Where the listing stands; kept at its end when it was not finished, so that a retry goes on from there. */
  cursor?: WalkCursor
  /** How many children the listing has made, as of the cursor; absent when that is to be counted (`children-made.ts`). */
  made?: number
  /** How many times it was retried; its children of that time bear the same number. */
  generation?: number
  /** What is retried: a status of children after the other, shard after shard, behind the key `after`. */
  retry?: {
    statuses: Status[]
    at: number
    after?: string
    /** Afterwards the listing goes on, which was cut. */
    relist: boolean
    /** The listing was cut and stays so: only what failed is retried. */
    cut?: boolean
    /** The tags that were named in vain are still to be looked up. */
    tags: boolean
  }
  /** Tags that could not be submitted; the first 50 with their reason. */
  unresolved: number
  unresolvedItems: { item: string; code: ErrorCode; message: string }[]
  fence: number
  failures: number
  /** How often in a row the listing was parked by a limit of a registry or the store. */
  throttles?: number
  /** 0 while no fan-out runs. */
  lease: number
  claimedAt?: number
  /** When the fan-out message was last sent, and when the sweep may send the next. */
  sentAt?: number
  nextSendAt: number
  sends: number
  createdAt: number
  listedAt?: number
  finishedAt?: number
  error?: { code: ErrorCode; message: string; retryable: boolean }
  counts?: StatusCounts
  expires?: number
}

/** Throws for a version that this code does not read. */
export const executionOfItem = (item: Item): ExecutionRecord => attributesOf(item) as unknown as ExecutionRecord

/** The key under which the sweep finds an open execution. */
export const executionOpenKeys = (id: string, wakeAt: number): { o_pk: string; o_sk: string } => ({
  o_pk: openPartition('execution', shardOf(id, EXECUTION_SHARDS)),
  o_sk: `${stamp(wakeAt)}#${id}`,
})

export async function readExecution(
  tenant: string,
  id: string,
  env: Pick<Environment, 'store' | 'clock'>,
): Promise<ExecutionRecord | undefined> {
  const item = await env.store.get(executionKey(tenant, id))
  return item && !isExpired(item, env.clock.now()) ? executionOfItem(item) : undefined
}

/** Throws `execution-not-found`. */
export async function requireExecution(
  tenant: string,
  id: string,
  env: Pick<Environment, 'store' | 'clock'>,
): Promise<ExecutionRecord> {
  const execution = await readExecution(tenant, id, env)
  if (!execution)
    throw new LongshoreError('execution-not-found', `there is no execution ${id}; GET /v1/executions lists them`)
  return execution
}
