/** What every route module gets, and the app they register on. */
import { OpenAPIHono } from '@hono/zod-openapi'
import { LongshoreError } from '../errors.ts'
import type { Environment } from '../job/environment.ts'
import { invalid } from '../job/validate.ts'
import type { RegistryObjects } from '../oci/objects.ts'
import type { Reference } from '../oci/types.ts'
import { problemResponse } from './problem.ts'

export interface ApiEnvironment extends Environment {
  objects: RegistryObjects
  /** The registry of the seed routes, which name repositories only. */
  defaultRegistry: string | undefined
  version: string
  /** Whose data a request may touch: from the authenticated principal, never from the request's own words. */
  tenantOf: (request: Request) => string
}

export type Api = OpenAPIHono

/** An app whose every error, also the router's and the validator's, is problem+json. */
export function createServer(env: ApiEnvironment): Api {
  const app: Api = new OpenAPIHono({
    defaultHook: (result) => {
      if (!result.success) throw invalid(result.error as never, rootOf(result.target))
    },
  })
  app.onError((thrown, c) => problemResponse(c, thrown, env.log))
  app.notFound((c) =>
    problemResponse(
      c,
      new LongshoreError(
        'route-not-found',
        `${c.req.method} ${c.req.path} is not a route; GET /openapi.json lists them`,
      ),
      env.log,
    ),
  )
  app.use(async (c, next) => {
    const length = Number(c.req.header('content-length') ?? 0)
    if (length > env.limits.requestBytesMax) throw tooLarge(length, env.limits.requestBytesMax)
    // Without a Content-Length the body itself is measured; API Gateway hands it over whole.
    if (c.req.raw.body && !c.req.header('content-length')) {
      const text = await c.req.text()
      if (Buffer.byteLength(text) > env.limits.requestBytesMax)
        throw tooLarge(Buffer.byteLength(text), env.limits.requestBytesMax)
    }
    await next()
    c.header('x-content-type-options', 'nosniff')
  })
  return app
}

const tooLarge = (bytes: number, max: number): LongshoreError =>
  new LongshoreError('request-too-large', `the body has ${bytes} bytes, at most ${max} are read`)

/** Pointers of a body have no root; a query parameter is named as such. */
const rootOf = (target: string): string => (target === 'json' ? '' : `/${target}`)

export const referenceText = (reference: Reference): string =>
  `${reference.registry}/${reference.repository}${reference.tag ? `:${reference.tag}` : ''}${reference.digest ? `@${reference.digest}` : ''}`

/** An opaque cursor for a query parameter. */
export const encodeCursor = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Throws `invalid-value` for what is no cursor of ours. */
export function decodeCursor(text: string | undefined): unknown {
  if (text === undefined) return undefined
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))
  } catch {
    const detail = 'the cursor is not one this API gave out; leave it out to begin at the newest'
    throw new LongshoreError('invalid-value', detail, { errors: [{ pointer: '/query/cursor', detail }] })
  }
}

/** `Link: <...>; rel="next"` for a page after this one. */
export function nextLink(url: string, cursor: string): string {
  const next = new URL(url)
  next.searchParams.set('cursor', cursor)
  return `<${next.pathname}${next.search}>; rel="next"`
}
