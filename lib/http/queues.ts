/** /v1/queues: what waits, what runs, how old the oldest is. */
import { createRoute, z } from '@hono/zod-openapi'
import { LongshoreError } from '../errors.ts'
import { LANES } from '../glossary.ts'
import { OPEN_KINDS, OPEN_SHARDS, openJobsPartition } from '../job/keys.ts'
import { queueOf } from '../job/message.ts'
import { type JobRecord, jobOfItem } from '../job/record.ts'
import { deadLetterQueues, redrive } from '../job/redrive.ts'
import type { Item } from '../store/port.ts'
import { json, problems } from './resources.ts'
import type { Api, ApiEnvironment } from './server.ts'

const queueSchema = z
  .object({
    name: z.string(),
    type: z.string(),
    lane: z.enum(LANES),
    pool: z.number().int().openapi({ description: 'Workers at most' }),
    messages: z.object({ waiting: z.number(), inFlight: z.number(), delayed: z.number() }).nullable(),
    jobs: z.object({ waiting: z.number(), running: z.number() }),
    oldestWaitingSeconds: z.number().nullable(),
    complete: z.boolean().openapi({ description: 'False when there are more open jobs than one request reads' }),
  })
  .openapi('Queue')

const deadLettersSchema = z
  .object({
    name: z.string(),
    messages: z.object({ waiting: z.number(), inFlight: z.number(), delayed: z.number() }).nullable(),
    links: z.object({ redrive: z.string() }),
  })
  .openapi('DeadLetters')

export function queueRoutes(app: Api, env: ApiEnvironment): void {
  const list = createRoute({
    method: 'get',
    path: '/v1/queues',
    summary: 'Queues of all job types',
    responses: {
      200: json(z.object({ queues: z.array(queueSchema), deadLetters: z.array(deadLettersSchema) }), 'All'),
      ...problems(503),
    },
  })
  app.openapi(list, async (c) => {
    const now = env.clock.now()
    const queues = await Promise.all(
      [...env.types.values()].map(async (type) => {
        const open = await openJobs(type.type, env)
        return await Promise.all(
          LANES.map(async (lane) => {
            const name = queueOf(type.type, lane)
            const jobs = open.jobs.filter((job) => job.lane === lane)
            const waiting = jobs.filter((job) => job.status !== 'running' && (job.dueAt ?? 0) <= now)
            const oldest = waiting.reduce((least, job) => Math.min(least, Math.max(job.createdAt, job.dueAt ?? 0)), now)
            return {
              name,
              type: type.type,
              lane,
              pool: type.limits.pool[lane],
              messages: await env.queue.depth(name).catch(() => null),
              jobs: {
                waiting: jobs.filter((job) => job.status !== 'running').length,
                running: jobs.filter((job) => job.status === 'running').length,
              },
              oldestWaitingSeconds: waiting.length > 0 ? Math.floor((now - oldest) / 1000) : null,
              complete: open.complete,
            }
          }),
        )
      }),
    )
    const deadLetters = await Promise.all(
      deadLetterQueues(env.types).map(async (name) => ({
        name,
        messages: await env.queue.depth(name).catch(() => null),
        links: { redrive: `/v1/queues/${name}/redrive` },
      })),
    )
    return c.json({ queues: queues.flat(), deadLetters }, 200)
  })

  const redriveRoute = createRoute({
    method: 'post',
    path: '/v1/queues/{name}/redrive',
    summary: 'Move dead letters back to their queues',
    description:
      `At most ${env.limits.redriveBatchMax} of those that are visible; call it again while \`moved\` says as many. A job that ` +
      'has already ended as `poison-message` is retried with POST /v1/jobs/{id}/retry or with its execution.',
    request: { params: z.object({ name: z.string().openapi({ param: { name: 'name', in: 'path' } }) }) },
    responses: {
      200: json(z.object({ moved: z.number().int(), foreign: z.number().int() }).openapi('Redriven'), 'What was moved'),
      ...problems(404, 503),
    },
  })
  app.openapi(redriveRoute, async (c) => {
    const { name } = c.req.valid('param')
    const known = deadLetterQueues(env.types)
    if (!known.includes(name))
      throw new LongshoreError(
        'queue-not-found',
        `"${name.slice(0, 80)}" is not a dead-letter queue; there are ${known.join(', ')}`,
      )
    return c.json(await redrive(name, env), 200)
  })
}

async function openJobs(type: string, env: ApiEnvironment): Promise<{ jobs: JobRecord[]; complete: boolean }> {
  const limit = Math.ceil(env.limits.listKeysMax / OPEN_SHARDS)
  const pages = await Promise.all(
    OPEN_KINDS.flatMap((kind) =>
      Array.from({ length: OPEN_SHARDS }, (_, shard) =>
        env.store.query({ index: 'open', pk: openJobsPartition(type, kind, shard), limit }),
      ),
    ),
  )
  const items = await env.store.getMany(pages.flatMap((page) => page.items.map(({ pk, sk }) => ({ pk, sk }))))
  return { jobs: items.flatMap(readable), complete: pages.every((page) => page.cursor === undefined) }
}

/** One record of a version we do not know must not keep the others from being shown; the sweep tells of it. */
function readable(item: Item): JobRecord[] {
  try {
    return [jobOfItem(item)]
  } catch {
    return []
  }
}
