/**
 * The trace that every sweep leaves: when it ran, and the oldest job of each queue that it knows to wait. One read and one
 * write a minute; whoever asks whether the service is well reads this one item instead of looking through the queues.
 *
 * A sweep meets a waiting job when something about it is overdue, not each minute. So the oldest one is kept here and read
 * again by the next sweeps until it waits no more: one job that is stuck is seen to grow older without a gap.
 */
import type { Json, Lane } from '../glossary.ts'
import type { Key } from '../store/port.ts'
import { readJob } from './apply.ts'
import type { Environment } from './environment.ts'
import { queueOf } from './message.ts'
import { isTerminal, type JobRecord } from './record.ts'

export const heartbeatKey: Key = { pk: 'C#sweep', sk: '#' }

export interface Waiting {
  tenant: string
  id: string
  type: string
  lane: Lane
  /** Milliseconds since the epoch: accepted, or due if it has a time of its own. */
  since: number
}

export interface Heartbeat {
  /** Milliseconds since the epoch. */
  at: number
  /** By queue. */
  oldest: { [queue: string]: Waiting }
}

/** Keeps the oldest of each queue among the jobs it is told of. */
export class OldestWaiting {
  readonly byQueue = new Map<string, Waiting>()
  readonly #now: number

  constructor(now: number) {
    this.#now = now
  }

  met(job: JobRecord): void {
    const since = Math.max(job.createdAt, job.dueAt ?? 0)
    if (isTerminal(job.status) || job.status === 'running' || since > this.#now) return
    const { tenant, id, type, lane } = job
    const queue = queueOf(type, lane)
    const known = this.byQueue.get(queue)
    if (!known || since < known.since) this.byQueue.set(queue, { tenant, id, type, lane, since })
  }
}

/** Leaves the trace of a sweep that is over. */
export async function beat(waiting: OldestWaiting, env: Environment): Promise<void> {
  const before = await lastBeat(env)
  for (const { tenant, id } of Object.values(before?.oldest ?? {})) {
    const job = await readJob(env.store, tenant, id, env.clock.now())
    if (job) waiting.met(job)
  }
  const now = env.clock.now()
  for (const { type, lane, since } of waiting.byQueue.values())
    env.metrics?.measure(
      lane === 'bulk' ? 'oldestWaitingBulkSeconds' : 'oldestWaitingSeconds',
      type,
      Math.floor((now - since) / 1000),
    )
  const oldest = Object.fromEntries(waiting.byQueue) as unknown as Json
  await env.store.update(heartbeatKey, { set: { at: now, oldest } })
}

/** Undefined before the first sweep of this table. */
export async function lastBeat(env: Pick<Environment, 'store'>): Promise<Heartbeat | undefined> {
  const item = await env.store.get(heartbeatKey)
  return item && typeof item.at === 'number' ? (item as unknown as Heartbeat) : undefined
}
