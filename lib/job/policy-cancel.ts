/**
 * What becomes of executions whose policy was disabled or deleted: one flag, and their waiting children end as canceled
 * when they are claimed, while those that run may finish. Whoever changes the policy sets the flag; when that one dies in
 * between, or an execution began at that very moment, the sweep does.
 */
import { absent, all, eq } from '../store/condition.ts'
import { ConditionFailed } from '../store/port.ts'
import type { Environment } from './environment.ts'
import { type ExecutionRecord, executionOfItem, executionOpenKeys } from './execution-record.ts'
import { EXECUTION_SHARDS, executionKey, openPartition, policyKey } from './keys.ts'

/** All running executions of this policy, found among those that are open. */
export async function cancelExecutionsOf(tenant: string, policy: string, env: Environment): Promise<void> {
  const { store, limits } = env
  for (let shard = 0; shard < EXECUTION_SHARDS; shard++) {
    const page = await store.query({ index: 'open', pk: openPartition('execution', shard), limit: limits.sweepPageMax })
    const items = await store.getMany(page.items.map(({ pk, sk }) => ({ pk, sk })))
    for (const item of items)
      if (item.tenant === tenant && item.policy === policy) await cancel(executionOfItem(item), env)
  }
}

/** Sets the flag on those of these whose policy is gone or disabled; returns the others. */
export async function cancelWithoutPolicy(executions: ExecutionRecord[], env: Environment): Promise<ExecutionRecord[]> {
  const keyOf = ({ tenant, policy }: ExecutionRecord) => policyKey(tenant, policy ?? '')
  const asked = executions.filter(
    ({ status, policy, stop, cancel }) => status === 'running' && policy && !stop && !cancel,
  )
  if (asked.length === 0) return executions
  const items = await env.store.getMany(asked.map(keyOf))
  const enabled = new Set(items.filter((item) => item.enabled === true).map(({ pk, sk }) => `${pk} ${sk}`))
  const orphans = new Set(asked.filter((one) => !enabled.has(`${keyOf(one).pk} ${keyOf(one).sk}`)))
  for (const orphan of orphans) await cancel(orphan, env)
  return executions.filter((one) => !orphans.has(one))
}

async function cancel({ tenant, id }: ExecutionRecord, env: Environment): Promise<void> {
  const running = all(eq('status', 'running'), absent('stop'))
  const set = { cancel: true, ...executionOpenKeys(id, env.clock.now()) }
  await env.store.update(executionKey(tenant, id), { set }, running).catch((thrown: unknown) => {
    // It has ended, or was stopped, which is more.
    if (!(thrown instanceof ConditionFailed)) throw thrown
  })
}
