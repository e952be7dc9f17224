/** A stored report as an answer: in the format asked for, whole or in part, judged by the exceptions as they are now. */
import { gzipSync } from 'node:zlib'
import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { LongshoreError } from '../errors.ts'
import { COVERAGES, SEVERITIES, type Severity } from '../glossary.ts'
import { tellAge } from '../report/age.ts'
import { FORMATS, fileName, HTML_POLICY, readReport, type Selection, selectFindings } from '../report/index.ts'
import { applyExceptions } from '../scan/exceptions/apply.ts'
import { storedRules } from '../scan/exceptions/stored.ts'
import { loadVex } from '../scan/inventories.ts'
import { type ApiEnvironment, badQuery } from './server.ts'

/** Bytes; what is larger goes gzipped to those who take it. */
const PLAIN_BYTES_MAX = 1_048_576

const known = FORMATS.map(({ format }) => format).join(', ')

/** The query of every route that answers with a report. */
export const reportQuery = {
  format: z
    .string()
    .max(32)
    .optional()
    .openapi({ description: `One of ${known}; default json` }),
  fixable: z.enum(['true', 'false']).optional().openapi({ description: 'Only findings with a fixed version' }),
  severity: z.string().max(128).optional().openapi({ description: 'Comma list of severities' }),
}

export const reportResponse = {
  description: 'The report in the format asked for',
  headers: {
    'Longshore-Coverage': {
      description: 'Whether all could be judged; without findings only `full` means that none are known',
      schema: { type: 'string' as const, enum: [...COVERAGES] },
    },
    'Longshore-Gaps': {
      description: 'How many things could not be seen; the report names them',
      schema: { type: 'integer' as const },
    },
  },
  content: Object.fromEntries(FORMATS.map(({ contentType }) => [contentType, { schema: z.string() }])),
}

/** Throws `unsupported-format` and `invalid-value`: what was asked is looked at before what is there. */
export function readReportQuery(query: { format?: string; fixable?: string; severity?: string }) {
  const { format: name = 'json', fixable, severity } = query
  const format = FORMATS.find((one) => one.format === name)
  if (!format)
    throw new LongshoreError('unsupported-format', `"${name.slice(0, 32)}" is not a report format; known: ${known}`, {
      errors: [{ pointer: '/query/format', detail: 'not a report format' }],
    })
  const selection: Selection = {
    fixable: fixable === 'true',
    ...(severity ? { severity: severitiesOf(severity, SEVERITIES) } : {}),
  }
  return { format, selection }
}

/** Throws `invalid-value` naming the word that is no severity. */
export const severitiesOf = <Level extends Severity | 'None'>(list: string, levels: readonly Level[]): Level[] =>
  list.split(',').map((word) => {
    const severity = levels.find((level) => level.toLowerCase() === word.trim().toLowerCase())
    if (!severity) throw badQuery('severity', `"${word.slice(0, 32)}" is not a severity; known: ${levels.join(', ')}`)
    return severity
  })

/** The stored report never changes; what is accepted may, and counts as it is now. */
export async function answerReport(
  c: Context,
  content: Uint8Array,
  { format, selection }: ReturnType<typeof readReportQuery>,
  env: ApiEnvironment,
): Promise<never> {
  const tenant = env.tenantOf(c.req.raw)
  const stored = readReport(content)
  // What people say goes before what documents say.
  const rules = await Promise.all([storedRules(env.store, tenant), loadVex(env.blobs, tenant, stored.digest)])
  const now = env.clock.now()
  const judged = applyExceptions(stored, rules.flat(), now)
  const report = selectFindings(tellAge(judged, now, env.limits.advisoriesAgeDaysMax), selection)
  const hint = ', or for a part with severity= or fixable=true'
  return answerText(c, format.write(report), 'this report', hint, env, {
    'content-type': format.contentType,
    'content-disposition': `inline; filename="${fileName(report, format.extension)}"`,
    'longshore-coverage': report.coverage,
    'longshore-gaps': String(report.gaps.length),
    ...(format.format === 'html'
      ? { 'content-security-policy': `${HTML_POLICY}; frame-ancestors 'none'; sandbox` }
      : {}),
  })
}

/** Throws `answer-too-large` for what Lambda could not hand over plain to somebody who takes no gzip. */
export function answerText(
  c: Context,
  text: string,
  what: string,
  hint: string,
  env: ApiEnvironment,
  headers: Record<string, string>,
): never {
  const bytes = Buffer.byteLength(text)
  const zip = bytes > PLAIN_BYTES_MAX && /\bgzip\b/.test(c.req.header('accept-encoding') ?? '')
  if (!zip && bytes > env.limits.answerBytesMax)
    throw new LongshoreError(
      'answer-too-large',
      `${what} has ${bytes} bytes; ask for it with Accept-Encoding: gzip (curl --compressed)${hint}`,
    )
  if (!zip) return c.body(text, 200, headers) as never
  return c.body(new Uint8Array(gzipSync(text)), 200, { ...headers, 'content-encoding': 'gzip' }) as never
}

/** As `answerText`, of JSON whose size nobody can tell beforehand. */
export const answerJson = (
  c: Context,
  value: unknown,
  what: string,
  hint: string,
  env: ApiEnvironment,
  headers: Record<string, string> = {},
): never => answerText(c, JSON.stringify(value), what, hint, env, { 'content-type': 'application/json', ...headers })
