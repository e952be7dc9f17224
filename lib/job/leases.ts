/**
 * Work that many jobs need and one does for all of them, such as reading a layer that a hundred images share. One item
 * for each piece of work tells who does it and until when that run can be alive. A lease only saves work: it guards
 * nothing, so what is done twice must come out the same, and losing one does no harm.
 */
import { absent, all, any, eq, lt } from '../store/condition.ts'
import { ConditionFailed, type Key, type Store } from '../store/port.ts'

export interface Leases {
  /** Undefined: this run does the work. A number: until when (milliseconds since the epoch) the run that does it may live. */
  take(name: string): Promise<number | undefined>
  /** Lets others begin at once, for a run that ends without the work done. Of what another holds it changes nothing. */
  release(name: string): Promise<void>
}

/** The run that asks: its job and fence, and until when it may be alive. */
export interface Holder {
  id: string
  fence: number
  lease: number
}

/** What stays of an item after its lease, in seconds: nobody reads it then, DynamoDB deletes it. */
const KEPT_SECONDS = 86_400

const leaseKey = (name: string): Key => ({ pk: `L#${name}`, sk: '#' })

/**
 * One conditional write each. The job itself may always take its lease again: a run of it that was cut off has ended, and
 * a write whose answer was lost finds its own name.
 */
export function leasesOf(
  holder: Holder,
  env: { store: Store; clock: { now(): number }; workersDeadBefore: number },
): Leases {
  const { store, clock, workersDeadBefore } = env
  const { id: job, fence, lease } = holder
  return {
    async take(name) {
      const now = clock.now()
      const set = { job, fence, lease, takenAt: now, expires: Math.ceil(lease / 1000) + KEPT_SECONDS }
      const isFree = any(absent('lease'), lt('lease', now), lt('takenAt', workersDeadBefore), eq('job', job))
      try {
        await store.update(leaseKey(name), { set }, isFree)
        return undefined
      } catch (thrown) {
        if (!(thrown instanceof ConditionFailed)) throw thrown
      }
      const seen = await store.get(leaseKey(name))
      return typeof seen?.lease === 'number' ? seen.lease : now
    },
    async release(name) {
      try {
        await store.update(leaseKey(name), { set: { lease: 0 } }, all(eq('job', job), eq('fence', fence)))
      } catch (thrown) {
        if (!(thrown instanceof ConditionFailed)) throw thrown
      }
    },
  }
}
