/** The minute tick of the protocol: dead leases, lost messages, events, executions that have ended. */
import { createApp } from '../lib/app.ts'
import { openBlobs } from '../lib/blobs/open.ts'
import { openEvents } from '../lib/events/open.ts'
import { sweepExecutions } from '../lib/job/execution-sweep.ts'
import { beat, OldestWaiting } from '../lib/job/heartbeat.ts'
import { sweep } from '../lib/job/sweep.ts'
import { jobTypes } from '../lib/jobs.ts'
import { operatorMetrics } from '../lib/metrics.ts'
import { observed } from '../lib/observed.ts'
import { operatorLog } from '../lib/operator-log.ts'
import { checkAtTick } from '../lib/self-check/tick.ts'

const app = createApp(process.env, {
  types: jobTypes,
  log: operatorLog('sweep'),
  metrics: operatorMetrics(process.env),
  blobs: openBlobs,
  events: openEvents,
})

export const handler = observed(app, async (_tick: unknown, env, context) => {
  const waiting = new OldestWaiting(env.clock.now())
  const report = await sweep(env, (job) => waiting.met(job))
  const closed = await sweepExecutions(env, () => context.getRemainingTimeInMillis())
  await beat(waiting, env)
  return { ...report, closed, problem: await checkAtTick(env) }
})
