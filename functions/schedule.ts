/** The minute tick of policies: fires what is due, each instant once. */
import { createApp } from '../lib/app.ts'
import { jobTypes } from '../lib/jobs.ts'
import { operatorLog } from '../lib/operator-log.ts'
import { fireDue } from '../lib/schedule/due.ts'

const app = createApp(process.env, { types: jobTypes, log: operatorLog('schedule') })

export async function handler(): Promise<{ fired: number }> {
  return { fired: await fireDue(app) }
}
