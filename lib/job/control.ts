/** What people do to jobs: stop and retry. */
import { LongshoreError } from '../errors.ts'
import { exists } from '../store/condition.ts'
import { apply, requireJob } from './apply.ts'
import { ending } from './ending.ts'
import type { Environment } from './environment.ts'
import { idOf } from './id.ts'
import { jobKey } from './keys.ts'
import { isTerminal, type JobRecord } from './record.ts'
import { newJob, putJob, resolveImage, sendFirst } from './submit.ts'
import * as transitions from './transitions.ts'
import { parseParams } from './validate.ts'

export interface StopAnswer {
  job: JobRecord
  /** `already`: it was stopped before this call. */
  outcome: 'stopped' | 'asked' | 'already'
}

/**
 * A waiting job is stopped by one write; a running one gets the stop flag, after which no worker can write anything but
 * `stopped`. Throws `job-not-found`, or `conflict` when the job had another end before.
 */
export async function stopJob(tenant: string, id: string, env: Environment): Promise<StopAnswer> {
  // A job moves at most a few times while we look; each round re-reads why the last write did not fit.
  for (let round = 0; round < 5; round++) {
    const job = await requireJob(env.store, tenant, id, env.clock.now())
    if (job.status === 'stopped') return { job, outcome: 'already' }
    if (isTerminal(job.status))
      throw new LongshoreError('conflict', `job ${id} has already ended as ${job.status}; there is nothing to stop`)
    if (job.status === 'running') {
      if (job.stop) return { job, outcome: 'asked' }
      const asked = await apply(env.store, job, transitions.askStop())
      if (asked) return { job: asked, outcome: 'asked' }
    } else {
      const error = { code: 'stopped-by-user' as const, message: 'stopped before it ran', retryable: true }
      const stopped = await apply(env.store, job, transitions.stop(job, ending('stopped', env, { error })))
      if (!stopped) continue
      // No worker ever tells of it: this is its end.
      env.metrics?.count('stopped', job.type)
      return { job: stopped, outcome: 'stopped' }
    }
  }
  throw new LongshoreError('conflict', `job ${id} kept changing while it was being stopped; ask again`)
}

/**
 * A new job with the parameters of a terminal one; the digest is resolved anew. Its id follows from the old one's, so
 * that asking twice makes one job. Throws `job-not-found`, `conflict` (not terminal yet) and what submit throws.
 */
export async function retryJob(tenant: string, id: string, env: Environment): Promise<JobRecord> {
  const old = await requireJob(env.store, tenant, id, env.clock.now())
  if (!isTerminal(old.status))
    throw new LongshoreError('conflict', `job ${id} is ${old.status}; only a job that has ended can be retried`)
  const { type, params } = parseParams(old.type, old.params, env.types)
  // A look back is of what was set then, whatever the source's tag has become since.
  const image = old.followUpOf ? old.image : await resolveImage(type, params, tenant, env)
  const fresh = newJob(
    {
      tenant,
      id: idOf('retry', tenant, id),
      type: old.type,
      lane: 'interactive',
      params: old.params,
      image,
      retryOf: id,
      ...(old.followUpOf ? { followUpOf: old.followUpOf } : {}),
    },
    type,
    env,
  )
  const stored = await putJob(fresh, env)
  if (stored === fresh) await sendFirst([fresh], env)
  // Set every time: a crash between the put and this write is mended by asking again.
  await env.store.update(jobKey(tenant, id), { set: { retriedBy: stored.id } }, exists('pk'))
  return stored
}
