/** /v1/executions: bulk requests, list, get, stop. */
import { createRoute, z } from '@hono/zod-openapi'
import { LongshoreError } from '../errors.ts'
import { createExecution, stopExecution } from '../job/execution.ts'
import { type ExecutionRecord, executionOfItem, requireExecution } from '../job/execution-record.ts'
import { retryExecution } from '../job/execution-retry.ts'
import { ID_PATTERN, newId } from '../job/id.ts'
import { executionListPartition, stamp } from '../job/keys.ts'
import { CURSOR_PATTERN, listJobs } from '../job/list.ts'
import { isExpired } from '../job/record.ts'
import { checkBulk, requestSchema } from '../schedule/policy.ts'
import { executionResource, executionSchema, json, oneOf, problems } from './resources.ts'
import {
  type Api,
  type ApiEnvironment,
  decodeCursor,
  encodeCursor,
  nextLink,
  notAnId,
  referenceText,
  sentBody,
} from './server.ts'

const FAILURES_SHOWN = 100
const idParam = z.object({ id: z.string().openapi({ param: { name: 'id', in: 'path' } }) })

const checked = (id: string): string => {
  if (!ID_PATTERN.test(id))
    throw new LongshoreError(
      'execution-not-found',
      `"${id.slice(0, 64)}" is not the id of an execution; ids have 26 characters`,
    )
  return id
}

export function executionRoutes(app: Api, env: ApiEnvironment): void {
  const shapes = [...env.types.values()].flatMap((type) => (type.bulk ? [requestSchema(type.type, type.bulk)] : []))
  const createOne = createRoute({
    method: 'post',
    path: '/v1/executions',
    summary: 'Run a type over many images once (a policy without a schedule)',
    request: { body: { required: true, content: { 'application/json': { schema: oneOf(shapes) } } } },
    responses: {
      202: { ...json(executionSchema, 'Accepted'), headers: { Location: { schema: { type: 'string' } } } },
      ...problems(400, 413, 422),
    },
  })
  app.openapi(createOne, async (c) => {
    const tenant = env.tenantOf(c.req.raw)
    const { type, spec } = await checkBulk(tenant, await sentBody(c), env)
    const { execution } = await createExecution(
      { id: newId(env.clock, env.random), tenant, type, trigger: 'request', spec },
      env,
    )
    return c.json((await executionResource(execution, env)) as never, 202, {
      location: `/v1/executions/${execution.id}`,
    })
  })

  const list = createRoute({
    method: 'get',
    path: '/v1/executions',
    summary: 'List executions, newest first',
    request: {
      query: z.strictObject({
        policy: z.string().regex(ID_PATTERN, notAnId('a policy')).optional(),
        limit: z.coerce.number().int().min(1).max(env.limits.pageItemsMax).optional(),
        cursor: z.string().max(512).optional(),
      }),
    },
    responses: {
      200: json(z.object({ executions: z.array(executionSchema), next: z.string().nullable() }), 'A page'),
      ...problems(422),
    },
  })
  app.openapi(list, async (c) => {
    const { policy, limit = 20, cursor } = c.req.valid('query')
    const page = await listExecutions(env.tenantOf(c.req.raw), policy, limit, decodeCursor(cursor, CURSOR_PATTERN), env)
    const executions = await Promise.all(page.executions.map((execution) => executionResource(execution, env)))
    const next = page.next ? encodeCursor(page.next) : null
    const headers: Record<string, string> = next ? { link: nextLink(c.req.url, next) } : {}
    return c.json({ executions, next } as never, 200, headers)
  })

  const get = createRoute({
    method: 'get',
    path: '/v1/executions/{id}',
    summary: 'One execution: counts by status, and its failures with their reason',
    request: { params: idParam },
    responses: { 200: json(executionSchema, 'The execution'), ...problems(404) },
  })
  app.openapi(get, async (c) => {
    const tenant = env.tenantOf(c.req.raw)
    const execution = await requireExecution(tenant, checked(c.req.valid('param').id), env)
    const failed = await listJobs(
      { tenant, types: [execution.type], statuses: ['error'], execution: execution.id, newest: true },
      FAILURES_SHOWN,
      undefined,
      env,
    )
    const failures = failed.jobs.map((job) => ({
      job: job.id,
      image: referenceText(job.image),
      error: job.error ?? null,
    }))
    return c.json({ ...(await executionResource(execution, env)), failures } as never, 200)
  })

  const stop = createRoute({
    method: 'post',
    path: '/v1/executions/{id}/stop',
    summary: 'Stop an execution with all its jobs by one flag',
    request: { params: idParam },
    responses: {
      202: json(executionSchema, 'Asked to stop'),
      200: json(executionSchema, 'It was stopped before'),
      ...problems(404, 409),
    },
  })
  app.openapi(stop, async (c) => {
    const { execution, already } = await stopExecution(env.tenantOf(c.req.raw), checked(c.req.valid('param').id), env)
    return c.json((await executionResource(execution, env)) as never, already ? 200 : 202)
  })

  const retry = createRoute({
    method: 'post',
    path: '/v1/executions/{id}/retry',
    summary: 'Run the jobs of an execution again that did not succeed',
    description:
      'The execution itself runs again: each of its jobs that ended as error, stopped or canceled gets a successor ' +
      '(`retryOf`), which is counted in its place; tags that could not be submitted are looked up once more, and a listing ' +
      'that was cut goes on. With `failed=only` stopped and canceled jobs stay as they are.',
    request: { params: idParam, query: z.strictObject({ failed: z.enum(['only']).optional() }) },
    responses: {
      202: { ...json(executionSchema, 'It runs again'), headers: { Location: { schema: { type: 'string' } } } },
      ...problems(404, 409, 422),
    },
  })
  app.openapi(retry, async (c) => {
    const mode = c.req.valid('query').failed === 'only' ? 'failed' : 'unsuccessful'
    const execution = await retryExecution(env.tenantOf(c.req.raw), checked(c.req.valid('param').id), mode, env)
    return c.json((await executionResource(execution, env)) as never, 202, {
      location: `/v1/executions/${execution.id}`,
    })
  })
}

