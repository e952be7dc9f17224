/** The HTTP API: resolves digests, writes job records, posts to the queues. */
import { handle } from 'hono/aws-lambda'
import { createApp } from '../lib/app.ts'
import { createApi } from '../lib/http/api.ts'
import { jobTypes } from '../lib/jobs.ts'
import { operatorLog } from '../lib/operator-log.ts'
import { VERSION } from '../lib/version.ts'

const log = operatorLog('api')
const api = createApp(process.env, { types: jobTypes, log, keepClientsMs: 30_000 }).then((app) =>
  handle(
    createApi({
      ...app,
      defaultRegistry: process.env.LONGSHORE_DEFAULT_REGISTRY,
      version: VERSION,
      // One deployment is one tenant: whoever API Gateway lets in works on its data.
      tenantOf: () => 'main',
    }),
  ),
)

type Handle = Awaited<typeof api>

export const handler: Handle = async (event, context) => await (await api)(event, context)
