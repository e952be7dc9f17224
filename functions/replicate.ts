/** The worker pool of the job type `replicate`: one message, one job. */
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda'
import { createApp } from '../lib/app.ts'
import { openBlobs } from '../lib/blobs/open.ts'
import { consume, invocationOf } from '../lib/consume.ts'
import { typesOf } from '../lib/job/types.ts'
import { work } from '../lib/job/work.ts'
import { operatorMetrics } from '../lib/metrics.ts'
import { observed } from '../lib/observed.ts'
import { openRegistries } from '../lib/oci/open-registries.ts'
import { operatorLog } from '../lib/operator-log.ts'
import { replicate } from '../lib/replicate/job.ts'

const app = createApp(process.env, {
  types: typesOf([replicate]),
  log: operatorLog('replicate'),
  metrics: operatorMetrics(process.env),
  blobs: openBlobs,
  registries: openRegistries,
})

export const handler = observed(app, async (event: SQSEvent, env, context): Promise<SQSBatchResponse> => {
  const invocation = invocationOf(context)
  return await consume(event, (message) => work(message, env, invocation))
})
