/** Errors as RFC 9457 problem+json, from every path: router, validator, handlers. */
import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { asLongshoreError, ERRORS, LongshoreError } from '../errors.ts'
import type { OperatorLog } from '../job/environment.ts'
import { redacted } from '../job/redact.ts'

/** RFC 9457 asks for a URI that names the kind of problem; this one leads to its page on the same service. */
export const PROBLEM_BASE = '/problems/'

export interface Problem {
  type: string
  title: string
  status: number
  detail: string
  retryable: boolean
  errors?: { pointer: string; detail: string }[]
}

/** Whatever a handler threw. What we did not foresee is shown as `internal`, without its message. */
export function problemOf(thrown: unknown): { problem: Problem; error: LongshoreError } {
  const error = fromHono(thrown) ?? asLongshoreError(thrown)
  const row = ERRORS[error.code]
  const detail =
    error.code === 'internal'
      ? 'something unforeseen happened; repeat the request, and if it stays look at the logs of the api function'
      : error.message
  const problem: Problem = {
    type: `${PROBLEM_BASE}${error.code}`,
    title: row.title,
    status: row.http,
    detail: redacted(detail),
    retryable: error.retryable,
    ...(error.errors.length > 0
      ? { errors: error.errors.map(({ pointer, detail }) => ({ pointer, detail: redacted(detail) })) }
      : {}),
  }
  return { problem, error }
}

function fromHono(thrown: unknown): LongshoreError | undefined {
  if (!(thrown instanceof HTTPException)) return undefined
  if (thrown.status === 413) return new LongshoreError('request-too-large', thrown.message)
  if (thrown.status === 415) return notSentAsJson()
  return thrown.status === 400 ? notJson() : undefined
}

/** The body is of another type, whatever is in it. */
export const notSentAsJson = (): LongshoreError =>
  new LongshoreError('unsupported-content-type', 'send the body as JSON with Content-Type: application/json')

/** The body is not JSON, or there is none. */
export function notJson(detail = 'the body is not JSON; send a JSON object'): LongshoreError {
  return new LongshoreError('malformed-request', detail, { errors: [{ pointer: '', detail }] })
}

export function problemResponse(
  c: Context,
  thrown: unknown,
  log: OperatorLog,
  more: Record<string, string> = {},
): Response {
  const { problem, error } = problemOf(thrown)
  // Whoever asks for the health hears it; the log has it from the sweep, which looks each minute.
  if (problem.status >= 500 && error.code !== 'not-healthy')
    log.error(problem.title, {
      ...requestIdOf(c),
      code: error.code,
      reason: error.message.slice(0, 500),
      path: c.req.path,
    })
  const headers: Record<string, string> = { 'content-type': 'application/problem+json' }
  if (error.retryAfterMs !== undefined) headers['retry-after'] = String(Math.ceil(error.retryAfterMs / 1000))
  Object.assign(headers, more)
  return c.body(JSON.stringify(problem), problem.status as ContentfulStatusCode, headers)
}

/** On Lambda the id of the invocation; elsewhere there is none. */
function requestIdOf(c: Context): { requestId?: string } {
  const { lambdaContext } = (c.env ?? {}) as { lambdaContext?: { awsRequestId?: string } }
  return lambdaContext?.awsRequestId ? { requestId: lambdaContext.awsRequestId } : {}
}
