/**
 * Accepting a job: validate -> resolve the digest -> put the record if absent -> send the message. The record comes
 * first: it is the outbox. A crash before the send is healed by the sweep, and nothing is stored when validation or
 * resolution fails.
 */
import { hash } from 'node:crypto'
import { asLongshoreError, LongshoreError } from '../errors.ts'
import type { Json, Lane } from '../glossary.ts'
import { formatReference } from '../oci/reference.ts'
import { absent, any, le } from '../store/condition.ts'
import { ConditionFailed, type Item } from '../store/port.ts'
import { readJob } from './apply.ts'
import type { JobDefinition, ResolvedImage } from './define.ts'
import type { Environment } from './environment.ts'
import { idOf, newId } from './id.ts'
import { memberKeys, openKeys } from './keys.ts'
import { messageOf, queueOf } from './message.ts'
import { itemOfJob, type JobRecord, RECORD_VERSION } from './record.ts'
import { parseParams } from './validate.ts'
import { delayFor, nextSendAt } from './wait.ts'

export interface Submission {
  tenant: string
  type: string
  params: Json | undefined
  idempotencyKey?: string
  /** Milliseconds since the epoch: not to be run before. */
  dueAt?: number
  retryOf?: string
}

/** `created: false`: the idempotency key named a job that was there already. */
export interface Submitted {
  job: JobRecord
  created: boolean
}

/**
 * Throws `invalid-value`, `image-not-found`, `registry-not-allowed`, `registry-*`, `idempotency-key-reused`,
 * `store-*`; then nothing was stored (after `store-unavailable` the record may be there: repeat with the same key).
 */
export async function submit(submission: Submission, env: Environment): Promise<Submitted> {
  const { type, params } = parseParams(submission.type, submission.params, env.types)
  const { tenant, idempotencyKey } = submission
  const id = idempotencyKey ? idOf('job', tenant, idempotencyKey) : newId(env.clock, env.random)
  const request = [submission.type, params, ...(submission.dueAt === undefined ? [] : [submission.dueAt])]
  const requestHash = hash('sha256', JSON.stringify(request), 'base64url').slice(0, 22)
  if (idempotencyKey) {
    const existing = await readJob(env.store, tenant, id, env.clock.now())
    if (existing) return { job: sameRequest(existing, requestHash, idempotencyKey), created: false }
  }
  checkDue(submission.dueAt, env)
  const image = await resolveImage(type, params, tenant, env)
  // Stored as submitted: defaults of the schema are filled in by the worker.
  const asSubmitted = (submission.params ?? {}) as { [name: string]: Json }
  const { dueAt, retryOf } = submission
  const job = newJob(
    {
      tenant,
      id,
      type: type.type,
      lane: 'interactive',
      params: asSubmitted,
      image,
      // Only a key can name a job that is there already.
      ...(idempotencyKey ? { requestHash } : {}),
      ...(dueAt === undefined ? {} : { dueAt }),
      ...(retryOf ? { retryOf } : {}),
    },
    type,
    env,
  )
  const stored = await putJob(job, env)
  if (stored !== job) return { job: sameRequest(stored, requestHash, idempotencyKey ?? ''), created: false }
  await sendFirst([job], env)
  return { job, created: true }
}

/** Behind the look for the idempotency key: a request that is repeated late still finds its job. */
function checkDue(dueAt: number | undefined, { clock, limits }: Environment): void {
  if (dueAt === undefined) return
  const refuse = (why: string): never => {
    const detail = `${Number.isFinite(dueAt) ? new Date(dueAt).toISOString() : 'the time'} ${why}`
    throw new LongshoreError('invalid-value', detail, { errors: [{ pointer: '/dueAt', detail }] })
  }
  if (!(dueAt > clock.now())) refuse('has passed; leave dueAt out to run the job at once')
  if (dueAt > clock.now() + limits.dueDaysMax * 86_400_000)
    refuse(`is more than ${limits.dueDaysMax} days ahead; use a policy with a cron for what comes later`)
}

function sameRequest(existing: JobRecord, requestHash: string, key: string): JobRecord {
  if (existing.requestHash === requestHash) return existing
  throw new LongshoreError(
    'idempotency-key-reused',
    `Idempotency-Key "${key.slice(0, 64)}" belongs to job ${existing.id}, which was submitted with another body; use a new key`,
  )
}

