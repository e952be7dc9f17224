/** The whole HTTP API: every route on one app. The same app answers on Lambda, locally and in tests. */
import { createRoute, z } from '@hono/zod-openapi'
import { exceptionRoutes } from './exceptions.ts'
import { executionRoutes } from './executions.ts'
import { healthRoutes } from './health.ts'
import { holderRoutes } from './holders.ts'
import { imageRoutes } from './images.ts'
import { jobRoutes } from './jobs.ts'
import { policyRoutes } from './policies.ts'
import { problemPages } from './problem-pages.ts'
import { queueRoutes } from './queues.ts'
import { registryRoutes } from './registries.ts'
import { reportRoutes } from './reports.ts'
import { json } from './resources.ts'
import { retentionRoutes } from './retention.ts'
import { sbomRoutes } from './sboms.ts'
import { seedRoutes } from './seed.ts'
import { type Api, type ApiEnvironment, createServer } from './server.ts'

export function createApi(env: ApiEnvironment): Api {
  const app = createServer(env)
  healthRoutes(app, env)
  jobRoutes(app, env, env.types)
  reportRoutes(app, env)
  sbomRoutes(app, env)
  exceptionRoutes(app, env)
  imageRoutes(app, env)
  retentionRoutes(app, env)
  holderRoutes(app, env)
  executionRoutes(app, env)
  policyRoutes(app, env)
  registryRoutes(app, env)
  queueRoutes(app, env)
  seedRoutes(app, env)
  problemPages(app)
  const document = createRoute({
    method: 'get',
    path: '/openapi.json',
    summary: 'This document',
    responses: { 200: json(z.looseObject({ openapi: z.string() }), 'OpenAPI 3.1') },
  })
  app.openapi(document, (c) => c.json(openApi(app, env.version) as never, 200))
  return app
}

const openApi = (app: Api, version: string) =>
  app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Longshore',
      version,
      description:
        'Scans images of container registries for known vulnerabilities and replicates them between registries.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
  })
