/** Messages that were received five times in vain: sent again with a delay, or the end of a poisoned job. */
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda'
import { createApp } from '../lib/app.ts'
import { consume } from '../lib/consume.ts'
import { handleDeadLetter } from '../lib/job/dead-letter.ts'
import { jobTypes } from '../lib/jobs.ts'
import { operatorLog } from '../lib/operator-log.ts'

const app = createApp(process.env, { types: jobTypes, log: operatorLog('dead-letter') })

export async function handler(event: SQSEvent): Promise<SQSBatchResponse> {
  return await consume(event, (message) => handleDeadLetter(message.body, app))
}
