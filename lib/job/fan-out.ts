/**
 * The consumer of the fan-out queue: walks what a policy means, page by page, and puts one child per digest into the
 * bulk lane. After each page the cursor is written, fenced. A crash between puts and cursor repeats one page, and the
 * repeated puts find their children: nobody is submitted twice, because a child's id is the hash of execution and item.
 */
import { asLongshoreError, LongshoreError } from '../errors.ts'
import type { Json, Status } from '../glossary.ts'
import { absent, all, eq } from '../store/condition.ts'
import { type Change, type Condition, ConditionFailed, type Item } from '../store/port.ts'
import { finishPage, retryChildren, submitPage, unresolvedTags } from './children.ts'
import { madeSoFar } from './children-made.ts'
import type { Environment, Invocation } from './environment.ts'
import { type ExecutionRecord, executionOpenKeys, readExecution } from './execution-record.ts'
import { handOverMsOf, held, makerOf, sendNext, update } from './fan-out-writes.ts'
import { childrenPartition, MEMBER_SHARDS, STATUS_LETTERS } from './keys.ts'
import { list } from './listing.ts'
import { readFanOutMessage } from './message.ts'
import { isExpired, type JobRecord, jobOfItem } from './record.ts'
import { logLine } from './redact.ts'
import { leaseIsDead } from './transitions.ts'
import type { Verdict } from './verdict.ts'
import { retryMs, throttleMs } from './wait.ts'

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
  let seen = execution
  for (;;) {
    const { retry } = seen
    const status = retry?.statuses[statusIndex(retry)]
    const halted = seen.stop || seen.cancel
    if (!retry || status === undefined) return await endRetry(seen, env)
    if (retry.tags && !halted) {
      execution.made = await madeSoFar(seen, env)
      const unresolved = await submitPage(unresolvedTags(seen.unresolvedItems), maker).catch((thrown: unknown) => {
        // No room for more: these stay as they are, and what is there already is retried.
        if (asLongshoreError(thrown).code !== 'invalid-value') throw thrown
        return seen.unresolvedItems
      })
      const set = {
        made: execution.made,
        retry: { ...retry, tags: false },
        unresolved: seen.unresolved - seen.unresolvedItems.length + unresolved.length,
        unresolvedItems: unresolved as unknown as Json,
      }
      seen = await update(seen, { set }, held(seen), env)
      continue
    }
    const { children, next } = await pageOf(seen, retry, status, env)
    if (halted) {
      await finishPage(children, seen, env)
      return await endRetry(seen, env)
    }
    await retryChildren(children, maker)
    seen = await update(seen, { set: { retry: next, failures: 0 }, remove: ['throttles'] }, held(seen), env)
    // What fails or is throttled after this begins to count anew.
    execution.failures = 0
    execution.throttles = 0
    if (invocation.remainingMs() > handOverMsOf(env, invocation)) continue
    await sendNext(seen, held(seen), env)
    return undefined
  }
}

type Retry = NonNullable<ExecutionRecord['retry']>

/** The children at which a retry stands, and where it goes on after them. */
async function pageOf(
  execution: ExecutionRecord,
  retry: Retry,
  status: Status,
  env: Environment,
): Promise<{ children: JobRecord[]; next: Retry }> {
  const letter = STATUS_LETTERS[status]
  const page = await env.store.query({
    index: 'members',
    pk: childrenPartition(execution.tenant, execution.id, retry.at % MEMBER_SHARDS),
    // "!" sorts before every character of a key, so this is what follows it.
    from: retry.after === undefined ? `${letter}#` : `${retry.after}!`,
    to: `${letter}#~`,
    limit: env.limits.fanOutPageItems,
  })
  const children = await unsuccessful(page.items, status, execution, env)
  const { after: _after, ...rest } = retry
  const last = page.items.at(-1)?.m_sk
  const goesOn = page.cursor !== undefined && typeof last === 'string'
  return { children, next: goesOn ? { ...retry, after: last } : { ...rest, at: retry.at + 1 } }
}

/** A retry that ends before its time: what of its page has a successor is no longer counted beside it. */
async function finishRetry({ tenant, id, fanOut }: ExecutionRecord, env: Environment): Promise<void> {
  if (fanOut !== 'retrying') return
  // Where it stands now, not where this run began.
  const execution = await readExecution(tenant, id, env)
  const retry = execution?.retry
  const status = retry?.statuses[statusIndex(retry)]
  if (!execution || !retry || status === undefined) return
  await finishPage((await pageOf(execution, retry, status, env)).children, execution, env)
}

const statusIndex = ({ at }: Retry): number => Math.floor(at / MEMBER_SHARDS)

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

const CUT = {
  code: 'stopped-by-user',
  message: 'its listing had been stopped and only what failed was retried; retry it once more to list the rest',
  retryable: true,
} as const

async function endRetry(execution: ExecutionRecord, env: Environment): Promise<ExecutionRecord | undefined> {
  const now = env.clock.now()
  const { retry } = execution
  const relist = retry?.relist === true
  const settledAt = now + env.limits.eventSettleSeconds * 1000
  const done = { fanOut: 'done', listedAt: now, lease: 0, ...executionOpenKeys(execution.id, settledAt) }
  const change: Change = relist
    ? { set: { fanOut: 'listing' }, remove: ['retry'] }
    : // A listing that was cut is told as long as nobody takes it up again: not all images had their job.
      retry?.cut
      ? { set: { ...done, error: { ...CUT } } }
      : { set: done, remove: ['retry'] }
  const ended = await update(execution, change, held(execution), env)
  return relist && !ended.stop && !ended.cancel ? ended : undefined
}

/** The listing failed as a whole: again later, or the end of the execution. A throttle is waited out, and counts as nothing else. */
async function failFanOut(execution: ExecutionRecord, error: LongshoreError, env: Environment): Promise<void> {
  const { limits, random } = env
  const isThrottled = error.kind === 'throttled'
  const throttles = (execution.throttles ?? 0) + (isThrottled ? 1 : 0)
  const failures = execution.failures + (isThrottled ? 0 : 1)
  const final = error.kind === 'permanent' || failures >= limits.maxAttempts || throttles > limits.throttlesMax
  if (final) return await endListing(execution, error, failures, held(execution), env)
  const dueInMs = isThrottled
    ? throttleMs(error.retryAfterMs, random)
    : retryMs(failures, error.retryAfterMs, limits, random)
  const set = { failures, ...(throttles > 0 ? { throttles } : {}) }
  await sendNext(execution, held(execution), env, { dueInMs, set })
}

async function endListing(
  execution: ExecutionRecord,
  error: LongshoreError,
  failures: number,
  when: Condition,
  env: Environment,
): Promise<void> {
  await finishRetry(execution, env)
  const now = env.clock.now()
  const reason = { code: error.code, message: logLine(error.message).slice(0, 500), retryable: error.retryable }
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
