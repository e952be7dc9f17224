/**
 * The consumer of the fan-out queue: walks what a policy means, page by page, and puts one child per digest into the
 * bulk lane. After each page the cursor is written, fenced. A crash between puts and cursor repeats one page, and the
 * repeated puts find their children: nobody is submitted twice, because a child's id is the hash of execution and item.
 */
import { asLongshoreError, LongshoreError } from '../errors.ts'
import type { Json, Status } from '../glossary.ts'
import { absent, all, eq } from '../store/condition.ts'
import { type Change, type Condition, ConditionFailed, type Item } from '../store/port.ts'
import { finishPage, type Maker, retryChildren, submitPage, unresolvedTags } from './children.ts'
import type { BulkType } from './define.ts'
import type { Environment, Invocation } from './environment.ts'
import { type ExecutionRecord, executionOfItem, executionOpenKeys, readExecution, sendFanOut } from './execution.ts'
import { childrenPartition, executionKey, MEMBER_SHARDS, STATUS_LETTERS } from './keys.ts'
import { readFanOutMessage } from './message.ts'
import { isExpired, type JobRecord, jobOfItem } from './record.ts'
import { type WalkCursor, type WalkedTag, walk } from './selector.ts'
import { leaseIsDead } from './transitions.ts'
import { backoffMs } from './wait.ts'
import type { Verdict } from './work.ts'

/** How many of the tags that could not be submitted are kept with their reason. */
const UNRESOLVED_KEPT = 50

/** One message, whole. Never throws. */
export async function fanOut(body: string, env: Environment, invocation: Invocation): Promise<Verdict> {
  const place = readFanOutMessage(body)
  if (!place) {
    env.log.error('a fan-out message that is not ours was dropped', {})
    return 'acknowledge'
  }
  try {
    const execution = await claimFanOut(place.tenant, place.execution, env, invocation)
    if (!execution) return 'acknowledge'
    try {
      const { fanOut: phase } = execution
      const listing = phase === 'retrying' ? await retryUnsuccessful(execution, env, invocation) : execution
      if (listing) await list(listing, env, invocation)
    } catch (thrown) {
      if (thrown instanceof ConditionFailed) return 'acknowledge'
      await failFanOut(execution, asLongshoreError(thrown), env)
    }
    return 'acknowledge'
  } catch (thrown) {
    env.log.warn('a fan-out message goes back', {
      execution: place.execution,
      reason: asLongshoreError(thrown).message,
    })
    return 'return'
  }
}

/** The same rules as a job's claim: one living run, fenced. */
async function claimFanOut(
  tenant: string,
  id: string,
  env: Environment,
  invocation: Invocation,
): Promise<ExecutionRecord | undefined> {
  const now = env.clock.now()
  const lease = now + invocation.remainingMs() + env.limits.leaseMarginSeconds * 1000
  const seen = await readExecution(tenant, id, env)
  if (seen?.status !== 'running' || seen.fanOut === 'done') return undefined
  // A retry that was cut by a flag still has a page to finish, so that no child is counted beside its successor.
  const unflagged = seen.fanOut === 'listing' ? [absent('stop'), absent('cancel')] : []
  if (unflagged.length > 0 && (seen.stop || seen.cancel)) return undefined
  if (!leaseIsDead(seen, now, env.workersDeadBefore)) return undefined
  // A lease that ended by itself was a crash: a fan-out that always dies must end, too.
  const failures = seen.failures + (seen.lease > 0 ? 1 : 0)
  if (failures >= env.limits.maxAttempts) {
    const error = new LongshoreError(
      'lease-expired',
      `the listing died ${failures} times; look at the logs of the fan-out function`,
    )
    await endListing(
      seen,
      error,
      failures,
      all(eq('fence', seen.fence), eq('lease', seen.lease), eq('fanOut', seen.fanOut)),
      env,
    )
    return undefined
  }
  return await update(
    seen,
    { set: { lease, failures, claimedAt: now, ...executionOpenKeys(id, lease) }, add: { fence: 1 } },
    all(eq('fence', seen.fence), eq('lease', seen.lease), eq('fanOut', seen.fanOut), ...unflagged),
    env,
  ).catch((thrown: unknown) => {
    if (thrown instanceof ConditionFailed) return undefined
    throw thrown
  })
}

