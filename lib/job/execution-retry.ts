/**
 * An execution is retried as itself: it runs again, and the fan-out function gives each of its children that did not
 * succeed a successor. One write begins it, however many children there are.
 */
import { LongshoreError } from '../errors.ts'
import type { Status } from '../glossary.ts'
import { absent, all, eq } from '../store/condition.ts'
import { ConditionFailed } from '../store/port.ts'
import { isPattern } from './children.ts'
import type { Environment } from './environment.ts'
import { sendFanOut } from './execution.ts'
import { countChildren, openCount, shownAt, statusOf } from './execution-counts.ts'
import { type ExecutionRecord, executionOfItem, executionOpenKeys, requireExecution } from './execution-record.ts'
import { HALTED } from './halt.ts'
import { executionKey, policyKey } from './keys.ts'
import { RECORD_VERSION } from './record.ts'

/** `failed`: the children that ended as error. `unsuccessful`: also those that were stopped or canceled. */
export type RetryMode = 'failed' | 'unsuccessful'

const STATUSES_OF: Record<RetryMode, Status[]> = {
  failed: ['error'],
  unsuccessful: ['error', 'stopped', 'canceled'],
}

/**
 * Throws `execution-not-found`, or `conflict`: it has not ended (also when it was just retried, so that asking twice adds
 * nobody twice), there is nothing to retry, or its policy is disabled.
 */
export async function retryExecution(
  tenant: string,
  id: string,
  mode: RetryMode,
  env: Environment,
): Promise<ExecutionRecord> {
  // It changes at most a few times while we look, by the sweep that closes it or by another retry.
  for (let round = 0; round < 5; round++) {
    const seen = await requireExecution(tenant, id, env)
    const begun = await begin(seen, await whatToRetry(seen, mode, env), env)
    if (!begun) continue
    await sendFanOut(begun, env)
    return begun
  }
  throw new LongshoreError('conflict', `execution ${id} kept changing while it was being retried; ask again`)
}

type Retry = NonNullable<ExecutionRecord['retry']>

/** `anew`: the listing that follows begins at the beginning, and nothing that could not be found is counted from before. */
interface Plan {
  retry: Retry
  anew: boolean
}

async function whatToRetry(seen: ExecutionRecord, mode: RetryMode, env: Environment): Promise<Plan> {
  const { tenant, id } = seen
  const refuse = (why: string, retryAfterMs?: number): never => {
    throw new LongshoreError('conflict', `execution ${id} ${why}`, retryAfterMs === undefined ? {} : { retryAfterMs })
  }
  const counts = seen.status !== 'running' && seen.counts ? seen.counts : await countChildren({ tenant, id }, env)
  const status = statusOf(seen, counts)
  if (status === 'running') refuse('is still running; it can be retried when it has ended')
  if (seen.status === 'running' && (seen.fanOut !== 'done' || openCount(counts) > 0))
    refuse(`was ${status}, but its last jobs have not ended yet; ask again in a minute or two`)
  // Who has failed and is not shown yet would be left out, and nobody would look for it again.
  const waitMs = seen.status === 'running' ? shownAt(seen, env.limits) - env.clock.now() : 0
  if (waitMs > 0)
    refuse(`is ${status}, but not all its jobs may be shown yet; ask again in ${Math.ceil(waitMs / 1000)} s`, waitMs)
  if (seen.policy) {
    const policy = await env.store.get(policyKey(tenant, seen.policy))
    if (policy?.enabled !== true)
      refuse(`belongs to policy ${seen.policy}, which is disabled or deleted; enable it first`)
  }
  const statuses = STATUSES_OF[mode]
  const children = statuses.reduce((sum, one) => sum + counts[one], 0)
  // A stop that came after the listing had failed hides that in the status, but not in the record.
  const failed = seen.error !== undefined && seen.error.code !== HALTED.cancel.code
  const cut = seen.fanOut !== 'done' || seen.cursor !== undefined || seen.retry?.cut === true || failed
  // Where more failed than is kept, or a repository told no tags, only a new listing finds what they were.
  const lost = seen.unresolved > seen.unresolvedItems.length || seen.unresolvedItems.some(isPattern)
  const relist = lost || (status === 'error' && seen.error !== undefined) || (mode === 'unsuccessful' && cut)
  // A listing that begins anew counts them anew.
  const anew = relist && (lost || seen.cursor === undefined)
  const tags = !anew && seen.unresolvedItems.length > 0
  if (children === 0 && !relist && !tags)
    refuse(
      mode === 'failed' && counts.stopped + counts.canceled > 0
        ? 'has no job that failed; without failed=only those that were stopped or canceled are retried too'
        : 'has nothing to retry: none of its jobs failed; run its policy, or submit it again',
    )
  return { retry: { statuses, at: 0, relist, tags, ...(cut && !relist ? { cut } : {}) }, anew }
}

/** Undefined when it has changed since it was read. */
async function begin(
  seen: ExecutionRecord,
  { retry, anew }: Plan,
  env: Environment,
): Promise<ExecutionRecord | undefined> {
  const now = env.clock.now()
  const nextSendAt = now + 60_000
  const same = [eq('status', seen.status), eq('fence', seen.fence), eq('fanOut', seen.fanOut)]
  const unflagged = (['stop', 'cancel'] as const).flatMap((flag) => (seen[flag] ? [] : [absent(flag)]))
  try {
    const item = await env.store.update(
      executionKey(seen.tenant, seen.id),
      {
        set: {
          v: RECORD_VERSION,
          status: 'running',
          fanOut: 'retrying',
          retry: { ...retry },
          failures: 0,
          lease: 0,
          sends: 1,
          sentAt: now,
          nextSendAt,
          ...executionOpenKeys(seen.id, nextSendAt),
          ...(anew ? { unresolved: 0, unresolvedItems: [] } : {}),
        },
        add: { fence: 1, generation: 1 },
        remove: [
          ...['stop', 'cancel', 'error', 'counts', 'made', 'finishedAt', 'listedAt', 'expires'],
          ...(anew ? ['cursor'] : []),
        ],
      },
      all(...same, ...unflagged),
    )
    return executionOfItem(item)
  } catch (thrown) {
    if (thrown instanceof ConditionFailed) return undefined
    throw thrown
  }
}
