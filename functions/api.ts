/** The HTTP API: resolves digests, writes job records, posts to the queues. */
import { handle } from 'hono/aws-lambda'
import { createApp } from '../lib/app.ts'
import { openBlobs } from '../lib/blobs/open.ts'
import { createApi } from '../lib/http/api.ts'
import { jobTypes } from '../lib/jobs.ts'
import { openRegistries } from '../lib/oci/open-registries.ts'
import { operatorLog } from '../lib/operator-log.ts'
import { VERSION } from '../lib/version.ts'

const app = createApp(process.env, {
  types: jobTypes,
  log: operatorLog('api'),
  blobs: openBlobs,
  registries: openRegistries,
  keepClientsMs: 30_000,
})

export const handler = handle(
  createApi({
    ...app,
    objects: app.objects(),
    defaultRegistry: process.env.LONGSHORE_DEFAULT_REGISTRY,
    version: VERSION,
    ...(process.env.LONGSHORE_HOSTS ? { hosts: process.env.LONGSHORE_HOSTS.split(',') } : {}),
    // One deployment is one tenant: whoever API Gateway lets in works on its data.
    tenantOf: () => 'main',
  }),
)
