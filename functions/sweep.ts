/** The minute tick of the protocol: dead leases, lost messages, events, executions that have ended. */
import { createApp } from '../lib/app.ts'
import { sweepExecutions } from '../lib/job/execution-sweep.ts'
import { type SweepReport, sweep } from '../lib/job/sweep.ts'
import { jobTypes } from '../lib/jobs.ts'
import { operatorLog } from '../lib/operator-log.ts'

const app = createApp(process.env, { types: jobTypes, log: operatorLog('sweep'), keepClientsMs: 0 })

export async function handler(): Promise<SweepReport & { closed: number }> {
  const env = await app
  const report = await sweep(env)
  return { ...report, closed: await sweepExecutions(env) }
}
