/**
 * The consumer of the fan-out queue: walks what a policy means, page by page, and puts one child per digest into the
 * bulk lane. After each page the cursor is written, fenced. A crash between puts and cursor repeats one page, and the
 * repeated puts find their children: nobody is submitted twice, because a child's id is the hash of execution and item.
 */
import * as z from 'zod'
import { asLongshoreError, LongshoreError } from '../errors.ts'
import type { Json } from '../glossary.ts'
import { absent, all, eq } from '../store/condition.ts'
import { type Change, type Condition, ConditionFailed } from '../store/port.ts'
import type { BulkType, FoundImage, JobType } from './define.ts'
import type { Environment, Invocation } from './environment.ts'
import { type ExecutionRecord, executionOfItem, executionOpenKeys, readExecution, sendFanOut } from './execution.ts'
import { ID_PATTERN, idOf } from './id.ts'
import { executionKey } from './keys.ts'
import { type WalkCursor, type WalkedTag, walk } from './selector.ts'
import { newJob, putJob, sendFirst } from './submit.ts'
import { leaseIsDead } from './transitions.ts'
import { backoffMs } from './wait.ts'
import type { Verdict } from './work.ts'

const hint = z.object({ tenant: z.string().min(1).max(64), execution: z.string().regex(ID_PATTERN) })

/** How many of the tags that could not be submitted are kept with their reason. */
const UNRESOLVED_KEPT = 50

/** One message, whole. Never throws. */
export async function fanOut(body: string, env: Environment, invocation: Invocation): Promise<Verdict> {
  let place: { tenant: string; execution: string }
  try {
    place = hint.parse(JSON.parse(body))
  } catch {
    env.log.error('a fan-out message that is not ours was dropped', {})
    return 'acknowledge'
  }
  try {
    const execution = await claimFanOut(place.tenant, place.execution, env, invocation)
    if (!execution) return 'acknowledge'
    try {
      await list(execution, env, invocation)
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
  if (seen?.status !== 'running' || seen.fanOut !== 'listing' || seen.stop) return undefined
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
      all(eq('fence', seen.fence), eq('lease', seen.lease), eq('fanOut', 'listing')),
      env,
    )
    return undefined
  }
  return await update(
    seen,
    { set: { lease, failures, claimedAt: now, ...executionOpenKeys(id, lease) }, add: { fence: 1 } },
    all(eq('fence', seen.fence), eq('lease', seen.lease), eq('fanOut', 'listing'), absent('stop')),
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

const mine = (execution: ExecutionRecord) => all(eq('status', 'running'), eq('fence', execution.fence), absent('stop'))

async function list(execution: ExecutionRecord, env: Environment, invocation: Invocation): Promise<void> {
  const type = env.types.get(execution.type)
  const bulk = type?.bulk as BulkType<unknown> | undefined
  if (!type || !bulk)
    throw new LongshoreError('config-invalid', `job type "${execution.type}" cannot run over many images`)
  const spec = bulk.spec.parse(execution.spec)
  const open = env.registries(execution.tenant)
  const { limits } = env
  const handOverMs = Math.min(limits.handOverMs, invocation.timeoutMs * 0.2)
  const stopped = new AbortController()
  const start: WalkCursor = execution.cursor ?? { selector: 0 }
  let page: WalkedTag[] = []
  let last = start
  const flush = async () => {
    if (page.length === 0) return
    const unresolved = await submitPage(page, execution, type, bulk, spec, env)
    page = []
    await checkpoint(execution, last, unresolved, env)
  }
  for await (const tag of walk(bulk.selectors(spec), start, open, {
    pageItems: limits.fanOutPageItems,
    signal: stopped.signal,
  })) {
    page.push(tag)
    last = tag.cursor
    if (page.length < limits.fanOutPageItems && invocation.remainingMs() > handOverMs) continue
    await flush()
    if (invocation.remainingMs() <= handOverMs) return await handOver(execution, env)
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

/** Resolves, puts and sends one page; returns what could not be submitted. */
async function submitPage(
  page: WalkedTag[],
  execution: ExecutionRecord,
  type: JobType<never>,
  bulk: BulkType<unknown>,
  spec: unknown,
  env: Environment,
): Promise<ExecutionRecord['unresolvedItems']> {
  const open = env.registries(execution.tenant)
  const unresolved: ExecutionRecord['unresolvedItems'] = []
  const found: FoundImage[] = []
  await inParallel(page, env.limits.fanOutResolvesInParallel, async ({ registry, repository, tag, named }) => {
    const item = `${registry}/${repository}:${tag}`
    try {
      const descriptor = await (await open(registry)).resolve(repository, tag, {
        timeoutMs: env.limits.registryRequestTimeoutMs,
      })
      if (descriptor) found.push({ registry, repository, tag, digest: descriptor.digest })
      // A pattern that matches repositories without this tag just does not match them.
      else if (named) unresolved.push({ item, code: 'image-not-found', message: `${item} was not found` })
    } catch (thrown) {
      const error = asLongshoreError(thrown)
      // A registry that limits or is gone concerns the whole page: it is listed again later.
      if (error.kind !== 'permanent') throw error
      unresolved.push({ item, code: error.code, message: error.message.slice(0, 200) })
    }
  })
  const children = new Map(
    found
      .sort((a, b) => (`${a.repository}:${a.tag}` < `${b.repository}:${b.tag}` ? -1 : 1))
      .map((image) => [bulk.child(spec as never, image).item, image] as const)
      .reverse(),
  )
  const fresh: Parameters<typeof sendFirst>[0] = []
  await inParallel([...children], env.limits.fanOutResolvesInParallel, async ([item, image]) => {
    const { params } = bulk.child(spec as never, image)
    const job = newJob(
      {
        tenant: execution.tenant,
        id: idOf('child', execution.tenant, execution.id, item),
        type: execution.type,
        lane: 'bulk',
        params,
        image,
        execution: execution.id,
      },
      type,
      env,
    )
    if ((await putJob(job, env)) === job) fresh.push(job)
  })
  await sendFirst(fresh, env)
  return unresolved
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

async function handOver(execution: ExecutionRecord, env: Environment): Promise<void> {
  const nextSendAt = env.clock.now() + 60_000
  await update(
    execution,
    { set: { lease: 0, nextSendAt, ...executionOpenKeys(execution.id, nextSendAt) } },
    mine(execution),
    env,
  )
  await sendFanOut(execution, env)
}

/** The listing failed as a whole: again later, or the end of the execution. */
async function failFanOut(execution: ExecutionRecord, error: LongshoreError, env: Environment): Promise<void> {
  const failures = execution.failures + 1
  const final = error.kind === 'permanent' || (error.kind === 'transient' && failures >= env.limits.maxAttempts)
  const now = env.clock.now()
  if (final) return await endListing(execution, error, failures, mine(execution), env)
  const delayMs = error.retryAfterMs ?? backoffMs(failures, env.limits, env.random)
  const nextSendAt = now + delayMs
  await update(
    execution,
    { set: { lease: 0, failures, nextSendAt, ...executionOpenKeys(execution.id, nextSendAt) } },
    mine(execution),
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

async function inParallel<T>(items: T[], width: number, each: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  await Promise.all(
    Array.from({ length: Math.min(width, queue.length) }, async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await each(item)
    }),
  )
}
