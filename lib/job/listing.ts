/**
 * The listing of an execution: walks what its selectors mean, puts one child per digest, and keeps its place. The place is
 * written after each page of tags, and every few seconds also where nothing matches, so that the next run goes on there.
 * The walk ends with the time of the function, and within seconds when the execution was stopped.
 */
import { LongshoreError } from '../errors.ts'
import type { Json } from '../glossary.ts'
import { ConditionFailed } from '../store/port.ts'
import { isLastTry, submitPage, unresolvedOf } from './children.ts'
import { madeSoFar } from './children-made.ts'
import type { Environment, Invocation } from './environment.ts'
import { type ExecutionRecord, executionOpenKeys, readExecution } from './execution-record.ts'
import { handOverMsOf, makerOf, mine, sendNext, update } from './fan-out-writes.ts'
import { executionKey } from './keys.ts'
import { type WalkCursor, type WalkedTag, walk } from './selector.ts'
import { within } from './within.ts'

/** How many of the tags that could not be submitted are kept with their reason. */
const UNRESOLVED_KEPT = 50

/** Throws ConditionFailed when a stop was asked or another run has the fence, else what the registry client throws. */
export async function list(execution: ExecutionRecord, env: Environment, invocation: Invocation): Promise<void> {
  const over = new AbortController()
  const halted = new AbortController()
  const late = new AbortController()
  const watcher = watch(execution, env, invocation, { over: over.signal, halted, late })
  try {
    await listOn(execution, env, invocation, { halted: halted.signal, late: late.signal })
  } catch (thrown) {
    // Whatever the aborted request threw: the reason is the flag.
    throw halted.signal.aborted ? new ConditionFailed(executionKey(execution.tenant, execution.id)) : thrown
  } finally {
    over.abort()
    await watcher
  }
}

async function listOn(
  execution: ExecutionRecord,
  env: Environment,
  invocation: Invocation,
  signals: { halted: AbortSignal; late: AbortSignal },
): Promise<void> {
  const maker = makerOf(execution, env)
  const { limits, clock } = env
  execution.made = await madeSoFar(execution, env)
  const start: WalkCursor = execution.cursor ?? { selector: 0 }
  let page: WalkedTag[] = []
  let refused: ExecutionRecord['unresolvedItems'] = []
  let last = start
  let written = { cursor: start, at: clock.now() }
  const flush = async () => {
    if (last === written.cursor) return
    const unresolved = [...refused, ...(await submitPage(page, maker, signals.halted))]
    page = []
    refused = []
    await checkpoint(execution, last, unresolved, env)
    written = { cursor: last, at: clock.now() }
  }
  const timeIsUp = () => invocation.remainingMs() <= handOverMsOf(env, invocation)
  const steps = walk(maker.bulk.selectors(maker.spec as never), start, env.registries(execution.tenant), {
    pageItems: limits.fanOutPageItems,
    signal: AbortSignal.any([signals.halted, signals.late]),
    isLastTry: isLastTry(execution, env),
  })
  for (;;) {
    const step = await steps.next().catch(async (thrown: unknown) => {
      // What was found before the error is no worse for it.
      if (!signals.halted.aborted) await flush()
      if (signals.late.aborted && last !== start) return undefined
      throw thrown
    })
    if (step?.done) break
    if (step) {
      last = step.value.cursor
      if (step.value.found) page.push(step.value.found)
      if (step.value.refused) refused.push(unresolvedOf(step.value.refused.item, step.value.refused.error))
      const isOld = clock.now() - written.at >= limits.progressWriteSeconds * 1000
      if (page.length + refused.length < limits.fanOutPageItems && !isOld && !timeIsUp()) continue
      await flush()
    }
    if (!step || timeIsUp()) return await sendNext(execution, mine(execution), env)
  }
  if (page.length + refused.length > 0) await flush()
  const now = clock.now()
  const openKeys = executionOpenKeys(execution.id, now + limits.eventSettleSeconds * 1000)
  const set = { fanOut: 'done', listedAt: now, lease: 0, ...openKeys }
  await update(execution, { set, remove: ['cursor'] }, mine(execution), env)
}

/**
 * Aborts the walk when a flag was set or another run has the fence, and when the function's time is used up. A look is a
 * read every `stopPollMs`; a short listing makes none.
 */
async function watch(
  execution: ExecutionRecord,
  env: Environment,
  invocation: Invocation,
  { over, halted, late }: { over: AbortSignal; halted: AbortController; late: AbortController },
): Promise<void> {
  const { clock, limits } = env
  const leftMs = () => Math.max(0, invocation.remainingMs() - handOverMsOf(env, invocation))
  for (;;) {
    await clock.sleep(Math.min(limits.stopPollMs, leftMs()), over)
    if (over.aborted) return
    if (leftMs() === 0)
      return late.abort(new LongshoreError('registry-timeout', 'no page was listed in the whole time of one function'))
    try {
      const seen = await within(leftMs(), readExecution(execution.tenant, execution.id, env), clock, over)
      if (seen === 'late') continue
      const isMine = seen?.status === 'running' && seen.fence === execution.fence
      if (!isMine || seen.stop || seen.cancel) return halted.abort(new Error('the listing was stopped'))
    } catch (thrown) {
      env.log.warn('a stop poll of a listing failed', { execution: execution.id, reason: String(thrown) })
    }
  }
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
  // What fails or is throttled after this begins to count anew: the listing has come further.
  execution.failures = 0
  execution.throttles = 0
  await update(
    execution,
    {
      set: {
        cursor: { ...cursor },
        made: execution.made ?? 0,
        failures: 0,
        ...(unresolved.length > 0 ? { unresolvedItems: kept as unknown as Json } : {}),
      },
      ...(unresolved.length > 0 ? { add: { unresolved: unresolved.length } } : {}),
      remove: ['throttles'],
    },
    mine(execution),
    env,
  )
}
