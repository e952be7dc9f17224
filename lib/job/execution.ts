/**
 * One run of a policy, or one bulk request: the parent of many jobs. The tick is the execution: its id follows from
 * policy and instant, one put makes it exist once. Counts are never stored while it runs, they are read from the
 * children's index keys, so they cannot drift.
 */
import { asLongshoreError, LongshoreError } from '../errors.ts'
import type { Json } from '../glossary.ts'
import { absent, all, eq } from '../store/condition.ts'
import { ConditionFailed, type Item } from '../store/port.ts'
import type { Environment } from './environment.ts'
import { countChildren, statusOf } from './execution-counts.ts'
import {
  type ExecutionRecord,
  type ExecutionStatus,
  executionOfItem,
  executionOpenKeys,
  requireExecution,
  type StatusCounts,
} from './execution-record.ts'
import { HALTED } from './halt.ts'
import { executionKey, executionListPartition, stamp } from './keys.ts'
import { RECORD_VERSION } from './record.ts'

export const FAN_OUT = 'fan-out'

export interface NewExecution {
  id: string
  tenant: string
  type: string
  policy?: string
  trigger: ExecutionRecord['trigger']
  instant?: number
  spec: { [name: string]: Json }
}

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
    made: 0,
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
