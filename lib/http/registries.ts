/** /v1/registries: list, get, put, delete, test. Passwords go in and never come out. */
import { createRoute, z } from '@hono/zod-openapi'
import { asLongshoreError, LongshoreError } from '../errors.ts'
import type { Json } from '../glossary.ts'
import { invalid } from '../job/validate.ts'
import { registrySchema } from '../oci/objects.ts'
import { normalizeHost } from '../oci/reference.ts'
import { shownValue } from '../shown-value.ts'
import '../validation.ts'
import { inputSchema, json, problems } from './resources.ts'
import { type Api, type ApiEnvironment, sentBody } from './server.ts'

const hostParam = z.object({
  host: z
    .string()
    .superRefine((text, check) => {
      try {
        normalizeHost(text)
      } catch (error) {
        check.addIssue({ code: 'custom', message: asLongshoreError(error).message })
      }
    })
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
    responses: { 200: json(shown, 'The object'), ...problems(404, 422) },
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
            schema: z.unknown().openapi(inputSchema(registrySchema.omit({ host: true })) as never),
          },
        },
      },
    },
    responses: { 200: json(shown, 'Stored; the password is not shown'), ...problems(400, 409, 413, 422) },
  })
  app.openapi(put, async (c) => {
    const tenant = env.tenantOf(c.req.raw)
    const { host } = c.req.valid('param')
    const sent = registryBody(await sentBody(c))
    // The body may repeat the host, as GET shows it; the path is what counts.
    const parsed = registrySchema.safeParse({ ...sent, host })
    if (!parsed.success) throw invalid(parsed.error as never)
    if (typeof sent.host === 'string' && sent.host.toLowerCase() !== host.toLowerCase())
      throw pathAndBody(
        `the body names ${shownValue(sent.host)}, the path ${shownValue(host)}; leave host out of the body`,
      )
    const object = await env.objects.put(tenant, parsed.data)
    // Clients that were opened before know the old password.
    env.registries(tenant).close?.()
    return c.json(object, 200)
  })

  const remove = createRoute({
    method: 'delete',
    path: '/v1/registries/{host}',
    summary: 'Delete a registry object and its password',
    request: { params: hostParam },
    responses: { 204: { description: 'Deleted' }, ...problems(404, 409, 422) },
  })
  app.openapi(remove, async (c) => {
    const tenant = env.tenantOf(c.req.raw)
    await env.objects.remove(tenant, c.req.valid('param').host)
    env.registries(tenant).close?.()
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
      return c.json({ ok: false, error: { code: error.code, message: error.message } }, 200)
    }
  })
}

/** What was sent, without what only answers have. Throws `invalid-value` for anything but an object. */
function registryBody(body: Json): { [name: string]: Json | undefined } {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    // Not repeated: it may be a password.
    const detail = 'the body is not a JSON object; send one such as {"insecure": true}'
    throw new LongshoreError('invalid-value', detail, { errors: [{ pointer: '', detail }] })
  }
  return body
}

const pathAndBody = (detail: string): LongshoreError =>
  new LongshoreError('invalid-value', detail, { errors: [{ pointer: '/host', detail }] })