async function update(
  execution: ExecutionRecord,
  change: Change,
  when: Condition,
  env: Environment,
): Promise<ExecutionRecord> {
  return executionOfItem(await env.store.update(executionKey(execution.tenant, execution.id), change, when))
}

const held = (execution: ExecutionRecord) => all(eq('status', 'running'), eq('fence', execution.fence))
const mine = (execution: ExecutionRecord) => all(held(execution), absent('stop'), absent('cancel'))

function makerOf(execution: ExecutionRecord, env: Environment): Maker {
  const type = env.types.get(execution.type)
  const bulk = type?.bulk as BulkType<unknown> | undefined
  if (!type || !bulk)
    throw new LongshoreError('config-invalid', `job type "${execution.type}" cannot run over many images`)
  return { execution, type, bulk, spec: bulk.spec.parse(execution.spec), env }
}

const handOverMsOf = (env: Environment, invocation: Invocation): number =>
  Math.min(env.limits.handOverMs, invocation.timeoutMs * 0.2)

/**
 * Children that did not succeed, a page after the other. Returns the execution when its listing is to go on afterwards.
 * The flags are read with each cursor's write: the page before is whole then, whatever they say.
 */
async function retryUnsuccessful(
  execution: ExecutionRecord,
  env: Environment,
  invocation: Invocation,
): Promise<ExecutionRecord | undefined> {
  const maker = makerOf(execution, env)
  const { limits } = env
  let seen = execution
  for (;;) {
    const { retry } = seen
    const status = retry?.statuses[Math.floor(retry.at / MEMBER_SHARDS)]
    const halted = seen.stop || seen.cancel
    if (!retry || status === undefined) return await endRetry(seen, env)
    if (retry.tags && !halted) {
      const unresolved = await submitPage(unresolvedTags(seen.unresolvedItems), maker)
      const set = {
        retry: { ...retry, tags: false },
        unresolved: seen.unresolved - seen.unresolvedItems.length + unresolved.length,
        unresolvedItems: unresolved as unknown as Json,
      }
      seen = await update(seen, { set }, held(seen), env)
      continue
    }
    const letter = STATUS_LETTERS[status]
    const page = await env.store.query({
      index: 'members',
      pk: childrenPartition(seen.tenant, seen.id, retry.at % MEMBER_SHARDS),
      // "!" sorts before every character of a key, so this is what follows it.
      from: retry.after === undefined ? `${letter}#` : `${retry.after}!`,
      to: `${letter}#~`,
      limit: limits.fanOutPageItems,
    })
    const children = await unsuccessful(page.items, status, seen, env)
    if (halted) {
      await finishPage(children, seen, env)
      return await endRetry(seen, env)
    }
    await retryChildren(children, maker)
    const { after: _after, ...rest } = retry
    const last = page.items.at(-1)?.m_sk
    const next =
      page.cursor !== undefined && typeof last === 'string' ? { ...retry, after: last } : { ...rest, at: retry.at + 1 }
    seen = await update(seen, { set: { retry: next, failures: 0 } }, held(seen), env)
    if (invocation.remainingMs() > handOverMsOf(env, invocation)) continue
    await handOver(seen, held(seen), env)
    return undefined
  }
}

/** Those children themselves; successors that this very retry has made are not retried by it. */
async function unsuccessful(
  keys: Item[],
  status: Status,
  execution: ExecutionRecord,
  env: Environment,
): Promise<JobRecord[]> {
  const now = env.clock.now()
  const items = await env.store.getMany(keys.map(({ pk, sk }) => ({ pk, sk })))
  return items
    .filter((item) => !isExpired(item, now))
    .map(jobOfItem)
    .filter((job) => job.status === status && (job.generation ?? 0) < (execution.generation ?? 0))
}

async function endRetry(execution: ExecutionRecord, env: Environment): Promise<ExecutionRecord | undefined> {
  const now = env.clock.now()
  const relist = execution.retry?.relist === true
  const settledAt = now + env.limits.eventSettleSeconds * 1000
  const change: Change = relist
    ? { set: { fanOut: 'listing' }, remove: ['retry'] }
    : {
        set: { fanOut: 'done', listedAt: now, lease: 0, ...executionOpenKeys(execution.id, settledAt) },
        remove: ['retry'],
      }
  const ended = await update(execution, change, held(execution), env)
  return relist && !ended.stop && !ended.cancel ? ended : undefined
}

