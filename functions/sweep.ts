/** The minute tick of the protocol: dead leases, lost messages, events, executions that have ended. */
import { createApp } from '../lib/app.ts'
import { openEvents } from '../lib/events/open.ts'
import { sweepExecutions } from '../lib/job/execution-sweep.ts'
import { type SweepReport, sweep } from '../lib/job/sweep.ts'
import { jobTypes } from '../lib/jobs.ts'
import { operatorLog } from '../lib/operator-log.ts'

const app = createApp(process.env, { types: jobTypes, log: operatorLog('sweep'), events: openEvents })

export async function handler(): Promise<SweepReport & { closed: number }> {
  const report = await sweep(app)
  return { ...report, closed: await sweepExecutions(app) }
}
