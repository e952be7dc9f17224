/** What every route module gets, and the app they register on. */
import { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { LongshoreError } from '../errors.ts'
import type { Json } from '../glossary.ts'
import type { Environment } from '../job/environment.ts'
import { invalid } from '../job/validate.ts'
import type { RegistryObjects } from '../oci/objects.ts'
import type { Reference } from '../oci/types.ts'
import type { Queue, QueueConsumer, QueueSetup } from '../queue/port.ts'
import { shownValue } from '../shown-value.ts'
import '../validation.ts'
import { notJson, problemResponse } from './problem.ts'

export interface ApiEnvironment extends Environment {
  queue: Queue & QueueConsumer & QueueSetup
  objects: RegistryObjects
  /** The registry of the seed routes, which name repositories only. */
  defaultRegistry: string | undefined
  version: string
  /**
   * `host:port` a request may name; absent: any. Set where loopback is the only gate: a name that an attacker points at
   * 127.0.0.1 would make his page look like ours.
   */
  hosts?: readonly string[]
  /** Whose data a request may touch: from the authenticated principal, never from the request's own words. */
  tenantOf: (request: Request) => string
}

export type Api = OpenAPIHono

/** Paths that take larger bodies than the others. */
const BODY_LIMITS: Record<string, 'sbomBytesMax' | undefined> = { '/v1/sboms/report': 'sbomBytesMax' }

/** An app whose every error, also the router's and the validator's, is problem+json. */
export function createServer(env: ApiEnvironment): Api {
  const app: Api = new OpenAPIHono({
    defaultHook: (result, c) => {
      if (result.success) return
      // Without a content type the validator looks at an empty object in place of the body.
      if (result.target === 'json' && c.req.header('content-type') === undefined) throw noBody()
      throw invalid(result.error as never, rootOf(result.target))
    },
  })
  app.onError((thrown, c) => problemResponse(c, thrown, env.log))
  app.notFound((c) => {
    const { method, path } = c.req
    const allowed = methodsOf(app, path)
    if (allowed.length === 0) {
      const what = `${method} ${path.slice(0, 200)} is not a route; GET /openapi.json lists them`
      return problemResponse(c, new LongshoreError('route-not-found', what), env.log)
    }
    const allow = allowed.join(', ')
    const what = `${path.slice(0, 200)} does not take ${method}; it takes ${allow}`
    return problemResponse(c, new LongshoreError('method-not-allowed', what), env.log, { allow })
  })
  app.use(async (c, next) => {
    const host = c.req.header('host')
    if (env.hosts && host !== undefined && !env.hosts.includes(host.toLowerCase()))
      throw new LongshoreError('forbidden', `this service is not called ${host.slice(0, 100)}; it is ${env.hosts[0]}`)
    if (fromAnotherSite(c.req.header('origin'), c.req.header('host')))
      throw new LongshoreError('forbidden', 'a page of another web site may not call this API from a browser')
    const bytesMax = env.limits[BODY_LIMITS[c.req.path] ?? 'requestBytesMax']
    const length = Number(c.req.header('content-length') ?? 0)
    if (length > bytesMax) throw tooLarge(length, bytesMax)
    // The header is the caller's word only; the body itself is measured. API Gateway hands it over whole.
    const bytes = c.req.raw.body ? Buffer.byteLength(await c.req.text()) : 0
    if (bytes > bytesMax) throw tooLarge(bytes, bytesMax)
    await next()
    c.header('x-content-type-options', 'nosniff')
  })
  return app
}

/**
 * Browsers name the site of the page that calls. Locally serverless-offline allows every site by CORS headers of its own,
 * so without this any open page could read reports and copy images with the credentials kept here.
 */
function fromAnotherSite(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined) return false
  return !URL.canParse(origin) || new URL(origin).host !== host
}

/** The methods a path is known under; HEAD goes with GET. */
function methodsOf(app: Api, path: string): string[] {
  const known = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].filter((method) =>
    // What is registered for all methods is the middleware above.
    app.router.match(method, path)[0].some(([[, route]]) => route.method !== 'ALL'),
  )
  return known.includes('GET') ? ['GET', 'HEAD', ...known.slice(1)] : known
}

/** The body as it was sent. Throws `malformed-request`, also when there is none. */
export async function sentBody(c: Context): Promise<Json> {
  const text = await c.req.text()
  if (text.trim() === '') throw noBody()
  try {
    return JSON.parse(text) as Json
  } catch {
    throw notJson()
  }
}

const noBody = (): LongshoreError =>
  notJson('the body is empty; send a JSON object with Content-Type: application/json')

const tooLarge = (bytes: number, max: number): LongshoreError =>
  new LongshoreError('request-too-large', `the body has ${bytes} bytes, at most ${max} are read`)

/** Pointers of a body and of the path have no root; a query parameter or a header is named as such. */
const rootOf = (target: string): string => (target === 'json' || target === 'param' ? '' : `/${target}`)

export const referenceText = (reference: Reference): string =>
  `${reference.registry}/${reference.repository}${reference.tag ? `:${reference.tag}` : ''}${reference.digest ? `@${reference.digest}` : ''}`

/** An opaque cursor for a query parameter. */
export const encodeCursor = (place: string): string => Buffer.from(place).toString('base64url')

/** The text of a cursor that has this form. Throws `invalid-value` for what is no cursor of ours. */
export function decodeCursor(text: string | undefined, form: RegExp): string | undefined {
  if (text === undefined) return undefined
  const place = Buffer.from(text, 'base64url').toString('utf8')
  if (form.test(place)) return place
  throw badQuery('cursor', 'the cursor is not one this API gave out; leave it out to begin at the first page')
}

/** The sentence for what cannot be an id. */
export const notAnId = (of: 'a policy' | 'an execution') => ({
  error: ({ input }: { input?: unknown }) => `${shownValue(input)} is not the id of ${of}; ids have 26 characters`,
})

/** A query parameter with a value that it cannot have. */
export const badQuery = (name: string, detail: string): LongshoreError =>
  new LongshoreError('invalid-value', detail, { errors: [{ pointer: `/query/${name}`, detail }] })

/** `Link: <...>; rel="next"` for a page after this one. */
export function nextLink(url: string, cursor: string): string {
  const next = new URL(url)
  next.searchParams.set('cursor', cursor)
  return `<${next.pathname}${next.search}>; rel="next"`
}
