/**
 * One run of a policy, or one bulk request: the parent of many jobs. The tick is the execution: its id follows from
 * policy and instant, one put makes it exist once. Counts are never stored while it runs, they are read from the
 * children's index keys, so they cannot drift.
 */
import { asLongshoreError, type ErrorCode, LongshoreError } from '../errors.ts'
import { type Json, STATUSES, type Status } from '../glossary.ts'
import { absent, all, eq } from '../store/condition.ts'
import { ConditionFailed, type Item } from '../store/port.ts'
import type { Environment } from './environment.ts'
import { shardOf } from './id.ts'
import {
  childrenPartition,
  EXECUTION_SHARDS,
  executionKey,
  executionListPartition,
  MEMBER_SHARDS,
  openPartition,
  STATUS_LETTERS,
  stamp,
} from './keys.ts'
import { isExpired, isTerminal, RECORD_VERSION } from './record.ts'
import type { WalkCursor } from './selector.ts'

export const FAN_OUT = 'fan-out'

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
  /** The policy's own fields as they were when it began. */
  spec: { [name: string]: Json }
  fanOut: 'listing' | 'done'
  cursor?: WalkCursor
  /** Tags that could not be submitted; the first 50 with their reason. */
  unresolved: number
  unresolvedItems: { item: string; code: ErrorCode; message: string }[]
  fence: number
  failures: number
  /** 0 while no fan-out runs. */
  lease: number
  claimedAt?: number
  nextSendAt: number
  sends: number
  createdAt: number
  listedAt?: number
  finishedAt?: number
  error?: { code: ErrorCode; message: string; retryable: boolean }
  counts?: StatusCounts
  expires?: number
}

export interface NewExecution {
  id: string
  tenant: string
  type: string
  policy?: string
  trigger: ExecutionRecord['trigger']
  instant?: number
  spec: { [name: string]: Json }
}

export const executionOfItem = (item: Item): ExecutionRecord => {
  const { pk: _pk, sk: _sk, m_pk: _mp, m_sk: _ms, o_pk: _op, o_sk: _os, ...record } = item
  return record as unknown as ExecutionRecord
}

/** The key under which the sweep finds an open execution. */
export const executionOpenKeys = (id: string, wakeAt: number): { o_pk: string; o_sk: string } => ({
  o_pk: openPartition('execution', shardOf(id, EXECUTION_SHARDS)),
  o_sk: `${stamp(wakeAt)}#${id}`,
})

/** Puts it if absent and sends the fan-out message. Returns the record and whether this call made it. */
export async function createExecution(
  fresh: NewExecution,
  env: Environment,
  skip?: string,
): Promise<{ execution: ExecutionRecord; created: boolean }> {
  const now = env.clock.now()
  const execution: ExecutionRecord = {
    v: RECORD_VERSION,
    ...fresh,
    status: skip ? 'canceled' : 'running',
    fanOut: skip ? 'done' : 'listing',
    unresolved: 0,
    unresolvedItems: [],
    fence: 0,
    failures: 0,
    lease: 0,
    nextSendAt: now + 60_000,
    sends: 1,
    createdAt: now,
    ...(skip ? { error: { code: 'conflict' as const, message: skip, retryable: false }, finishedAt: now } : {}),
  }
  const month = new Date(now).toISOString().slice(0, 7).replace('-', '')
  const item: Item = {
    ...(execution as unknown as Item),
    ...executionKey(fresh.tenant, fresh.id),
    m_pk: executionListPartition(fresh.tenant, month),
    m_sk: `${stamp(now)}#${fresh.id}`,
    ...(skip
      ? { expires: Math.ceil(now / 1000) + env.limits.historyDays * 86_400 }
      : executionOpenKeys(fresh.id, execution.nextSendAt)),
  }
  try {
    await env.store.put(item, absent('pk'))
  } catch (thrown) {
    if (!(thrown instanceof ConditionFailed)) throw thrown
    return { execution: await requireExecution(fresh.tenant, fresh.id, env), created: false }
  }
  if (!skip) await sendFanOut(execution, env)
  return { execution, created: true }
}

