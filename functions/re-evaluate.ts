/** Images matched anew: the minute tick finds which a new revision concerns, messages name them. No registry is asked. */
import type { SQSBatchResponse, SQSEvent } from 'aws-lambda'
import { createApp } from '../lib/app.ts'
import { openBlobs } from '../lib/blobs/open.ts'
import { consume, invocationOf } from '../lib/consume.ts'
import { typesOf } from '../lib/job/types.ts'
import { observed } from '../lib/observed.ts'
import { operatorLog } from '../lib/operator-log.ts'
import { reEvaluate } from '../lib/scan/re-evaluate/images.ts'
import { type Ticked, tick } from '../lib/scan/re-evaluate/tick.ts'

const app = createApp(process.env, { types: typesOf([]), log: operatorLog('re-evaluate'), blobs: openBlobs })

export const handler = observed(
  app,
  async (event: Partial<SQSEvent>, env, context): Promise<SQSBatchResponse | Ticked> => {
    const invocation = invocationOf(context)
    if (!event.Records) return await tick(env, invocation)
    return await consume({ Records: event.Records }, ({ body }) => reEvaluate(body, env, invocation))
  },
)