/**
 * Month by month backwards from the newest, as far as the history goes; reads a bounded number of records. `next` is given
 * when there is one more, or when that bound was reached.
 */
export async function listExecutions(
  tenant: string,
  policy: string | undefined,
  limit: number,
  after: string | undefined,
  env: ApiEnvironment,
): Promise<{ executions: ExecutionRecord[]; next?: string }> {
  const page = await walkExecutions(tenant, policy, limit + 1, after, env)
  if (page.executions.length <= limit) return page
  const executions = page.executions.slice(0, limit)
  const last = executions.at(-1)
  return { executions, ...(last ? { next: `${stamp(last.createdAt)}#${last.id}` } : {}) }
}

async function walkExecutions(
  tenant: string,
  policy: string | undefined,
  limit: number,
  after: string | undefined,
  env: ApiEnvironment,
): Promise<{ executions: ExecutionRecord[]; next?: string }> {
  const { store, clock, limits } = env
  const executions: ExecutionRecord[] = []
  const month = new Date(after ? Number(after.slice(0, 13)) : clock.now())
  month.setUTCDate(1)
  const oldest = clock.now() - (limits.historyDays + 31) * 86_400_000
  let last = after
  for (let looked = 0; month.getTime() > oldest; ) {
    const page = await store.query({
      index: 'members',
      pk: executionListPartition(tenant, month.toISOString().slice(0, 7).replace('-', '')),
      ...(last ? { to: last } : {}),
      reverse: true,
      // Most are shown, unless a policy is asked for; one more is the cursor itself.
      limit: Math.min(1_000, policy ? limits.listKeysMax : limit + 1),
    })
    const keys = page.items.filter((item) => item.m_sk !== last)
    const items = await store.getMany(keys.map(({ pk, sk }) => ({ pk, sk })))
    const byKey = new Map(items.map((item) => [item.pk, item]))
    for (const key of keys) {
      last = String(key.m_sk)
      const item = byKey.get(key.pk)
      if (!item || isExpired(item, clock.now())) continue
      const execution = executionOfItem(item)
      if (policy && execution.policy !== policy) continue
      executions.push(execution)
      if (executions.length >= limit) return { executions, next: last }
    }
    looked += keys.length
    if (looked >= limits.listKeysMax && last) return { executions, next: last }
    if (page.cursor === undefined) month.setUTCMonth(month.getUTCMonth() - 1)
  }
  return { executions }
}
