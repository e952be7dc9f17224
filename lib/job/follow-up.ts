/** A look back: a job that one job leaves behind, to run once when no request of the past can land any more. */
import type { JobDefinition } from './define.ts'
import type { Environment } from './environment.ts'
import { idOf } from './id.ts'
import type { JobRecord } from './record.ts'
import { newJob, putJob, sendFirst } from './submit.ts'

/**
 * Accepts it for `dueAt` (milliseconds since the epoch). Its id follows from the job's, so that arming it twice makes one.
 * It belongs to no execution, whose counts are of images, not of second looks; so it is in the interactive lane, where it
 * takes two requests of a worker's time.
 */
export async function armFollowUp(
  job: JobRecord,
  type: JobDefinition<never>,
  dueAt: number,
  env: Environment,
): Promise<string> {
  const { tenant, params, image } = job
  const id = idOf('follow-up', tenant, job.id)
  const fresh = newJob(
    { tenant, id, type: job.type, lane: 'interactive', params, image, dueAt, followUpOf: job.id },
    type,
    env,
  )
  const stored = await putJob(fresh, env)
  if (stored === fresh) await sendFirst([fresh], env)
  return stored.id
}
