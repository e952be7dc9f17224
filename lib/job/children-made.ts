/**
 * How many children the listing of an execution has made, for `executionItemsMax`. Only fresh ones are counted, and the
 * number is written together with the cursor: a page that is worked on twice finds its children there, and counts once.
 */
import { LongshoreError } from '../errors.ts'
import type { Environment } from './environment.ts'
import { countAll } from './execution-counts.ts'
import type { ExecutionRecord } from './execution-record.ts'
import { jobKey } from './keys.ts'
import { isExpired } from './record.ts'

/** As noted; counted where a run that failed or died since may have made some that it could not note. */
export async function madeSoFar(execution: ExecutionRecord, env: Environment): Promise<number> {
  const { made, failures, throttles = 0 } = execution
  if (made !== undefined && failures + throttles === 0) return made
  return Math.max(made ?? 0, await countAll(execution, env))
}

/** Throws `invalid-value` when children with these ids would be too many; those that are there already are none more. */
export async function assertRoom(ids: string[], execution: ExecutionRecord, env: Environment): Promise<void> {
  const { tenant, id, made = 0 } = execution
  const { executionItemsMax } = env.limits
  if (made + ids.length <= executionItemsMax) return
  const items = await env.store.getMany(ids.map((child) => jobKey(tenant, child)))
  const more = ids.length - items.filter((item) => !isExpired(item, env.clock.now())).length
  if (more === 0 || made + more <= executionItemsMax) return
  throw new LongshoreError(
    'invalid-value',
    `execution ${id} has ${made} jobs, and its listing found at least ${more} more; at most ${executionItemsMax} are made of one (LONGSHORE_EXECUTION_ITEMS_MAX): name fewer images, or raise the limit and retry it`,
  )
}
