/** What a fan-out writes about itself: each write names the fence it holds, as a worker's of a job does. */
import { LongshoreError } from '../errors.ts'
import { absent, all, eq } from '../store/condition.ts'
import type { Change, Condition } from '../store/port.ts'
import type { Maker } from './children.ts'
import type { BulkType } from './define.ts'
import type { Environment, Invocation } from './environment.ts'
import { sendFanOut } from './execution.ts'
import { type ExecutionRecord, executionOfItem, executionOpenKeys } from './execution-record.ts'
import { executionKey } from './keys.ts'
import { delayFor, nextSendAt } from './wait.ts'

export async function update(
  execution: ExecutionRecord,
  change: Change,
  when: Condition,
  env: Environment,
): Promise<ExecutionRecord> {
  return executionOfItem(await env.store.update(executionKey(execution.tenant, execution.id), change, when))
}

export const held = (execution: ExecutionRecord) => all(eq('status', 'running'), eq('fence', execution.fence))
export const mine = (execution: ExecutionRecord) => all(held(execution), absent('stop'), absent('cancel'))

export function makerOf(execution: ExecutionRecord, env: Environment): Maker {
  const type = env.types.get(execution.type)
  const bulk = type?.bulk as BulkType<unknown> | undefined
  if (!type || !bulk)
    throw new LongshoreError('config-invalid', `job type "${execution.type}" cannot run over many images`)
  return { execution, type, bulk, spec: bulk.spec.parse(execution.spec), env }
}

export const handOverMsOf = (env: Environment, invocation: Invocation): number =>
  Math.min(env.limits.handOverMs, invocation.timeoutMs * 0.2)

/** The lease ends, and a message comes at this time; the sweep sends another when that one is lost. */
export async function sendNext(
  execution: ExecutionRecord,
  when: Condition,
  env: Environment,
  { dueInMs = 0, set = {} }: { dueInMs?: number; set?: Change['set'] } = {},
): Promise<void> {
  const now = env.clock.now()
  const dueAt = now + dueInMs
  const next = nextSendAt(1, now, dueAt)
  await update(
    execution,
    { set: { ...set, lease: 0, sentAt: now, sends: 1, nextSendAt: next, ...executionOpenKeys(execution.id, next) } },
    when,
    env,
  )
  const delay = delayFor(now, dueAt)
  if (delay !== undefined) await sendFanOut(execution, env, delay)
}
