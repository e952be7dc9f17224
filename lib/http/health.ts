/** /healthz: whether the API answers, and with `deep=1` whether everything it stands on does. */
import { createRoute, z } from '@hono/zod-openapi'
import { LongshoreError } from '../errors.ts'
import { selfCheck } from '../self-check/check.ts'
import { type Check, problemOf } from '../self-check/model.ts'
import { json, problems } from './resources.ts'
import type { Api, ApiEnvironment } from './server.ts'

const healthSchema = z
  .object({
    status: z.literal('ok'),
    version: z.string(),
    checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string() })).optional(),
  })
  .openapi('Health')

export function healthRoutes(app: Api, env: ApiEnvironment): void {
  const health = createRoute({
    method: 'get',
    path: '/healthz',
    summary:
      'Whether the API answers, with `deep=1` also everything behind it; the only route that is open in the cloud',
    request: { query: z.object({ deep: z.string().optional().openapi({ example: '1' }) }) },
    responses: { 200: json(healthSchema, 'It does'), ...problems(503) },
  })
  const look = keptFor(
    env.limits.selfCheckKeptSeconds * 1000,
    () => env.clock.now(),
    () => selfCheck(env),
  )
  app.openapi(health, async (c) => {
    const ok = { status: 'ok' as const, version: env.version }
    if (c.req.valid('query').deep !== '1') return c.json(ok, 200)
    const checks = await look()
    const problem = problemOf(checks)
    if (problem === undefined) return c.json({ ...ok, checks }, 200)
    const errors = checks.flatMap(({ name, ok, detail }) => (ok ? [] : [{ pointer: `/checks/${name}`, detail }]))
    throw new LongshoreError('not-healthy', problem, { errors })
  })
}

/**
 * Nobody has to sign for it, so asking often must cost nothing: an answer is kept, and who comes while it is looked for waits
 * for the same one.
 */
function keptFor(ms: number, now: () => number, look: () => Promise<Check[]>): () => Promise<Check[]> {
  let kept: { until: number; checks: Promise<Check[]> } | undefined
  return () => {
    if (!kept || kept.until <= now()) kept = { until: now() + ms, checks: look() }
    return kept.checks
  }
}
