/** /v1/jobs: submit, get with wait, list, log, stop, retry. */
import { createRoute, z } from '@hono/zod-openapi'
import { asLongshoreError, LongshoreError } from '../errors.ts'
import { type Json, STATUSES, type Status } from '../glossary.ts'
import { readJob, requireJob } from '../job/apply.ts'
import { retryJob, stopJob } from '../job/control.ts'
import { ID_PATTERN } from '../job/id.ts'
import { CURSOR_PATTERN, listJobs } from '../job/list.ts'
import { readLog } from '../job/log.ts'
import { isTerminal, type JobRecord } from '../job/record.ts'
import { submit } from '../job/submit.ts'
import { parseReference } from '../oci/reference.ts'
import type { Reference } from '../oci/types.ts'
import { type JobTypeSchemas, jobRequestSchema } from './job-request.ts'
import { jobResource, jobSchema, json, problems } from './resources.ts'
import {
  type Api,
  type ApiEnvironment,
  badQuery,
  decodeCursor,
  encodeCursor,
  nextLink,
  notAnId,
  sentBody,
} from './server.ts'

export const idParam = z.object({
  id: z.string().openapi({ param: { name: 'id', in: 'path' }, description: 'Job id' }),
})

/** Throws `job-not-found` for what cannot be an id, so that a typo reads like one. */
export function checkedId(id: string): string {
  if (!ID_PATTERN.test(id))
    throw new LongshoreError('job-not-found', `"${id.slice(0, 64)}" is not the id of a job; ids have 26 characters`)
  return id
}

