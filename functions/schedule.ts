/** The minute tick of policies: fires what is due, each instant once. */
import { createApp } from '../lib/app.ts'
import { jobTypes } from '../lib/jobs.ts'
import { operatorMetrics } from '../lib/metrics.ts'
import { observed } from '../lib/observed.ts'
import { operatorLog } from '../lib/operator-log.ts'
import { fireDue } from '../lib/schedule/due.ts'

const app = createApp(process.env, {
  types: jobTypes,
  log: operatorLog('schedule'),
  metrics: operatorMetrics(process.env),
})

export const handler = observed(app, async (_tick: unknown, env) => ({ fired: await fireDue(env) }))
