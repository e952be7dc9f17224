/** /v1/queues: what waits, what runs, how old the oldest is. */
import { createRoute, z } from '@hono/zod-openapi'
import { LANES } from '../glossary.ts'
import { OPEN_KINDS, OPEN_SHARDS, openJobsPartition } from '../job/keys.ts'
import { queueOf } from '../job/message.ts'
import { type JobRecord, jobOfItem } from '../job/record.ts'
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

export function queueRoutes(app: Api, env: ApiEnvironment): void {
  const list = createRoute({
    method: 'get',
    path: '/v1/queues',
    summary: 'Queues of all job types',
    responses: { 200: json(z.object({ queues: z.array(queueSchema) }), 'All'), ...problems(503) },
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
    return c.json({ queues: queues.flat() }, 200)
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
  return { jobs: items.map(jobOfItem), complete: pages.every((page) => page.cursor === undefined) }
}
