/**
 * The routes of Harbor's jobservice of 2017, as thin aliases of the same use cases on the default registry. Unlike then,
 * a submission answers with the ids it made, a stop reaches queued jobs, and ids are ours (26 characters).
 */
import type { Context } from 'hono'
import * as z from 'zod'
import { asLongshoreError, ERRORS, LongshoreError } from '../errors.ts'
import { readJob } from '../job/apply.ts'
import { createExecution, stopExecution } from '../job/execution.ts'
import { ID_PATTERN, newId } from '../job/id.ts'
import { readLog } from '../job/log.ts'
import { submit } from '../job/submit.ts'
import { runPolicy } from '../schedule/due.ts'
import { checkBulk, noteRun, type PolicyRecord, requirePolicy } from '../schedule/policy.ts'
import { listExecutions } from './executions.ts'
import { notSentAsJson } from './problem.ts'
import type { Api, ApiEnvironment } from './server.ts'

const scanBody = z.object({ repository: z.string().min(1), tag: z.string().min(1) })
const replicationBody = z.object({
  policy_id: z.string().min(1),
  repository: z.string().min(1).optional(),
  operation: z.string().optional(),
  tags: z.array(z.string().min(1)).max(1_000).optional(),
})
const actionBody = z.object({ policy_id: z.string().min(1), action: z.string() })

const text = (description: string) => ({
  description,
  content: { 'text/plain': { schema: { type: 'string' as const } } },
})
const refusals = {
  400: text('The request is not valid'),
  404: text('There is no such image, policy or job'),
  415: text('The body is not sent as JSON'),
  500: text('The registry or this service failed'),
}

/** For the document; what these routes answer is written by hand, as it was in 2017. */
function describeSeedRoutes(app: Api): void {
  const post = (path: string, summary: string, schema: z.ZodObject, answer: z.ZodType) =>
    app.openAPIRegistry.registerPath({
      method: 'post',
      path,
      summary,
      request: { body: { required: true, content: { 'application/json': { schema } } } },
      responses: { 200: { description: 'Accepted', content: { 'application/json': { schema: answer } } }, ...refusals },
    })
  const ids = z.object({ ids: z.array(z.string()) })
  post('/api/jobs/scan', 'Harbor 2017: scan an image of the default registry', scanBody, z.object({ id: z.string() }))
  post('/api/jobs/replication', 'Harbor 2017: run a replication policy', replicationBody, ids)
  post('/api/jobs/replication/actions', 'Harbor 2017: stop the jobs of a policy', actionBody, z.object({}))
  for (const type of ['scan', 'replication'])
    app.openAPIRegistry.registerPath({
      method: 'get',
      path: `/api/jobs/${type}/{id}/log`,
      summary: 'Harbor 2017: the log of a job as a download',
      request: { params: z.object({ id: z.string() }) },
      responses: { 200: text('The log'), 400: refusals[400], 404: refusals[404] },
    })
}

