/** What the sweep looks at: jobs that wait for a message, and runs whose lease is over, or will be before its next tick. */
import type { Limits } from '../config.ts'
import type { Json } from '../glossary.ts'
import type { Environment } from './environment.ts'
import { OPEN_SHARDS, type OpenKind, openJobsPartition, stamp } from './keys.ts'
import { type JobRecord, jobOfItem } from './record.ts'
import { QUEUE_DELAY_MAX_SECONDS } from './wait.ts'

/** `all`: also what is not due yet. Read consistently, from at most `sweepPageMax` places of each shard. */
export async function openJobs(type: string, kind: OpenKind, all: boolean, env: Environment): Promise<JobRecord[]> {
  const { store, clock, limits } = env
  // What waits and is overdue is re-sent, all of it: more than twice what may be sent need not be read.
  const toSend = 2 * Math.ceil(limits.resendBatchMax / OPEN_SHARDS)
  const limit = all || kind === 'running' ? limits.sweepPageMax : Math.min(limits.sweepPageMax, toSend)
  const until = clock.now() + (kind === 'running' ? aheadMs(limits) : clocksApartMs(limits))
  const query = { index: 'open', limit, ...(all ? {} : { to: `${stamp(until)}~` }) } as const
  const jobs: JobRecord[] = []
  let shards: { pk: string; looked: number; cursor?: Json }[] = Array.from({ length: OPEN_SHARDS }, (_, shard) => ({
    pk: openJobsPartition(type, kind, shard),
    looked: 0,
  }))
  while (shards.length > 0) {
    const pages = await Promise.all(
      shards.map(({ pk, cursor }) => store.query(cursor === undefined ? { ...query, pk } : { ...query, pk, cursor })),
    )
    const keys = pages.flatMap((page) => page.items.map(({ pk, sk }) => ({ pk, sk })))
    if (keys.length === 0) break
    // The index may lag: what decides is the record itself, read consistently.
    const items = await store.getMany(keys)
    const unreadable = new Set<string>()
    for (const item of items) {
      try {
        jobs.push(jobOfItem(item))
      } catch (thrown) {
        // Of a version we do not know: one such record must not keep all others from being recovered.
        env.log.error('a record cannot be read and is passed over', { key: item.pk, reason: String(thrown) })
        unreadable.add(item.pk)
      }
    }
    // Nobody moves such a record on: where they stand in front, what is behind them is looked at as well.
    shards = shards.flatMap(({ pk, looked }, index) => {
      const { items: keys, cursor } = pages[index]!
      const seen = looked + keys.length
      const goesOn = cursor !== undefined && seen < limits.sweepPageMax && keys.some((key) => unreadable.has(key.pk))
      return goesOn ? [{ pk, looked: seen, cursor }] : []
    })
  }
  return jobs
}

/** A tick may come late by a quarter of its time; no message waits longer than a queue holds it back. */
export const aheadMs = (limits: Limits): number =>
  Math.min(1_250 * limits.tickSeconds, 1_000 * QUEUE_DELAY_MAX_SECONDS - clocksApartMs(limits))

export const endsBeforeNextTick = (job: JobRecord, { clock, limits }: Environment): boolean =>
  (job.lease ?? 0) <= clock.now() + aheadMs(limits)

/** When a lease is over by the clock of whoever receives the message. */
export const endOfLease = (job: JobRecord, { limits }: Environment): number => (job.lease ?? 0) + clocksApartMs(limits)

/** Between a clock that is ahead and one that is behind. */
const clocksApartMs = ({ clockSkewMsMax }: Limits): number => 2 * clockSkewMsMax

/** By whichever clock `nextSendAt` was set: so a lost message is sent again within its slot and a tick of true time. */
export const isOverdue = (job: JobRecord, { clock, limits }: Environment): boolean =>
  job.nextSendAt <= clock.now() + clocksApartMs(limits)