/** A failure is only logged: the record is the outbox, the sweep sends again. */
export async function sendFanOut(
  execution: { tenant: string; id: string },
  env: Environment,
  delaySeconds = 0,
): Promise<void> {
  const body = JSON.stringify({ tenant: execution.tenant, execution: execution.id })
  await env.queue
    .send(FAN_OUT, [{ body, group: execution.tenant, ...(delaySeconds > 0 ? { delaySeconds } : {}) }])
    .catch((thrown: unknown) => {
      env.log.warn('the fan-out message was not sent; the sweep will send it', {
        execution: execution.id,
        reason: asLongshoreError(thrown).message,
      })
    })
}

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

/** Children by status, from the index. Eventually consistent, exact when nothing moves. */
export async function countChildren(
  execution: Pick<ExecutionRecord, 'tenant' | 'id'>,
  env: Pick<Environment, 'store' | 'limits'>,
): Promise<StatusCounts> {
  const counts = Object.fromEntries(STATUSES.map((status) => [status, 0])) as StatusCounts
  counts.total = 0
  await Promise.all(
    STATUSES.flatMap((status) =>
      Array.from({ length: MEMBER_SHARDS }, async (_, shard) => {
        const letter = STATUS_LETTERS[status]
        const count = await env.store.count({
          index: 'members',
          pk: childrenPartition(execution.tenant, execution.id, shard),
          from: `${letter}#`,
          to: `${letter}#~`,
          limit: env.limits.executionItemsMax,
        })
        counts[status] += count
        counts.total += count
      }),
    ),
  )
  return counts
}

export const openCount = (counts: StatusCounts): number =>
  STATUSES.filter((status) => !isTerminal(status)).reduce((sum, status) => sum + counts[status], 0)

/** What the counts say about an execution that has not been closed yet. */
export function statusOf(execution: ExecutionRecord, counts: StatusCounts): ExecutionStatus {
  if (execution.status !== 'running') return execution.status
  if (openCount(counts) > 0) return execution.stop && counts.running === 0 ? 'stopped' : 'running'
  if (execution.stop) return 'stopped'
  if (execution.fanOut === 'listing') return 'running'
  return counts.error + execution.unresolved > 0 || execution.error ? 'error' : 'success'
}

/**
 * One flag stops all children: none claims after it (but one whose look at the flag came before), running ones abort at
 * their next poll. Throws `execution-not-found`, or `conflict` when it has ended.
 */
export async function stopExecution(
  tenant: string,
  id: string,
  env: Environment,
): Promise<{ execution: ExecutionRecord; already: boolean }> {
  const seen = await requireExecution(tenant, id, env)
  if (seen.stop || seen.status === 'stopped') return { execution: seen, already: true }
  const ended = (status: ExecutionStatus) =>
    new LongshoreError('conflict', `execution ${id} has already ended as ${status}; there is nothing to stop`)
  // Its children may all have ended before the sweep has closed it: that end was shown and stays.
  const now = seen.fanOut === 'listing' ? seen.status : statusOf(seen, await countChildren(seen, env))
  if (now !== 'running') throw ended(now)
  try {
    const item = await env.store.update(executionKey(tenant, id), { set: { stop: true } }, eq('status', 'running'))
    return { execution: executionOfItem(item), already: false }
  } catch (thrown) {
    if (!(thrown instanceof ConditionFailed)) throw thrown
    throw ended((await requireExecution(tenant, id, env)).status)
  }
}

/** Writes the end of an execution whose children have all ended; the counts are exact then. */
export async function closeExecution(
  execution: ExecutionRecord,
  counts: StatusCounts,
  env: Environment,
): Promise<void> {
  const now = env.clock.now()
  const set = {
    status: statusOf({ ...execution }, counts),
    counts: { ...counts },
    finishedAt: now,
    expires: Math.ceil(now / 1000) + env.limits.historyDays * 86_400,
  }
  await env.store
    .update(
      executionKey(execution.tenant, execution.id),
      { set, remove: ['o_pk', 'o_sk', 'lease', 'cursor'] },
      all(eq('status', 'running'), eq('fence', execution.fence)),
    )
    .catch((thrown: unknown) => {
      if (!(thrown instanceof ConditionFailed)) throw thrown
    })
}