export function seedRoutes(app: Api, env: ApiEnvironment): void {
  describeSeedRoutes(app)
  app.post('/api/jobs/scan', (c) =>
    answer(c, env, async (tenant) => {
      const { repository, tag } = await body(c, scanBody)
      const { job } = await submit(
        { tenant, type: 'scan', params: { image: `${registryOf(env)}/${repository}:${tag}` } },
        env,
      )
      return { id: job.id }
    }),
  )

  app.post('/api/jobs/replication', (c) =>
    answer(c, env, async (tenant) => {
      const { policy_id, repository, operation, tags } = await body(c, replicationBody)
      if (operation !== undefined && operation !== 'transfer')
        throw new LongshoreError(
          'malformed-request',
          `operation "${operation.slice(0, 32)}" is not supported; "transfer" is`,
        )
      const policy = await replicationPolicy(tenant, policy_id, env)
      if (!repository) return { ids: [(await runPolicy(tenant, policy.id, env)).id] }
      if (!policy.enabled) throw new LongshoreError('conflict', `policy ${policy.id} is disabled; enable it first`)
      const source = { ...(policy.spec.source as object), repositories: [repository], ...(tags ? { tags } : {}) }
      const { type, spec } = await checkBulk(tenant, { ...policy.spec, type: policy.type, source }, env)
      const { execution } = await createExecution(
        { id: newId(env.clock, env.random), tenant, type, policy: policy.id, trigger: 'manual', spec },
        env,
      )
      await noteRun(tenant, policy.id, execution.id, env)
      return { ids: [execution.id] }
    }),
  )

  app.post('/api/jobs/replication/actions', (c) =>
    answer(c, env, async (tenant) => {
      const { policy_id, action } = await body(c, actionBody)
      if (action !== 'stop')
        throw new LongshoreError('malformed-request', `unrecognized action "${action.slice(0, 32)}"; "stop" is known`)
      const policy = await replicationPolicy(tenant, policy_id, env)
      for (let after: string | undefined, more = true; more; more = after !== undefined) {
        const page = await listExecutions(tenant, policy.id, 100, after, env)
        for (const { id, status } of page.executions)
          if (status === 'running') await stopExecution(tenant, id, env).catch(unlessEnded)
        after = page.next
      }
      return {}
    }),
  )

  for (const [path, type] of [
    ['scan', 'scan'],
    ['replication', 'replicate'],
  ] as const)
    app.get(`/api/jobs/${path}/:id/log`, async (c) => {
      const id = c.req.param('id')
      if (!ID_PATTERN.test(id)) return c.text('invalid job id', 400)
      const job = await readJob(env.store, env.tenantOf(c.req.raw), id, env.clock.now())
      if (!job || job.type !== type) return c.text('job not found', 404)
      const { text, end, isWhole } = await readLog(env.blobs, job, 0, env.limits.answerBytesMax)
      const more = isWhole ? '' : `the log goes on at /v1/jobs/${id}/log?after=${end}\n`
      return c.body(text + more, 200, {
        'content-type': 'application/octet-stream',
        'content-disposition': `attachment; filename=job_${id}.log`,
      })
    })
}

/** Throws `policy-not-found`, also for a policy that scans. */
async function replicationPolicy(tenant: string, id: string, env: ApiEnvironment): Promise<PolicyRecord> {
  const policy = ID_PATTERN.test(id) ? await requirePolicy(tenant, id, env) : undefined
  if (policy?.type === 'replicate') return policy
  throw new LongshoreError('policy-not-found', `${JSON.stringify(id.slice(0, 64))} is no replication policy`)
}

/** Ended since it was read: there is nothing to stop. */
function unlessEnded(thrown: unknown): void {
  if (asLongshoreError(thrown).code !== 'conflict') throw thrown
}

function registryOf(env: ApiEnvironment): string {
  if (!env.defaultRegistry)
    throw new LongshoreError(
      'config-invalid',
      'LONGSHORE_DEFAULT_REGISTRY is not set; this route names repositories only and needs it',
    )
  return env.defaultRegistry
}

/** Harbor's own callers of 2017 name no type. */
const isSentAsJson = (type: string | undefined): boolean =>
  type === undefined || /^application\/json\s*(?:;|$)/i.test(type)

async function body<T>(c: Context, schema: z.ZodType<T>): Promise<T> {
  if (!isSentAsJson(c.req.header('content-type'))) throw notSentAsJson()
  const parsed = schema.safeParse(await c.req.json().catch(() => undefined))
  if (!parsed.success) throw new LongshoreError('malformed-request', 'Invalid json request')
  return parsed.data
}

/** The statuses of 2017, 200, 400, 404, 500, with a plain sentence; and 415, which no caller of then has met. */
async function answer(c: Context, env: ApiEnvironment, handle: (tenant: string) => Promise<object>): Promise<Response> {
  try {
    return c.json(await handle(env.tenantOf(c.req.raw)), 200)
  } catch (thrown) {
    const error = asLongshoreError(thrown)
    const { http } = ERRORS[error.code]
    const status = http === 404 || http === 415 ? http : http === 400 || http === 422 || http === 409 ? 400 : 500
    if (status === 500) env.log.error('a seed route failed', { code: error.code, reason: error.message.slice(0, 300) })
    return c.text(error.code === 'internal' ? 'internal error' : error.message, status)
  }
}
