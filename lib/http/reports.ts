/** GET /v1/jobs/{id}/report: the report of a scan, in every format, whole or in part. */
import { createRoute, z } from '@hono/zod-openapi'
import { LongshoreError } from '../errors.ts'
import { requireJob } from '../job/apply.ts'
import { isTerminal } from '../job/record.ts'
import { checkedId, idParam } from './jobs.ts'
import { answerReport, readReportQuery, reportQuery, reportResponse } from './report-answer.ts'
import { problems } from './resources.ts'
import type { Api, ApiEnvironment } from './server.ts'

export function reportRoutes(app: Api, env: ApiEnvironment): void {
  const route = createRoute({
    method: 'get',
    path: '/v1/jobs/{id}/report',
    summary: 'The report of a finished scan',
    description: 'With `fixable` or `severity` a part of it; what is left out is counted in `filter.hidden`.',
    request: { params: idParam, query: z.strictObject(reportQuery) },
    responses: { 200: reportResponse, ...problems(400, 404, 406, 409, 422) },
  })
  app.openapi(route, async (c) => {
    const job = await requireJob(
      env.store,
      env.tenantOf(c.req.raw),
      checkedId(c.req.valid('param').id),
      env.clock.now(),
    )
    const asked = readReportQuery(c.req.valid('query') as never)
    if (!isTerminal(job.status))
      throw new LongshoreError(
        'report-not-ready',
        `job ${job.id} is ${job.status}; wait with GET /v1/jobs/${job.id}?wait=20`,
      )
    const content = job.reportKey ? await env.blobs.get(job.reportKey) : undefined
    if (!content)
      throw new LongshoreError('report-not-found', `job ${job.id} (${job.type}, ${job.status}) has no report`)
    return await answerReport(c, content, asked, env)
  })
}
