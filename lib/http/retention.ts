/** /v1/retention: how long which images are kept, a list whose first rule that means an image decides. */
import { createRoute, z } from '@hono/zod-openapi'
import type { Limits } from '../config.ts'
import { retentionKey } from '../job/keys.ts'
import { SCAN_LIMITS } from '../limits/scan.ts'
import { readRetention } from '../scan/images/retention.ts'
import { json, problems } from './resources.ts'
import type { Api, ApiEnvironment } from './server.ts'

/** Reports are deleted a week later (infrastructure/storage.yml), and an image without its report is nothing to show. */
const daysMax = ({ historyDays }: Limits): number => Math.min(SCAN_LIMITS.imageDays.max, historyDays)

export function retentionRoutes(app: Api, env: ApiEnvironment): void {
  const { store, limits } = env
  const rules = z
    .array(
      z.strictObject({
        image: z
          .string()
          .min(1)
          .max(512)
          .regex(/^[A-Za-z0-9._:/*?[\]-]+$/, 'write registry/repository or registry/repository:tag, with * or **')
          .openapi({ example: 'registry.example/ci/**:pr-*' }),
        days: z.number().int().min(1).max(daysMax(limits)),
      }),
    )
    .max(limits.retentionRulesMax)
  const shown = z
    .object({
      rules,
      imageDays: z.number().openapi({ description: 'What counts where no rule does (LONGSHORE_IMAGE_DAYS)' }),
    })
    .openapi('Retention')

  const get = createRoute({
    method: 'get',
    path: '/v1/retention',
    summary: 'How long images are kept after their last scan',
    responses: { 200: json(shown, 'The rules') },
  })
  app.openapi(get, async (c) => {
    const item = await store.get(retentionKey(env.tenantOf(c.req.raw)))
    return c.json({ rules: readRetention(item?.rules), imageDays: limits.imageDays }, 200)
  })

  const put = createRoute({
    method: 'put',
    path: '/v1/retention',
    summary: 'Replace the rules by which images are kept',
    description:
      'The first rule that means a name of an image decides for that name, and the name that lasts longest for the image. Counts from the next scan or re-evaluation of an image.',
    request: {
      body: { required: true, content: { 'application/json': { schema: z.strictObject({ rules }) } } },
    },
    responses: { 200: json(shown, 'Stored'), ...problems(400, 413, 422) },
  })
  app.openapi(put, async (c) => {
    const { rules: wanted } = c.req.valid('json')
    const key = retentionKey(env.tenantOf(c.req.raw))
    // Whole, in one write: no scan ever sees half of a list whose order means something.
    if (wanted.length > 0) await store.put({ ...key, rules: wanted })
    else await store.delete(key)
    return c.json({ rules: wanted, imageDays: limits.imageDays }, 200)
  })
}