async function list(execution: ExecutionRecord, env: Environment, invocation: Invocation): Promise<void> {
  const maker = makerOf(execution, env)
  const { bulk, spec } = maker
  const open = env.registries(execution.tenant)
  const { limits } = env
  const handOverMs = handOverMsOf(env, invocation)
  const stopped = new AbortController()
  const start: WalkCursor = execution.cursor ?? { selector: 0 }
  let page: WalkedTag[] = []
  let last = start
  const flush = async () => {
    if (page.length === 0) return
    const unresolved = await submitPage(page, maker)
    page = []
    await checkpoint(execution, last, unresolved, env)
  }
  for await (const tag of walk(bulk.selectors(spec as never), start, open, {
    pageItems: limits.fanOutPageItems,
    signal: stopped.signal,
  })) {
    page.push(tag)
    last = tag.cursor
    if (page.length < limits.fanOutPageItems && invocation.remainingMs() > handOverMs) continue
    await flush()
    if (invocation.remainingMs() <= handOverMs) return await handOver(execution, mine(execution), env)
  }
  await flush()
  const now = env.clock.now()
  await update(
    execution,
    {
      set: {
        fanOut: 'done',
        listedAt: now,
        lease: 0,
        ...executionOpenKeys(execution.id, now + limits.eventSettleSeconds * 1000),
      },
      remove: ['cursor'],
    },
    mine(execution),
    env,
  )
}

/** Throws ConditionFailed when a stop was asked or another run has the fence: this run is over then. */
async function checkpoint(
  execution: ExecutionRecord,
  cursor: WalkCursor,
  unresolved: ExecutionRecord['unresolvedItems'],
  env: Environment,
): Promise<void> {
  const kept = [...execution.unresolvedItems, ...unresolved].slice(0, UNRESOLVED_KEPT)
  execution.unresolvedItems = kept
  await update(
    execution,
    {
      set: {
        cursor: { ...cursor },
        failures: 0,
        ...(unresolved.length > 0 ? { unresolvedItems: kept as unknown as Json } : {}),
      },
      ...(unresolved.length > 0 ? { add: { unresolved: unresolved.length } } : {}),
    },
    mine(execution),
    env,
  )
}

async function handOver(execution: ExecutionRecord, when: Condition, env: Environment): Promise<void> {
  const now = env.clock.now()
  const nextSendAt = now + 60_000
  await update(
    execution,
    { set: { lease: 0, sentAt: now, nextSendAt, ...executionOpenKeys(execution.id, nextSendAt) } },
    when,
    env,
  )
  await sendFanOut(execution, env)
}

/** The listing failed as a whole: again later, or the end of the execution. */
async function failFanOut(execution: ExecutionRecord, error: LongshoreError, env: Environment): Promise<void> {
  const failures = execution.failures + 1
  const final = error.kind === 'permanent' || (error.kind === 'transient' && failures >= env.limits.maxAttempts)
  const now = env.clock.now()
  if (final) return await endListing(execution, error, failures, held(execution), env)
  const delayMs = error.retryAfterMs ?? backoffMs(failures, env.limits, env.random)
  const nextSendAt = now + delayMs
  await update(
    execution,
    { set: { lease: 0, failures, sentAt: now, nextSendAt, ...executionOpenKeys(execution.id, nextSendAt) } },
    held(execution),
    env,
  )
  if (delayMs <= 900_000) await sendFanOut(execution, env, Math.ceil(delayMs / 1000))
}

async function endListing(
  execution: ExecutionRecord,
  error: LongshoreError,
  failures: number,
  when: Condition,
  env: Environment,
): Promise<void> {
  const now = env.clock.now()
  const reason = { code: error.code, message: error.message.slice(0, 500), retryable: error.retryable }
  const set = {
    fanOut: 'done',
    listedAt: now,
    lease: 0,
    failures,
    error: reason,
    ...executionOpenKeys(execution.id, now),
  }
  await update(execution, { set }, when, env)
}
