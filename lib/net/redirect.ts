/**
 * Redirects by hand. A redirect is the registry telling us where to go, so it gets no more trust than any stranger:
 * no credential leaves its origin, nothing goes from https to http, and nothing goes from outside to inside.
 */
import { LongshoreError } from '../errors.ts'
import { discard } from './body.ts'
import type { Http, HttpAnswer, HttpRequest } from './http.ts'

const REDIRECTS = new Set([301, 302, 303, 307, 308])

/** Headers that may go to another origin: they say what we want, not who we are. */
const SAFE_HEADERS = new Set(['accept', 'range', 'user-agent'])

export const isRedirect = (status: number): boolean => REDIRECTS.has(status)

const refused = (from: URL, why: string) =>
  new LongshoreError('registry-invalid', `${from.host} redirects ${why}; this is not followed`)

/** The request that follows a redirect. Pure. Throws `registry-invalid` when the redirect must not be followed. */
export function nextRequest(request: HttpRequest, status: number, location: string | undefined): HttpRequest {
  const from = request.url
  if (!location) throw refused(from, 'without saying where')
  let to: URL
  try {
    to = new URL(location, from)
  } catch {
    throw refused(from, 'to something that is not a URL')
  }
  to.hash = ''
  if (to.username || to.password) throw refused(from, `to a URL of ${to.host} with credentials in it`)
  if (to.protocol !== 'https:' && to.protocol !== 'http:') throw refused(from, `to the scheme ${to.protocol}`)
  if (from.protocol === 'https:' && to.protocol === 'http:') throw refused(from, `from https to http (${to.host})`)
  const reads = request.method === 'GET' || request.method === 'HEAD'
  if (!reads) {
    if (status !== 307 && status !== 308) throw refused(from, `a ${request.method} with ${status}`)
    if (to.origin !== from.origin) throw refused(from, `a ${request.method} to another origin (${to.host})`)
    if (request.body && 'stream' in request.body) throw refused(from, 'an upload after its body was sent')
  }
  const headers =
    to.origin === from.origin
      ? request.headers
      : Object.fromEntries(
          Object.entries(request.headers ?? {}).filter(([name]) => SAFE_HEADERS.has(name.toLowerCase())),
        )
  return { ...request, url: to, ...(headers && { headers }) }
}

export interface FollowedAnswer extends HttpAnswer {
  /** The answer comes from another origin than the one asked. */
  redirected: boolean
}

/** Sends and follows at most `redirectsMax` redirects. */
export async function sendFollowing(
  http: Pick<Http, 'options' | 'send'>,
  request: HttpRequest,
): Promise<FollowedAnswer> {
  let current = request
  for (let hops = 0; ; hops++) {
    const answer = await http.send(current)
    if (!isRedirect(answer.status)) return { ...answer, redirected: answer.url.origin !== request.url.origin }
    await discard(answer.body)
    if (hops >= http.options.limits.redirectsMax)
      throw refused(request.url, `more than ${http.options.limits.redirectsMax} times`)
    const next = nextRequest(current, answer.status, answer.headers.location)
    const allowPrivate = (current.allowPrivate ?? true) && answer.peerIsPrivate
    current = { ...next, allowPrivate }
  }
}
