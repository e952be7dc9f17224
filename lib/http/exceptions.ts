/** /v1/exceptions: what is accepted of which flaw, by a name people choose. */
import { createRoute, z } from '@hono/zod-openapi'
import { exceptionSchema } from '../scan/exceptions/schema.ts'
import { getException, listExceptions, putException, removeException } from '../scan/exceptions/stored.ts'
import { json, problems } from './resources.ts'
import type { Api, ApiEnvironment } from './server.ts'

const nameParam = z.object({ name: z.string().openapi({ param: { name: 'name', in: 'path' } }) })
/** What may be meant: a name or a pattern, a package URL, what an SBOM calls its subject. Not what can be none of them. */
const IMAGE_PATTERN = /^(?!\s)(?!.*@(?:sha256:(?![0-9a-f]{64}$)|sha512:(?![0-9a-f]{128}$)|$))\P{Cc}+(?<!\s)$/u
const { image } = exceptionSchema.shape
const sent = exceptionSchema.extend({
  image: image
    .unwrap()
    .regex(IMAGE_PATTERN, 'write registry/repository, with * or **, and :tag or @digest to be exact')
    .optional()
    .describe(image.description ?? ''),
})
const shown = exceptionSchema.extend({ name: z.string() }).openapi('Exception')

export function exceptionRoutes(app: Api, env: ApiEnvironment): void {
  const { store } = env
  const list = createRoute({
    method: 'get',
    path: '/v1/exceptions',
    summary: 'List the exceptions, also those that have expired',
    responses: { 200: json(z.object({ exceptions: z.array(shown) }), 'All') },
  })
  app.openapi(list, async (c) => c.json({ exceptions: await listExceptions(store, env.tenantOf(c.req.raw)) }, 200))

  const get = createRoute({
    method: 'get',
    path: '/v1/exceptions/{name}',
    summary: 'One exception',
    request: { params: nameParam },
    responses: { 200: json(shown, 'The exception'), ...problems(404) },
  })
  app.openapi(get, async (c) =>
    c.json(await getException(store, env.tenantOf(c.req.raw), c.req.valid('param').name), 200),
  )

  const put = createRoute({
    method: 'put',
    path: '/v1/exceptions/{name}',
    summary: 'Create or replace an exception; it counts from the next report that is read',
    request: {
      params: nameParam,
      body: { required: true, content: { 'application/json': { schema: sent } } },
    },
    responses: { 200: json(shown, 'Stored'), ...problems(400, 413, 422) },
  })
  app.openapi(put, async (c) => {
    const { name } = c.req.valid('param')
    return c.json(await putException(env, env.tenantOf(c.req.raw), name, c.req.valid('json')), 200)
  })

  const remove = createRoute({
    method: 'delete',
    path: '/v1/exceptions/{name}',
    summary: 'Delete an exception: what it covered counts again',
    request: { params: nameParam },
    responses: { 204: { description: 'Deleted' }, ...problems(404) },
  })
  app.openapi(remove, async (c) => {
    await removeException(store, env.tenantOf(c.req.raw), c.req.valid('param').name)
    return c.body(null, 204)
  })
}
