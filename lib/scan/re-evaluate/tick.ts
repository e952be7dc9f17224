/**
 * The minute tick of re-evaluation: is a revision new, are there segments to merge. One at a time, by a lease that only
 * saves work: both may be done twice.
 */
import { asLongshoreError } from '../../errors.ts'
import type { Environment, Invocation } from '../../job/environment.ts'
import { leasesOf } from '../../job/leases.ts'
import { compact } from '../package-index/compact.ts'
import { followMarks, indexedTenants, pass } from './pass.ts'

const LEASE = 're-evaluation'

export interface Ticked {
  /** Images asked to be matched anew, when a revision is new. */
  images?: number
  /** Images asked for because they were judged between two ticks. */
  marked?: number
  /** Segments merged into bases. */
  merged: number
}

/** A failure of one half does not keep the other from being done; then it throws the first. */
export async function tick(
  env: Pick<Environment, 'store' | 'blobs' | 'queue' | 'clock' | 'limits' | 'log' | 'workersDeadBefore'>,
  invocation: Pick<Invocation, 'requestId' | 'remainingMs'>,
): Promise<Ticked> {
  const lease = env.clock.now() + invocation.remainingMs()
  const leases = leasesOf({ id: invocation.requestId, fence: 0, lease }, env)
  if ((await leases.take(LEASE)) !== undefined) return { merged: 0 }
  const failures: unknown[] = []
  const ticked: Ticked = { merged: 0 }
  try {
    const images = await pass(env)
    if (images !== undefined) ticked.images = images
    ticked.marked = await followMarks(env)
  } catch (thrown) {
    failures.push(thrown)
  }
  for (const tenant of await indexedTenants(env)) {
    try {
      ticked.merged += (await compact(tenant, env)) ?? 0
    } catch (thrown) {
      env.log.warn('segments could not be merged', { tenant, reason: asLongshoreError(thrown).message })
      failures.push(thrown)
    }
  }
  await leases.release(LEASE)
  if (failures.length > 0) throw failures[0]
  return ticked
}
