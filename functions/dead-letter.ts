/** Messages that were received five times in vain: sent again with a delay, or the end of a poisoned job. */
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda'
import { createApp } from '../lib/app.ts'
import { consume } from '../lib/consume.ts'
import { handleDeadLetter } from '../lib/job/dead-letter.ts'
import { jobTypes } from '../lib/jobs.ts'
import { operatorMetrics } from '../lib/metrics.ts'
import { observed } from '../lib/observed.ts'
import { operatorLog } from '../lib/operator-log.ts'

const app = createApp(process.env, {
  types: jobTypes,
  log: operatorLog('dead-letter'),
  metrics: operatorMetrics(process.env),
})

export const handler = observed(
  app,
  async (event: SQSEvent, env): Promise<SQSBatchResponse> =>
    await consume(event, (message) => handleDeadLetter(message.body, env)),
)
