/** The HTTP API: resolves digests, writes job records, posts to the queues. */
import { handle, type LambdaEvent } from 'hono/aws-lambda'
import { createApp } from '../lib/app.ts'
import { openBlobs } from '../lib/blobs/open.ts'
import { createApi } from '../lib/http/api.ts'
import { deploymentOf } from '../lib/http/deployment.ts'
import { jobTypes } from '../lib/jobs.ts'
import { operatorMetrics } from '../lib/metrics.ts'
import { observed } from '../lib/observed.ts'
import { openRegistries } from '../lib/oci/open-registries.ts'
import { operatorLog } from '../lib/operator-log.ts'

const app = createApp(process.env, {
  types: jobTypes,
  log: operatorLog('api'),
  metrics: operatorMetrics(process.env),
  blobs: openBlobs,
  registries: openRegistries,
  keepClientsMs: 30_000,
})

const answer = handle(createApi({ ...app, ...deploymentOf(process.env), objects: app.objects() }))

export const handler = observed(app, async (event: LambdaEvent, _env, context) => await answer(event, context))
