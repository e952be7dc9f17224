/** GET /v1/jobs/{id}/report: the report of a scan, in every format, whole or in part. */
import { gzipSync } from 'node:zlib'
import { createRoute, z } from '@hono/zod-openapi'
import { LongshoreError } from '../errors.ts'
import { SEVERITIES, type Severity } from '../glossary.ts'
import { requireJob } from '../job/apply.ts'
import { isTerminal } from '../job/record.ts'
import { FORMATS, fileName, HTML_POLICY, readReport, selectFindings } from '../report/index.ts'
import { applyExceptions } from '../scan/exceptions/apply.ts'
import { storedRules } from '../scan/exceptions/stored.ts'
import { checkedId, idParam } from './jobs.ts'
import { problems } from './resources.ts'
import { type Api, type ApiEnvironment, badQuery } from './server.ts'

/** Bytes; what is larger goes gzipped to those who take it. */
const PLAIN_BYTES_MAX = 1_048_576

const known = FORMATS.map(({ format }) => format).join(', ')

export function reportRoutes(app: Api, env: ApiEnvironment): void {
  const route = createRoute({
    method: 'get',
    path: '/v1/jobs/{id}/report',
    summary: 'The report of a finished scan',
    description: 'With `fixable` or `severity` a part of it; what is left out is counted in `filter.hidden`.',
    request: {
      params: idParam,
      query: z.strictObject({
        format: z
          .string()
          .max(32)
          .optional()
          .openapi({ description: `One of ${known}; default json` }),
        fixable: z.enum(['true', 'false']).optional().openapi({ description: 'Only findings with a fixed version' }),
        severity: z.string().max(128).optional().openapi({ description: 'Comma list of severities' }),
      }),
    },
    responses: {
      200: {
        description: 'The report in the format asked for',
        content: Object.fromEntries(FORMATS.map(({ contentType }) => [contentType, { schema: z.string() }])),
      },
      ...problems(400, 404, 406, 409, 422),
    },
  })
  app.openapi(route, async (c) => {
    const { format: name = 'json', fixable, severity } = c.req.valid('query')
    const tenant = env.tenantOf(c.req.raw)
    const job = await requireJob(env.store, tenant, checkedId(c.req.valid('param').id), env.clock.now())
    const format = FORMATS.find((one) => one.format === name)
    if (!format)
      throw new LongshoreError('unsupported-format', `"${name.slice(0, 32)}" is not a report format; known: ${known}`, {
        errors: [{ pointer: '/query/format', detail: 'not a report format' }],
      })
    const selection = { fixable: fixable === 'true', ...(severity ? { severity: severitiesOf(severity) } : {}) }
    if (!isTerminal(job.status))
      throw new LongshoreError(
        'report-not-ready',
        `job ${job.id} is ${job.status}; wait with GET /v1/jobs/${job.id}?wait=20`,
      )
    const [content, rules] = job.reportKey
      ? await Promise.all([env.blobs.get(job.reportKey), storedRules(env.store, tenant)])
      : []
    if (!content)
      throw new LongshoreError('report-not-found', `job ${job.id} (${job.type}, ${job.status}) has no report`)
    // The stored report never changes; what is accepted may, and counts as it is now.
    const judged = applyExceptions(readReport(content), rules ?? [], env.clock.now())
    const report = selectFindings(judged, selection)
    const text = format.write(report)
    const headers: Record<string, string> = {
      'content-type': format.contentType,
      'content-disposition': `inline; filename="${fileName(report, format.extension)}"`,
      ...(name === 'html' ? { 'content-security-policy': `${HTML_POLICY}; frame-ancestors 'none'; sandbox` } : {}),
    }
    const bytes = Buffer.byteLength(text)
    const zip = bytes > PLAIN_BYTES_MAX && /\bgzip\b/.test(c.req.header('accept-encoding') ?? '')
    if (!zip && bytes > env.limits.answerBytesMax)
      throw new LongshoreError(
        'answer-too-large',
        `this report has ${bytes} bytes; ask for it with Accept-Encoding: gzip (curl --compressed), or for a part with severity= or fixable=true`,
      )
    if (!zip) return c.body(text, 200, headers) as never
    return c.body(new Uint8Array(gzipSync(text)), 200, { ...headers, 'content-encoding': 'gzip' }) as never
  })
}

/** Throws `invalid-value` naming the word that is no severity. */
const severitiesOf = (list: string): Severity[] =>
  list.split(',').map((word) => {
    const severity = SEVERITIES.find((level) => level.toLowerCase() === word.trim().toLowerCase())
    if (!severity)
      throw badQuery('severity', `"${word.slice(0, 32)}" is not a severity; known: ${SEVERITIES.join(', ')}`)
    return severity
  })
