/** Lists what a policy means and puts one job per image into the bulk lane. */
import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda'
import { createApp } from '../lib/app.ts'
import { consume, invocationOf } from '../lib/consume.ts'
import { fanOut } from '../lib/job/fan-out.ts'
import { jobTypes } from '../lib/jobs.ts'
import { openRegistries } from '../lib/oci/open-registries.ts'
import { operatorLog } from '../lib/operator-log.ts'

const app = createApp(process.env, {
  types: jobTypes,
  log: operatorLog('fan-out'),
  registries: openRegistries,
  keepClientsMs: 30_000,
})

export async function handler(event: SQSEvent, context: Context): Promise<SQSBatchResponse> {
  const invocation = invocationOf(context)
  return await consume(event, (message) => fanOut(message.body, app, invocation))
}
