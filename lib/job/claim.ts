/**
 * From a message to a claimed record; or what becomes of a message that cannot have one: its job has ended, is at work,
 * is dead, is not due, belongs to an execution that was stopped, or the store does not answer.
 */
import { hash } from 'node:crypto'
import { asLongshoreError, LongshoreError } from '../errors.ts'
import { apply, readJob } from './apply.ts'
import { ending } from './ending.ts'
import type { Environment, Invocation } from './environment.ts'
import { HALTED, type Halt, haltOf } from './halt.ts'
import type { JobPlace } from './keys.ts'
import { messageOf, queueOf } from './message.ts'
import { isTerminal, type JobRecord } from './record.ts'
import { endDead, isAtItsEnd } from './recover.ts'
import * as transitions from './transitions.ts'
import { leaseIsDead } from './transitions.ts'
import type { Verdict } from './verdict.ts'
import { delayFor, parkSeconds } from './wait.ts'

/** Request id and message id in 16 characters, 96 bits: it stands in the record twice. */
export const claimToken = (requestId: string, messageId: string): string =>
  hash('sha256', `${requestId}:${messageId}`, 'base64url').slice(0, 16)

/** The claimed record, or what to do with the message instead. */
export async function claimJob(
  place: JobPlace,
  token: string,
  env: Environment,
  invocation: Invocation,
): Promise<JobRecord | Verdict> {
  const { store, clock, limits } = env
  const by = () => ({
    claim: token,
    now: clock.now(),
    lease: clock.now() + invocation.remainingMs() + limits.leaseMarginSeconds * 1000,
  })
  const halt = place.execution && (await haltOfParent(place.tenant, place.execution, env, invocation).catch(failed))
  if (halt instanceof LongshoreError) return await park(place, halt, env)
  if (halt) return await endHalted(place, halt, env)
  const claimed = await apply(store, place, transitions.claim(place, by())).catch(failed)
  const failure = claimed instanceof LongshoreError ? claimed : undefined
  if (claimed && !(claimed instanceof LongshoreError)) return claimed
  // What was throttled was not written; of another failure that is not known, and the record tells.
  if (failure?.kind === 'throttled') return await park(place, failure, env)

  const seen = await readJob(store, place.tenant, place.id, clock.now())
  if (!seen) {
    // The record is written before the message, so this is not ours to run; the dead-letter consumer will drop it.
    env.log.warn('a message names an unknown job', {
      requestId: invocation.requestId,
      jobId: place.id,
      type: place.type,
    })
    return 'return'
  }
  // A request that was retried after it had been applied: the write was ours.
  if (seen.status === 'running' && seen.claim === token) return seen
  if (failure) return await park(place, failure, env)
  if (isTerminal(seen.status)) return 'acknowledge'
  if (seen.status === 'running') return await takeOverDead(seen, by(), env)
  return await sendWhenDue(seen, env)
}

/** A child does not claim after its execution's flag, but for one that comes within a stop poll of its batch's last look. */
async function haltOfParent(
  tenant: string,
  id: string,
  env: Environment,
  invocation: Invocation,
): Promise<Halt | undefined> {
  const now = env.clock.now()
  const known = invocation.stopFlags.get(id)
  if (known && now - known.at < env.limits.stopPollMs) return await known.halt
  const halt = haltOf(env, tenant, id)
  invocation.stopFlags.set(id, { at: now, halt })
  return await halt
}

/**
 * A child that waits ends with its execution, and so does one whose worker is dead, which nobody else would stop before
 * the next tick; what a disabled policy leaves running may finish, or die and wait again.
 */
async function endHalted(place: JobPlace, halt: Halt, env: Environment): Promise<Verdict> {
  const { store, clock } = env
  const error = { ...HALTED[halt] }
  const [status, end] =
    halt === 'stop' ? (['stopped', transitions.stop] as const) : (['canceled', transitions.cancel] as const)
  if (await apply(store, place, end(place, ending(status, env, { error })))) env.metrics?.count(status, place.type)
  else if (halt === 'stop') {
    const seen = await readJob(store, place.tenant, place.id, clock.now())
    if (seen?.status === 'running' && isDead(seen, env)) await endDead(seen, env, error)
  }
  return 'acknowledge'
}

const isDead = (job: JobRecord, { clock, workersDeadBefore }: Environment): boolean =>
  leaseIsDead(job, clock.now(), workersDeadBefore)

async function takeOverDead(
  seen: JobRecord,
  by: { claim: string; now: number; lease: number },
  env: Environment,
): Promise<JobRecord | Verdict> {
  if (!isDead(seen, env)) return 'acknowledge'
  if (isAtItsEnd(seen)) {
    await endDead(seen, env)
    return 'acknowledge'
  }
  const taken = await apply(
    env.store,
    seen,
    transitions.takeOver(seen, { fence: seen.fence, lease: seen.lease ?? 0, attempting: seen.attempting }, by),
  ).catch(failed)
  const failure = taken instanceof LongshoreError ? taken : undefined
  if (taken && !(taken instanceof LongshoreError)) return taken
  if (failure?.kind === 'throttled') return await park(seen, failure, env)
  // As after a claim: whose answer was lost finds its own token.
  const now = await readJob(env.store, seen.tenant, seen.id, env.clock.now())
  if (now?.status === 'running' && now.claim === by.claim) return now
  return failure ? await park(seen, failure, env) : 'acknowledge'
}

/**
 * Waiting, but it could not be claimed: an early message is replaced by one that comes when the job is due; at once
 * when it has become due since the claim was asked for.
 */
async function sendWhenDue(seen: JobRecord, env: Environment): Promise<Verdict> {
  const delay = delayFor(env.clock.now(), seen.dueAt)
  // Beyond the longest delay the sweep sends it when it is due.
  if (delay !== undefined) await env.queue.send(queueOf(seen.type, seen.lane), [messageOf(seen, delay)])
  return 'acknowledge'
}

/** What the store fails at is no end of the message. Throws what is not the store's. */
function failed(thrown: unknown): LongshoreError {
  const error = asLongshoreError(thrown)
  if (error.code !== 'store-throttled' && error.code !== 'store-unavailable') throw thrown
  return error
}

/**
 * A store that throttles or is down says nothing about the job: returned, its message would burn a receive each time, until
 * it counted as poison. So another takes its place, later the longer the job waits already.
 */
async function park(place: JobPlace, error: LongshoreError, env: Environment): Promise<Verdict> {
  const delay = parkSeconds(env.clock.now() - place.createdAt, env.random)
  const lane = place.execution ? 'bulk' : 'interactive'
  await env.queue.send(queueOf(place.type, lane), [messageOf(place, delay)])
  const { id: jobId, type } = place
  env.log.warn('a message is put off: the store does not answer', { jobId, type, delay, reason: error.message })
  return 'acknowledge'
}
