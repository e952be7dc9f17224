/** Lists what a policy means and puts one job per image into the bulk lane. */
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda'
import { createApp } from '../lib/app.ts'
import { consume, invocationOf } from '../lib/consume.ts'
import { fanOut } from '../lib/job/fan-out.ts'
import { jobTypes } from '../lib/jobs.ts'
import { operatorMetrics } from '../lib/metrics.ts'
import { observed } from '../lib/observed.ts'
import { openRegistries } from '../lib/oci/open-registries.ts'
import { operatorLog } from '../lib/operator-log.ts'

const app = createApp(process.env, {
  types: jobTypes,
  log: operatorLog('fan-out'),
  metrics: operatorMetrics(process.env),
  registries: openRegistries,
  keepClientsMs: 30_000,
})

export const handler = observed(app, async (event: SQSEvent, env, context): Promise<SQSBatchResponse> => {
  const invocation = invocationOf(context)
  return await consume(event, (message) => fanOut(message.body, env, invocation))
})
