/** /v1/registries: list, get, put, delete, test. Passwords go in and never come out. */
import { createRoute, z } from '@hono/zod-openapi'
import { asLongshoreError } from '../errors.ts'
import { invalid } from '../job/validate.ts'
import { type RegistryInput, registrySchema } from '../oci/objects.ts'
import { json, problems } from './resources.ts'
import type { Api, ApiEnvironment } from './server.ts'

const hostParam = z.object({
  host: z
    .string()
    .max(260)
    .openapi({ param: { name: 'host', in: 'path' }, example: 'registry.example:5000' }),
})
const shown = z
  .object({
    host: z.string(),
    insecure: z.boolean().optional(),
    allowPrivate: z.boolean().optional(),
    credentials: z
      .union([
        z.object({ username: z.string() }),
        z.object({ secret: z.string() }),
        z.object({ type: z.literal('ecr') }),
      ])
      .optional(),
    requestsPerSecond: z.number().optional(),
    source: z.enum(['api', 'environment']),
  })
  .openapi('Registry')
const testResult = z
  .object({ ok: z.boolean(), error: z.object({ code: z.string(), message: z.string() }).optional() })
  .openapi('RegistryTest')

export function registryRoutes(app: Api, env: ApiEnvironment): void {
  const list = createRoute({
    method: 'get',
    path: '/v1/registries',
    summary: 'List registry objects',
    responses: { 200: json(z.object({ registries: z.array(shown) }), 'All') },
  })
  app.openapi(list, async (c) => c.json({ registries: await env.objects.list(env.tenantOf(c.req.raw)) }, 200))

  const get = createRoute({
    method: 'get',
    path: '/v1/registries/{host}',
    summary: 'One registry object',
    request: { params: hostParam },
    responses: { 200: json(shown, 'The object'), ...problems(404) },
  })
  app.openapi(get, async (c) => c.json(await env.objects.get(env.tenantOf(c.req.raw), c.req.valid('param').host), 200))

  const put = createRoute({
    method: 'put',
    path: '/v1/registries/{host}',
    summary: 'Create or replace a registry object',
    request: {
      params: hostParam,
      body: {
        required: true,
        content: {
          'application/json': {
            schema: z
              .looseObject({})
              .openapi({ ...(z.toJSONSchema(registrySchema.partial({ host: true })) as object) } as never),
          },
        },
      },
    },
    responses: { 200: json(shown, 'Stored; the password is not shown'), ...problems(400, 409, 413, 422) },
  })
  app.openapi(put, async (c) => {
    const { host } = c.req.valid('param')
    const parsed = registrySchema.safeParse({ ...((await c.req.json()) as object), host })
    if (!parsed.success) throw invalid(parsed.error as never)
    return c.json(await env.objects.put(env.tenantOf(c.req.raw), parsed.data as RegistryInput), 200)
  })

  const remove = createRoute({
    method: 'delete',
    path: '/v1/registries/{host}',
    summary: 'Delete a registry object and its password',
    request: { params: hostParam },
    responses: { 204: { description: 'Deleted' }, ...problems(404, 409) },
  })
  app.openapi(remove, async (c) => {
    await env.objects.remove(env.tenantOf(c.req.raw), c.req.valid('param').host)
    return c.body(null, 204)
  })

  const test = createRoute({
    method: 'post',
    path: '/v1/registries/{host}/test',
    summary: 'Whether the registry answers and takes the credentials',
    request: { params: hostParam },
    responses: { 200: json(testResult, 'The outcome'), ...problems(422) },
  })
  app.openapi(test, async (c) => {
    try {
      const client = await env.registries(env.tenantOf(c.req.raw))(c.req.valid('param').host)
      await client.ping({ timeoutMs: env.limits.resolveTimeoutMs })
      return c.json({ ok: true }, 200)
    } catch (thrown) {
      const error = asLongshoreError(thrown)
      if (error.code === 'invalid-value') throw error
      return c.json({ ok: false, error: { code: error.code, message: error.message } }, 200)
    }
  })
}
