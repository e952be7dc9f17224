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
import { HALTED } from './halt.ts'
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
import { attributesOf, isExpired, isTerminal, RECORD_VERSION } from './record.ts'
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
  /** Its policy was disabled or deleted: what waits is canceled when it is claimed, what runs may finish. */
  cancel?: boolean
  /** The policy's own fields as they were when it began. */
  spec: { [name: string]: Json }
  /** `retrying`: children that did not succeed are being submitted again. */
  fanOut: 'listing' | 'retrying' | 'done'
  /** Where the listing stands; kept at its end when it was not finished, so that a retry goes on from there. */
  cursor?: WalkCursor
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

export interface NewExecution {
  id: string
  tenant: string
  type: string
  policy?: string
  trigger: ExecutionRecord['trigger']
  instant?: number
  spec: { [name: string]: Json }
}

/** Throws for a version that this code does not read. */
export const executionOfItem = (item: Item): ExecutionRecord => attributesOf(item) as unknown as ExecutionRecord

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
    sentAt: now,
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
  const waiting = openCount(counts) - counts.running
  // A flag decides what waits, and what was not listed yet; one that came when all had ended decides nothing.
  const cut = waiting > 0 || execution.fanOut !== 'done'
  const flagged = execution.stop ? 'stopped' : execution.cancel && (cut || counts.canceled > 0) ? 'canceled' : undefined
  if (openCount(counts) > 0) return flagged && counts.running === 0 ? flagged : 'running'
  if (flagged) return flagged
  if (execution.fanOut !== 'done') return 'running'
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
  const now = seen.fanOut !== 'done' ? seen.status : statusOf(seen, await countChildren(seen, env))
  if (now !== 'running') throw ended(now)
  try {
    // Whatever it waited for, from now on the sweep looks at it.
    const set = { stop: true, ...executionOpenKeys(id, env.clock.now()) }
    const item = await env.store.update(executionKey(tenant, id), { set }, eq('status', 'running'))
    return { execution: executionOfItem(item), already: false }
  } catch (thrown) {
    if (!(thrown instanceof ConditionFailed)) throw thrown
    throw ended((await requireExecution(tenant, id, env)).status)
  }
}

/** Writes the end of an execution whose children have all ended; the counts are exact then. It may be retried. */
export async function closeExecution(
  execution: ExecutionRecord,
  counts: StatusCounts,
  env: Environment,
): Promise<void> {
  const now = env.clock.now()
  const status = statusOf(execution, counts)
  // A flag that came after this look decides the end, too: the next sweep looks again.
  const asSeen = (flag: 'stop' | 'cancel') => (execution[flag] ? eq(flag, true) : absent(flag))
  const set = {
    status,
    ...(status === 'canceled' ? { error: { ...HALTED.cancel } } : {}),
    counts: { ...counts },
    finishedAt: now,
    expires: Math.ceil(now / 1000) + env.limits.historyDays * 86_400,
  }
  await env.store
    .update(
      executionKey(execution.tenant, execution.id),
      { set: { ...set, lease: 0 }, remove: ['o_pk', 'o_sk'] },
      all(eq('status', 'running'), eq('fence', execution.fence), asSeen('stop'), asSeen('cancel')),
    )
    .catch((thrown: unknown) => {
      if (!(thrown instanceof ConditionFailed)) throw thrown
    })
}
