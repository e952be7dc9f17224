/** /problems/{code}: what the `type` of a problem leads to. From the one table of errors, so it cannot be out of date. */
import { createRoute, z } from '@hono/zod-openapi'
import { ERRORS, type ErrorCode, LongshoreError } from '../errors.ts'
import { json, problems } from './resources.ts'
import type { Api } from './server.ts'

const page = z
  .object({ code: z.string(), title: z.string(), status: z.number().int(), retry: z.string() })
  .openapi('ProblemPage')

const RETRY = {
  transient: 'may succeed later; a job tries again by itself, with growing pauses',
  throttled: 'will succeed later; a job waits as long as it was asked to and counts no attempt',
  permanent: 'will not succeed without a change',
}

export function problemPages(app: Api): void {
  const get = createRoute({
    method: 'get',
    path: '/problems/{code}',
    summary: 'What a kind of problem means',
    request: { params: z.object({ code: z.string().openapi({ param: { name: 'code', in: 'path' } }) }) },
    responses: { 200: json(page, 'The kind of problem'), ...problems(404) },
  })
  app.openapi(get, (c) => {
    const { code } = c.req.valid('param')
    if (!Object.hasOwn(ERRORS, code))
      throw new LongshoreError(
        'route-not-found',
        `"${code.slice(0, 64)}" is no kind of problem; docs/api.md lists them`,
      )
    const { title, http, kind } = ERRORS[code as ErrorCode]
    return c.json({ code, title, status: http, retry: `The same request ${RETRY[kind]}.` }, 200)
  })
}