export function jobRoutes(app: Api, env: ApiEnvironment, types: JobTypeSchemas): void {
  const { limits } = env
  const submitRoute = createRoute({
    method: 'post',
    path: '/v1/jobs',
    summary: 'Submit a job',
    request: {
      headers: z.object({ 'idempotency-key': z.string().min(1).max(255).optional() }),
      body: { required: true, content: { 'application/json': { schema: jobRequestSchema(types) } } },
    },
    responses: {
      202: { ...json(jobSchema, 'Accepted'), headers: { Location: { schema: { type: 'string' } } } },
      200: json(jobSchema, 'The job this idempotency key made before'),
      ...problems(400, 404, 413, 422, 429, 502, 503, 504),
    },
  })
  app.openapi(submitRoute, async (c) => {
    // As submitted: the validator has checked it, the record keeps what was sent.
    const body = (await sentBody(c)) as { type: string; params: Json; dueAt?: string }
    const idempotencyKey = c.req.valid('header')['idempotency-key']
    const { job, created } = await submit(
      {
        tenant: env.tenantOf(c.req.raw),
        type: body.type,
        params: body.params,
        ...(body.dueAt === undefined ? {} : { dueAt: Date.parse(body.dueAt) }),
        ...(idempotencyKey ? { idempotencyKey } : {}),
      },
      env,
    )
    return c.json(jobResource(job) as never, created ? 202 : 200, { location: `/v1/jobs/${job.id}` })
  })

  const listRoute = createRoute({
    method: 'get',
    path: '/v1/jobs',
    summary: 'List jobs, newest first',
    description: 'Jobs submitted by hand; with `execution`, the jobs of that execution.',
    request: {
      query: z.strictObject({
        type: z.string().optional(),
        status: z.string().optional().openapi({ description: 'Comma list of statuses' }),
        image: z
          .string()
          .max(2_048)
          .optional()
          .openapi({ description: 'registry/repository, with :tag or @digest to be exact' }),
        execution: z.string().regex(ID_PATTERN, notAnId('an execution')).optional(),
        limit: z.coerce.number().int().min(1).max(limits.pageItemsMax).optional(),
        cursor: z.string().max(512).optional(),
      }),
    },
    responses: {
      200: json(z.object({ jobs: z.array(jobSchema), next: z.string().nullable() }), 'A page'),
      ...problems(422),
    },
  })
  app.openapi(listRoute, async (c) => {
    const query = c.req.valid('query')
    const known = [...env.types.keys()]
    if (query.type && !known.includes(query.type))
      throw badQuery('type', `"${query.type.slice(0, 64)}" is not a job type; known types: ${known.join(', ')}`)
    const statuses = query.status?.split(',').map((status) => {
      if (!(STATUSES as readonly string[]).includes(status))
        throw badQuery('status', `"${status.slice(0, 64)}" is not a status; known: ${STATUSES.join(', ')}`)
      return status as Status
    })
    const after = decodeCursor(query.cursor, CURSOR_PATTERN)
    const page = await listJobs(
      {
        tenant: env.tenantOf(c.req.raw),
        types: query.type ? [query.type] : known,
        ...(statuses ? { statuses } : {}),
        ...(query.image ? { image: imageFilter(query.image) } : {}),
        ...(query.execution ? { execution: query.execution } : {}),
      },
      query.limit ?? 20,
      after,
      env,
    )
    const next = page.next ? encodeCursor(page.next) : null
    const headers: Record<string, string> = next ? { link: nextLink(c.req.url, next) } : {}
    return c.json({ jobs: page.jobs.map(jobResource), next } as never, 200, headers)
  })

  const getRoute = createRoute({
    method: 'get',
    path: '/v1/jobs/{id}',
    summary: 'One job; `wait` answers when it has ended or the time is up',
    request: {
      params: idParam,
      query: z.strictObject({ wait: z.coerce.number().min(0).max(limits.waitSecondsMax).optional() }),
    },
    responses: { 200: json(jobSchema, 'The job'), ...problems(404, 422) },
  })
  app.openapi(getRoute, async (c) => {
    const job = await waitForEnd(
      env.tenantOf(c.req.raw),
      checkedId(c.req.valid('param').id),
      (c.req.valid('query').wait ?? 0) * 1000,
      env,
    )
    const headers: Record<string, string> = isTerminal(job.status) ? {} : { 'retry-after': '1' }
    return c.json(jobResource(job) as never, 200, headers)
  })

  const stopRoute = createRoute({
    method: 'post',
    path: '/v1/jobs/{id}/stop',
    summary: 'Stop a job',
    request: { params: idParam },
    responses: {
      202: json(jobSchema, 'Stopped, or asked to stop'),
      200: json(jobSchema, 'It was stopped before'),
      ...problems(404, 409),
    },
  })
  app.openapi(stopRoute, async (c) => {
    const { job, outcome } = await stopJob(env.tenantOf(c.req.raw), checkedId(c.req.valid('param').id), env)
    return c.json(jobResource(job) as never, outcome === 'already' ? 200 : 202)
  })

  const retryRoute = createRoute({
    method: 'post',
    path: '/v1/jobs/{id}/retry',
    summary: 'A new job with the parameters of one that has ended',
    request: { params: idParam },
    responses: {
      202: { ...json(jobSchema, 'The new job'), headers: { Location: { schema: { type: 'string' } } } },
      ...problems(404, 409, 422, 502, 504),
    },
  })
  app.openapi(retryRoute, async (c) => {
    const job = await retryJob(env.tenantOf(c.req.raw), checkedId(c.req.valid('param').id), env)
    return c.json(jobResource(job) as never, 202, { location: `/v1/jobs/${job.id}` })
  })

  const logRoute = createRoute({
    method: 'get',
    path: '/v1/jobs/{id}/log',
    summary: 'The log of all attempts; `follow=1` answers as server-sent events',
    description:
      'A followed log comes in finite answers: reconnect with Last-Event-ID (EventSource does) to get what came since.',
    request: {
      params: idParam,
      query: z.strictObject({
        after: z.coerce.number().int().min(0).optional().openapi({ description: 'Byte offset to begin at' }),
        follow: z.enum(['0', '1']).optional(),
      }),
    },
    responses: {
      200: {
        description: 'Text',
        content: { 'text/plain': { schema: z.string() }, 'text/event-stream': { schema: z.string() } },
      },
      ...problems(404, 422),
    },
  })
  app.openapi(logRoute, async (c) => {
    const { after = 0, follow } = c.req.valid('query')
    const tenant = env.tenantOf(c.req.raw)
    const job = await requireJob(env.store, tenant, checkedId(c.req.valid('param').id), env.clock.now())
    if (follow !== '1') {
      const { text, end } = await readLog(env.blobs, job, after, env.limits.answerBytesMax)
      return c.body(text, 200, { 'content-type': 'text/plain; charset=utf-8', 'x-log-end': String(end) })
    }
    const from = Number(c.req.header('last-event-id') ?? after)
    const events = await followLog(job, Number.isSafeInteger(from) && from >= 0 ? from : 0, env)
    return c.body(events, 200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  })
}

/** A reference without a tag means every tag here. */
function imageFilter(text: string): { registry: string; repository: string; tag?: string; digest?: string } {
  const { registry, repository, tag, digest } = referenceOf(text)
  const named = /:[^/]*$/.test(text.split('@')[0] ?? '')
  return { registry, repository, ...(named && tag ? { tag } : {}), ...(digest ? { digest } : {}) }
}

function referenceOf(text: string): Reference {
  try {
    return parseReference(text)
  } catch (thrown) {
    throw badQuery('image', asLongshoreError(thrown).message)
  }
}

/** The shortest job takes about this long from its acceptance: an earlier look would only be in its way. */
const FIRST_LOOK_MS = 12
/** What remains between two looks at a job that is quick, and at one that is slow. */
const LOOK_AGAIN_MS = { least: 5, most: 500 }

/** Looks again after a quarter of the time waited so far: a short job is seen at once, a long one costs little. */
async function waitForEnd(tenant: string, id: string, ms: number, env: ApiEnvironment): Promise<JobRecord> {
  const { clock, store } = env
  const begun = clock.now()
  const until = begun + ms
  let pause = FIRST_LOOK_MS
  let job = await requireJob(store, tenant, id, clock.now())
  while (!isTerminal(job.status) && clock.now() < until) {
    await clock.sleep(Math.min(pause, until - clock.now()))
    job = await requireJob(store, tenant, id, clock.now())
    pause = Math.min(LOOK_AGAIN_MS.most, Math.max(LOOK_AGAIN_MS.least, (clock.now() - begun) / 4))
  }
  return job
}

/** One finite answer: what there is after `from`, or what comes within the waiting time. `id:` is the byte offset. */
async function followLog(start: JobRecord, from: number, env: ApiEnvironment): Promise<string> {
  const until = env.clock.now() + env.limits.waitSecondsMax * 500
  let job = start
  for (;;) {
    const { text, end, isWhole } = await readLog(env.blobs, job, from, env.limits.answerBytesMax)
    if (text !== '' || isTerminal(job.status) || env.clock.now() >= until) {
      const data = text
        .split('\n')
        .slice(0, -1)
        .map((line) => `data: ${line}\n`)
        .join('')
      const lines = data === '' ? '' : `id: ${end}\n${data}\n`
      const over = isWhole && isTerminal(job.status) ? `id: ${end}\nevent: end\ndata: ${job.status}\n\n` : ''
      return `retry: 1000\n\n${lines}${over}`
    }
    await env.clock.sleep(500)
    job = (await readJob(env.store, job.tenant, job.id, env.clock.now())) ?? job
  }
}
