/**
 * The outbox. A terminal status, or what has changed about an image, is written together with its place in the outbox
 * index; the sweep walks that index from a cursor, hands over what it finds and moves the cursor after it. So an event
 * costs no write of its own, and a crash between the two hands it over twice, never not at all.
 *
 * Only entries older than `eventSettleSeconds` are taken: an index may lag behind the table, and clocks differ.
 */

import { asLongshoreError } from '../errors.ts'
import type { DomainEvent } from '../events/port.ts'
import { absent, eq } from '../store/condition.ts'
import { ConditionFailed, type Item } from '../store/port.ts'
import type { Environment } from './environment.ts'
import { eventCursorKey, OPEN_SHARDS, outboxPartition, stamp } from './keys.ts'
import { attemptOf, type JobRecord, jobOfItem } from './record.ts'

/** Returns how many were handed over. A shard whose hand-over fails is tried again by the next sweep. */
export async function handOverEvents(env: Environment): Promise<number> {
  try {
    const cursors = await env.store.getMany(CURSORS)
    const afters = new Map(cursors.map(({ sk, after }) => [sk, typeof after === 'string' ? after : undefined]))
    const to = stamp(env.clock.now() - env.limits.eventSettleSeconds * 1000)
    const counts = await Promise.all(CURSORS.map((key, shard) => handOverShard(shard, afters.get(key.sk), to, env)))
    return counts.reduce((sum, count) => sum + count, 0)
  } catch (thrown) {
    env.log.warn('events could not be handed over', { reason: String(thrown) })
    return 0
  }
}

const CURSORS = Array.from({ length: OPEN_SHARDS }, (_, shard) => eventCursorKey(shard))

async function handOverShard(shard: number, after: string | undefined, to: string, env: Environment): Promise<number> {
  const query = { index: 'open', pk: outboxPartition(shard), to, limit: env.limits.sweepPageMax } as const
  try {
    const { items } = await env.store.query(after === undefined ? query : { ...query, from: after })
    return items.length === 0 ? 0 : await handOverPage(shard, after, items, env)
  } catch (thrown) {
    env.log.warn('events could not be handed over', { shard, reason: String(thrown) })
    return 0
  }
}

async function handOverPage(shard: number, after: string | undefined, page: Item[], env: Environment): Promise<number> {
  const { store } = env
  const entries = page.filter((item) => item.o_sk !== after)
  const last = entries.at(-1)?.o_sk
  if (typeof last !== 'string') return 0
  const order = new Map(entries.map((entry, index) => [entry.pk, index]))
  const events = (await store.getMany(entries.map(({ pk, sk }) => ({ pk, sk }))))
    .sort((a, b) => (order.get(a.pk) ?? 0) - (order.get(b.pk) ?? 0))
    .flatMap((item) => {
      try {
        return [eventOfItem(item)]
      } catch (thrown) {
        env.log.error('the event of a record that cannot be read is passed over', {
          key: item.pk,
          reason: String(thrown),
        })
        return []
      }
    })
  const refused = await handOver(events, env)
  try {
    await store.update(eventCursorKey(shard), { set: { after: last } }, after ? eq('after', after) : absent('after'))
  } catch (thrown) {
    // Another sweep was faster: both have handed over, nothing is lost.
    if (!(thrown instanceof ConditionFailed)) throw thrown
  }
  return events.length - refused
}

/**
 * Hands over all but those that the other side refuses for good, which is told as an error: waiting for them would keep
 * every later event of the shard. What they say stays in their records. Returns how many were refused.
 */
async function handOver(events: DomainEvent[], env: Environment): Promise<number> {
  const [first] = events
  if (!first) return 0
  try {
    await env.events.put(events)
    return 0
  } catch (thrown) {
    if (asLongshoreError(thrown).kind !== 'permanent') throw thrown
    if (events.length === 1) {
      const { id, type, subject } = first
      env.log.error('an event was refused for good and is passed over', { id, type, subject, reason: String(thrown) })
      env.metrics?.count('eventsRefused', 'all')
      return 1
    }
    const half = Math.ceil(events.length / 2)
    return (await handOver(events.slice(0, half), env)) + (await handOver(events.slice(half), env))
  }
}

/** A job has ended; any other item in the outbox carries its event as it is to be handed over. */
function eventOfItem(item: Item): DomainEvent {
  const event = item.event as (Omit<DomainEvent, 'time'> & { time: number }) | undefined
  return event ? { ...event, time: new Date(event.time).toISOString() } : terminalEvent(jobOfItem(item))
}

/** What the world learns when a job ends. */
export function terminalEvent(job: JobRecord): DomainEvent {
  const sequence = job.eventSequence ?? 1
  return {
    id: `${job.id}#${sequence}`,
    type: `job.${job.status}`,
    subject: job.id,
    sequence,
    time: new Date(job.finishedAt ?? job.createdAt).toISOString(),
    tenant: job.tenant,
    data: {
      id: job.id,
      type: job.type,
      status: job.status,
      attempt: attemptOf(job),
      image: { ...job.image },
      ...(job.execution ? { execution: job.execution } : {}),
      ...(job.result ? { result: job.result } : {}),
      ...(job.error ? { error: { ...job.error } } : {}),
    },
  }
}
