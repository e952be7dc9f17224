/** The worker pool of the job type `replicate`: one message, one job. */
import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda'
import { createApp } from '../lib/app.ts'
import { consume, invocationOf } from '../lib/consume.ts'
import { typesOf } from '../lib/job/types.ts'
import { work } from '../lib/job/work.ts'
import { operatorLog } from '../lib/operator-log.ts'
import { replicate } from '../lib/replicate/job.ts'

const app = createApp(process.env, { types: typesOf([replicate]), log: operatorLog('replicate'), keepClientsMs: 0 })

export async function handler(event: SQSEvent, context: Context): Promise<SQSBatchResponse> {
  const env = await app
  const invocation = invocationOf(context)
  return await consume(event, (message) => work(message, env, invocation))
}
