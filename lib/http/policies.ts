/** /v1/policies: create, list, get, replace, delete, run. */
import { createRoute, z } from '@hono/zod-openapi'
import { LongshoreError } from '../errors.ts'
import { ID_PATTERN } from '../job/id.ts'
import { runPolicy } from '../schedule/due.ts'
import {
  policySchema as bodySchema,
  createPolicy,
  deletePolicy,
  lastExecutions,
  listPolicies,
  type PolicyRecord,
  replacePolicy,
  requirePolicy,
} from '../schedule/policy.ts'
import { executionResource, executionSchema, json, oneOf, policyResource, policySchema, problems } from './resources.ts'
import { type Api, type ApiEnvironment, decodeCursor, encodeCursor, nextLink, sentBody } from './server.ts'

const idParam = z.object({ id: z.string().openapi({ param: { name: 'id', in: 'path' } }) })

const checked = (id: string): string => {
  if (!ID_PATTERN.test(id))
    throw new LongshoreError(
      'policy-not-found',
      `"${id.slice(0, 64)}" is not the id of a policy; ids have 26 characters`,
    )
  return id
}

async function shown(policy: PolicyRecord, env: ApiEnvironment) {
  const [last] = await lastExecutions([policy], env)
  return policyResource(policy, env.clock.now(), last)
}

export function policyRoutes(app: Api, env: ApiEnvironment): void {
  // The schema is shown in the document; the body is checked against its own type's schema, for errors by field.
  const shapes = [...env.types.values()].flatMap((type) => (type.bulk ? [bodySchema(type.type, type.bulk)] : []))
  const body = { required: true, content: { 'application/json': { schema: oneOf(shapes) } } }

  const create = createRoute({
    method: 'post',
    path: '/v1/policies',
    summary: 'Create a policy',
    request: { body },
    responses: {
      201: { ...json(policySchema, 'Created'), headers: { Location: { schema: { type: 'string' } } } },
      ...problems(400, 413, 422),
    },
  })
  app.openapi(create, async (c) => {
    const policy = await createPolicy(env.tenantOf(c.req.raw), await sentBody(c), env)
    return c.json((await shown(policy, env)) as never, 201, { location: `/v1/policies/${policy.id}` })
  })

  const list = createRoute({
    method: 'get',
    path: '/v1/policies',
    summary: 'List policies',
    request: {
      query: z.strictObject({
        limit: z.coerce.number().int().min(1).max(env.limits.pageItemsMax).optional(),
        cursor: z.string().max(1_024).optional(),
      }),
    },
    responses: {
      200: json(z.object({ policies: z.array(policySchema), next: z.string().nullable() }), 'A page'),
      ...problems(422),
    },
  })
  app.openapi(list, async (c) => {
    const { limit = 50, cursor } = c.req.valid('query')
    const after = decodeCursor(cursor, ID_PATTERN)
    const page = await listPolicies(env.tenantOf(c.req.raw), limit, after, env)
    const next = page.next === undefined ? null : encodeCursor(page.next)
    const headers: Record<string, string> = next ? { link: nextLink(c.req.url, next) } : {}
    const lasts = await lastExecutions(page.policies, env)
    const policies = page.policies.map((policy, n) => policyResource(policy, env.clock.now(), lasts[n]))
    return c.json({ policies, next } as never, 200, headers)
  })

  const get = createRoute({
    method: 'get',
    path: '/v1/policies/{id}',
    summary: 'One policy with its next fire times',
    request: { params: idParam },
    responses: { 200: json(policySchema, 'The policy'), ...problems(404) },
  })
  app.openapi(get, async (c) => {
    const policy = await requirePolicy(env.tenantOf(c.req.raw), checked(c.req.valid('param').id), env)
    return c.json((await shown(policy, env)) as never, 200)
  })

  const replace = createRoute({
    method: 'put',
    path: '/v1/policies/{id}',
    summary: 'Replace a policy; `enabled: false` cancels what waits of its executions',
    request: { params: idParam, body },
    responses: { 200: json(policySchema, 'Replaced'), ...problems(400, 404, 409, 413, 422) },
  })
  app.openapi(replace, async (c) => {
    const policy = await replacePolicy(
      env.tenantOf(c.req.raw),
      checked(c.req.valid('param').id),
      await sentBody(c),
      env,
    )
    return c.json((await shown(policy, env)) as never, 200)
  })

  const remove = createRoute({
    method: 'delete',
    path: '/v1/policies/{id}',
    summary: 'Delete a policy; what waits of its executions is canceled, what runs may finish',
    request: { params: idParam },
    responses: { 204: { description: 'Deleted' }, ...problems(404) },
  })
  app.openapi(remove, async (c) => {
    await deletePolicy(env.tenantOf(c.req.raw), checked(c.req.valid('param').id), env)
    return c.body(null, 204)
  })

  const run = createRoute({
    method: 'post',
    path: '/v1/policies/{id}/run',
    summary: 'Run a policy now',
    request: { params: idParam },
    responses: {
      202: { ...json(executionSchema, 'The execution'), headers: { Location: { schema: { type: 'string' } } } },
      ...problems(404, 409),
    },
  })
  app.openapi(run, async (c) => {
    const execution = await runPolicy(env.tenantOf(c.req.raw), checked(c.req.valid('param').id), env)
    return c.json((await executionResource(execution, env)) as never, 202, {
      location: `/v1/executions/${execution.id}`,
    })
  })
}
