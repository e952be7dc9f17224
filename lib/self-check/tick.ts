/**
 * The self-check of the minute tick: a table, queue or bucket that is gone or was set up otherwise is told within minutes, also when
 * nobody submits a job. No job is run for it: a canary a minute would be 1,440 jobs a day in every list and bill, and what it
 * would show is shown by the tick's own trace, by the age of the oldest waiting job, and by this.
 */
import type { Environment } from '../job/environment.ts'
import { type Checked, selfCheck } from './check.ts'
import { problemOf } from './model.ts'

/** Returns what is wrong, in one line, after having logged and counted it. Never throws. */
export async function checkAtTick(env: Environment & Checked): Promise<string | undefined> {
  // Whoever only replicates has no advisories: that is asked for by `deep=1`, and told by the scans that wait.
  const problem = problemOf((await selfCheck(env)).filter(({ name }) => name !== 'advisories'))
  if (problem === undefined) return undefined
  env.metrics?.count('selfCheckProblems', 'all')
  env.log.error('the self-check found a problem', { problem })
  return problem
}
