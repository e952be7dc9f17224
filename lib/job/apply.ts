/** A transition of the table, written. */
import { asLongshoreError, LongshoreError } from '../errors.ts'
import { type Change, ConditionFailed, type Store } from '../store/port.ts'
import { type JobPlace, jobKey } from './keys.ts'
import { isExpired, type JobRecord, jobOfItem } from './record.ts'
import type { Transition } from './transitions.ts'

/**
 * Writes it. Undefined: the condition did not hold, nothing was changed (or the write was applied and a retried request
 * found its own work: the caller re-reads and knows itself by fence, claim or token).
 */
export async function apply(store: Store, job: JobPlace, transition: Transition): Promise<JobRecord | undefined> {
  try {
    return jobOfItem(await store.update(jobKey(job.tenant, job.id), transition.change as Change, transition.when))
  } catch (thrown) {
    if (thrown instanceof ConditionFailed) return undefined
    throw thrown
  }
}

export async function readJob(store: Store, tenant: string, id: string, now: number): Promise<JobRecord | undefined> {
  const item = await store.get(jobKey(tenant, id))
  return item && !isExpired(item, now) ? jobOfItem(item) : undefined
}

/** Throws `job-not-found`. */
export async function requireJob(store: Store, tenant: string, id: string, now: number): Promise<JobRecord> {
  const job = await readJob(store, tenant, id, now)
  if (!job) throw new LongshoreError('job-not-found', `there is no job ${id}; GET /v1/jobs lists the jobs`)
  return job
}

/** The same write until the store answers, at most `tries` times: for the last word of a run, which is worth waiting for. */
export async function persist<T>(
  tries: number,
  pause: (n: number) => Promise<void>,
  write: () => Promise<T>,
): Promise<T> {
  for (let n = 1; ; n++) {
    try {
      return await write()
    } catch (thrown) {
      if (n >= tries || !asLongshoreError(thrown).retryable) throw thrown
      await pause(n)
    }
  }
}