/** The digest behind the tag, within `resolveTimeoutMs`, and a word on every other host before the job is accepted. */
export async function resolveImage(
  type: JobDefinition<never>,
  params: never,
  tenant: string,
  env: Environment,
): Promise<ResolvedImage> {
  const { reference, pointer: own } = type.image(params)
  const pointer = `/params${own}`
  const open = env.registries(tenant)
  const at = (where: string) => (thrown: unknown) => {
    const error = asLongshoreError(thrown)
    throw new LongshoreError(error.code, error.message, {
      ...(error.side ? { side: error.side } : {}),
      ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
      cause: thrown,
      errors: [{ pointer: where, detail: error.message }],
    })
  }
  for (const other of type.otherHosts(params)) await open(other.host).catch(at(`/params${other.pointer}`))
  const client = await open(reference.registry).catch(at(pointer))
  const found = await client
    .resolve(reference.repository, reference.digest ?? reference.tag ?? 'latest', {
      timeoutMs: env.limits.resolveTimeoutMs,
    })
    .catch(at(pointer))
  if (!found) {
    const message = `${formatReference(reference)} was not found; check the repository and the tag, and whether ${reference.registry} needs credentials (PUT /v1/registries/${reference.registry})`
    throw new LongshoreError('image-not-found', message, { side: 'source', errors: [{ pointer, detail: message }] })
  }
  const { registry, repository, tag } = reference
  return { registry, repository, ...(tag ? { tag } : {}), digest: found.digest }
}

interface NewJob {
  tenant: string
  id: string
  type: string
  lane: Lane
  params: { [name: string]: Json }
  image: ResolvedImage
  execution?: string
  dueAt?: number
  retryOf?: string
  generation?: number
  followUpOf?: string
  requestHash?: string
}

/** A record as it is first written. */
export function newJob(job: NewJob, type: JobDefinition<never>, env: Environment): JobRecord {
  const now = env.clock.now()
  const scheduled = job.dueAt !== undefined && job.dueAt > now
  // Beyond the longest delay of a queue the sweep sends the first message, when it is due.
  const sent = delayFor(now, scheduled ? job.dueAt : undefined) !== undefined
  return {
    v: RECORD_VERSION,
    id: job.id,
    tenant: job.tenant,
    type: job.type,
    lane: job.lane,
    status: scheduled ? 'scheduled' : 'pending',
    params: job.params,
    image: job.image,
    failures: 0,
    attempting: 0,
    maxAttempts: Math.min(type.limits.maxAttempts, env.limits.maxAttempts),
    fence: 0,
    createdAt: now,
    sentAt: now,
    nextSendAt: nextSendAt(1, now, scheduled ? job.dueAt : now),
    sends: sent ? 1 : 0,
    ...(scheduled ? { dueAt: job.dueAt } : {}),
    ...(job.execution ? { execution: job.execution } : {}),
    ...(job.retryOf ? { retryOf: job.retryOf } : {}),
    ...(job.generation ? { generation: job.generation } : {}),
    ...(job.followUpOf ? { followUpOf: job.followUpOf } : {}),
    ...(job.requestHash ? { requestHash: job.requestHash } : {}),
    submitToken: Buffer.from(env.random.bytes(9)).toString('base64url'),
  }
}

/** Puts it if absent. Returns `job` itself when this call stored it, else the record that was there. */
export async function putJob(job: JobRecord, env: Environment): Promise<JobRecord> {
  const item: Item = {
    ...itemOfJob(job),
    ...memberKeys(job, job.status),
    ...openKeys(job, job.status, job.nextSendAt),
  }
  const bytes = Buffer.byteLength(JSON.stringify(item))
  if (bytes > env.limits.recordBytesMax)
    throw new LongshoreError(
      'invalid-value',
      `the job record would have ${bytes} bytes, at most ${env.limits.recordBytesMax} are stored; use shorter parameters`,
    )
  try {
    await env.store.put(item, notThere(env.clock.now()))
    return job
  } catch (thrown) {
    if (!(thrown instanceof ConditionFailed)) throw thrown
    const existing = await readJob(env.store, job.tenant, job.id, env.clock.now())
    if (!existing) throw new LongshoreError('conflict', `job ${job.id} has just expired; submit it again`)
    // A request that was retried after it had been applied: the record is ours.
    return existing.submitToken === job.submitToken ? job : existing
  }
}

/** Absent, or expired and only not deleted yet: DynamoDB takes up to two days for that. */
const notThere = (now: number) => any(absent('pk'), le('expires', Math.floor(now / 1000)))

/** The first messages, ten to a call. A failure is only logged: the records are stored, the sweep will send. */
export async function sendFirst(jobs: JobRecord[], env: Environment): Promise<void> {
  const now = env.clock.now()
  const byQueue = new Map<string, JobRecord[]>()
  for (const job of jobs) {
    env.metrics?.count('submitted', job.type)
    const queue = queueOf(job.type, job.lane)
    byQueue.set(queue, [...(byQueue.get(queue) ?? []), job])
  }
  for (const [queue, members] of byQueue) {
    const messages = members.flatMap((job) => {
      const delay = delayFor(now, job.dueAt)
      return delay === undefined ? [] : [messageOf(job, delay)]
    })
    if (messages.length === 0) continue
    await env.queue.send(queue, messages).catch((thrown: unknown) => {
      env.log.warn('the first message was not sent; the sweep will send it', {
        queue,
        jobs: members.length,
        reason: asLongshoreError(thrown).message,
      })
    })
  }
}
