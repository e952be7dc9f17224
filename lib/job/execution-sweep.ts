/** The sweep's part for executions: lost fan-out messages are sent again, and what has ended is closed. */

import { all, eq } from '../store/condition.ts'
import { ConditionFailed, type Item } from '../store/port.ts'
import type { Environment } from './environment.ts'
import { closeExecution, sendFanOut } from './execution.ts'
import { countChildren, openCount, shownAt } from './execution-counts.ts'
import { type ExecutionRecord, executionOfItem, executionOpenKeys } from './execution-record.ts'
import { EXECUTION_SHARDS, executionKey, openPartition, stamp } from './keys.ts'
import { cancelWithoutPolicy } from './policy-cancel.ts'
import { leaseIsDead } from './transitions.ts'
import { nextSendAt } from './wait.ts'

/** Kept for what the sweep does after this; what is not looked at is looked at first by the next one. */
const KEPT_MS = 15_000
/** An execution that was counted in vain is counted again after this at the earliest ... */
const COUNT_AGAIN_MS = 30_000
/** ... and after so many times what the count took: a million children must not use up the sweeps of all others. */
const COUNT_SHARE = 20

/** Returns how many were closed. Begins with another shard each minute, so that none is always the last. */
export async function sweepExecutions(env: Environment, remainingMs = () => Number.POSITIVE_INFINITY): Promise<number> {
  const { store, clock, limits } = env
  const restarted = clock.now() - env.workersDeadBefore < 20 * 60_000
  const first = Math.floor(clock.now() / 60_000)
  let closed = 0
  for (let n = 0; n < EXECUTION_SHARDS && remainingMs() > KEPT_MS; n++) {
    const shard = (first + n) % EXECUTION_SHARDS
    const page = await store.query({
      index: 'open',
      pk: openPartition('execution', shard),
      ...(restarted ? {} : { to: `${stamp(clock.now())}~` }),
      limit: limits.sweepPageMax,
    })
    if (page.items.length === 0) continue
    const items = await store.getMany(page.items.map(({ pk, sk }) => ({ pk, sk })))
    const order = new Map(page.items.map(({ pk }, index) => [pk, index]))
    items.sort((a, b) => (order.get(a.pk) ?? 0) - (order.get(b.pk) ?? 0))
    for (const execution of await cancelWithoutPolicy(items.flatMap(readable(env)), env)) {
      if (remainingMs() <= KEPT_MS) break
      if (await sweepOne(execution, env)) closed++
    }
  }
  return closed
}

/** Of a version we do not know: one such record must not keep all others from being closed. */
const readable =
  (env: Environment) =>
  (item: Item): ExecutionRecord[] => {
    try {
      return [executionOfItem(item)]
    } catch (thrown) {
      env.log.error('an execution cannot be read and is passed over', { key: item.pk, reason: String(thrown) })
      return []
    }
  }

async function sweepOne(execution: ExecutionRecord, env: Environment): Promise<boolean> {
  const now = env.clock.now()
  if (execution.status !== 'running') return false
  const halted = execution.stop || execution.cancel
  // A retry that was cut has a page to finish.
  if (execution.fanOut === 'retrying' || (execution.fanOut === 'listing' && !halted)) {
    const overdue = execution.nextSendAt <= now || (execution.sentAt ?? execution.createdAt) < env.workersDeadBefore
    if (overdue && leaseIsDead(execution, now, env.workersDeadBefore)) await resend(execution, env)
    return false
  }
  if (shownAt(execution, env.limits) > now) return false
  const counts = await countChildren(execution, env)
  if (openCount(counts) > 0) {
    await countLater(execution, env.clock.now() - now, env)
    return false
  }
  await closeExecution(execution, counts, env)
  return true
}

/** Behind all others that wait for their count. */
async function countLater(execution: ExecutionRecord, tookMs: number, env: Environment): Promise<void> {
  const at = env.clock.now() + Math.max(COUNT_AGAIN_MS, COUNT_SHARE * tookMs)
  const asSeen = all(eq('status', 'running'), eq('fence', execution.fence))
  await env.store
    .update(executionKey(execution.tenant, execution.id), { set: executionOpenKeys(execution.id, at) }, asSeen)
    .catch((thrown: unknown) => {
      if (!(thrown instanceof ConditionFailed)) throw thrown
    })
}

async function resend(execution: ExecutionRecord, env: Environment): Promise<void> {
  const now = env.clock.now()
  const next = nextSendAt(execution.sends + 1, now)
  try {
    await env.store.update(
      executionKey(execution.tenant, execution.id),
      { set: { sentAt: now, nextSendAt: next, ...executionOpenKeys(execution.id, next) }, add: { sends: 1 } },
      eq('nextSendAt', execution.nextSendAt),
    )
    await sendFanOut(execution, env)
  } catch (thrown) {
    if (!(thrown instanceof ConditionFailed)) throw thrown
  }
}
