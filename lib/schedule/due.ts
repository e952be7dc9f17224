/**
 * The minute tick of schedules: each due policy fires exactly once per instant. The execution's id is the hash of policy
 * and instant, put if absent; only then `nextRunAt` moves on. A crash between the two repeats the put, which finds its
 * execution. Instants that were missed (the service was down) are caught up by one run.
 */
import { LongshoreError } from '../errors.ts'
import type { Environment } from '../job/environment.ts'
import { createExecution } from '../job/execution.ts'
import { countChildren, statusOf } from '../job/execution-counts.ts'
import { type ExecutionRecord, readExecution } from '../job/execution-record.ts'
import { idOf, newId } from '../job/id.ts'
import { EXECUTION_SHARDS, openPartition, policyKey, stamp } from '../job/keys.ts'
import { INDEX_LAG_SECONDS } from '../limits/job.ts'
import { absent, all, eq, exists } from '../store/condition.ts'
import { ConditionFailed } from '../store/port.ts'
import { nextRuns } from './cron.ts'
import { noteRun, type PolicyRecord, policyOfItem, requirePolicy } from './policy.ts'

/** Returns how many executions began. One policy's failure does not keep the others from firing. */
export async function fireDue(env: Environment): Promise<number> {
  const { store, clock, limits } = env
  let fired = 0
  for (let shard = 0; shard < EXECUTION_SHARDS; shard++) {
    const page = await store.query({
      index: 'open',
      pk: openPartition('policy', shard),
      to: `${stamp(clock.now())}~`,
      limit: limits.sweepPageMax,
    })
    for (const item of await store.getMany(page.items.map(({ pk, sk }) => ({ pk, sk })))) {
      try {
        if (await fire(policyOfItem(item), env)) fired++
      } catch (thrown) {
        env.log.error('a policy did not fire; the next tick tries again', { policy: item.sk, reason: String(thrown) })
      }
    }
  }
  return fired
}

async function fire(policy: PolicyRecord, env: Environment): Promise<boolean> {
  const now = env.clock.now()
  const instant = policy.nextRunAt
  if (!policy.enabled || !policy.cron || instant === undefined || instant > now) return false
  const id = idOf('tick', policy.tenant, policy.id, String(instant))
  const previous = await runningBefore(policy, id, env)
  const skip = previous ? `skipped: execution ${previous.id} of this policy is still running` : undefined
  const { execution, created } = await createExecution(
    {
      id,
      tenant: policy.tenant,
      type: policy.type,
      policy: policy.id,
      trigger: 'schedule',
      instant,
      spec: policy.spec,
    },
    env,
    skip,
  )
  const next = nextRuns(policy.cron, policy.timeZone, Math.max(now, instant), 1)[0]
  const { store } = env
  // What is stored decides, not what this tick would have put: another one may have looked before or after it.
  const skipped = execution.status === 'canceled'
  const began: { [name: string]: string } = skipped ? {} : { lastExecution: id, lastRun: id }
  await store
    .update(
      policyKey(policy.tenant, policy.id),
      next === undefined
        ? { remove: ['nextRunAt', 'o_pk', 'o_sk'], set: began }
        : { set: { nextRunAt: next, o_sk: `${stamp(next)}#${policy.id}`, ...began } },
      // An edit may have kept the instant and changed what comes after it: the next tick goes on by the new one.
      all(eq('nextRunAt', instant), eq('revision', policy.revision)),
    )
    .catch(async (thrown: unknown) => {
      if (!(thrown instanceof ConditionFailed)) throw thrown
      // Another tick was faster, which has noted the same; or an editor of the policy, who knows of no execution.
      if (!skipped) await noteBegun(policy, began, env)
    })
  return created && !skipped
}

/** What began is noted, so that the next instant sees it, unless a later one was noted since. */
async function noteBegun(policy: PolicyRecord, began: { [name: string]: string }, env: Environment): Promise<void> {
  const { tenant, id, lastExecution } = policy
  const unchanged = lastExecution === undefined ? absent('lastExecution') : eq('lastExecution', lastExecution)
  await env.store
    .update(policyKey(tenant, id), { set: began }, all(exists('pk'), unchanged))
    .catch((thrown: unknown) => {
      if (!(thrown instanceof ConditionFailed)) throw thrown
    })
}

/** The execution of an earlier instant, if it has not ended. */
async function runningBefore(policy: PolicyRecord, id: string, env: Environment): Promise<ExecutionRecord | undefined> {
  if (!policy.lastExecution || policy.lastExecution === id) return undefined
  const last = await readExecution(policy.tenant, policy.lastExecution, env)
  if (last?.status !== 'running') return undefined
  // What was listed just now may not be in the index yet: no child that is open does not mean that there is none.
  const shownMs = Math.min(env.limits.eventSettleSeconds, INDEX_LAG_SECONDS) * 1000 + 2 * env.limits.clockSkewMsMax
  const fresh = last.listedAt !== undefined && env.clock.now() < last.listedAt + shownMs
  if (fresh && !last.stop && !last.cancel) return last
  return statusOf(last, await countChildren(last, env)) === 'running' ? last : undefined
}

/** A run by hand, beside the schedule. Throws `policy-not-found`, `conflict` when the policy is disabled. */
export async function runPolicy(tenant: string, id: string, env: Environment): Promise<ExecutionRecord> {
  const policy = await requirePolicy(tenant, id, env)
  if (!policy.enabled) throw new LongshoreError('conflict', `policy ${id} is disabled; enable it before running it`)
  const { execution } = await createExecution(
    { id: newId(env.clock, env.random), tenant, type: policy.type, policy: id, trigger: 'manual', spec: policy.spec },
    env,
  )
  await noteRun(tenant, id, execution.id, env)
  return execution
}
