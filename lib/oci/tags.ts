/** Lists of tags and repositories, page by page. Only the Link header says that there is more: pages may be short. */
import { LongshoreError } from '../errors.ts'
import { readBody } from '../net/body.ts'
import type { Connection } from './connection.ts'
import type { CallOptions } from './types.ts'

/** Items; ECR refuses more (go-containerregistry#1091). */
const PAGE_MAX = 1_000

export interface ListPage {
  items: string[]
  next?: string
}

/**
 * One page of the string list `field` of `path`. `next` is opaque to the caller: the `last` of the Link, or, for
 * registries that page by a token of their own, the whole query with a leading `?` (no tag starts with that).
 */
export async function listPage(
  connection: Connection,
  path: string,
  scopes: readonly string[],
  field: 'tags' | 'repositories',
  what: string,
  options: CallOptions & { last?: string; limit?: number },
): Promise<ListPage> {
  const { last, limit, ...call } = options
  const query = new URLSearchParams(last?.startsWith('?') ? last : undefined)
  if (limit !== undefined && !query.has('n')) query.set('n', String(Math.min(limit, PAGE_MAX)))
  if (last !== undefined && !last.startsWith('?')) query.set('last', last)
  const target = query.size > 0 ? `${path}?${query}` : path
  const headers = { accept: 'application/json' }
  const answer = await connection.request({ method: 'GET', target, scopes, headers, expect: [200, 404], what }, call)
  const body = await readBody(answer.body, connection.limits.pageBytesMax, what)
  connection.countIn(body.byteLength, call)
  if (answer.status === 404)
    throw field === 'tags'
      ? new LongshoreError('image-not-found', `${connection.host} has no such repository (${what})`)
      : new LongshoreError('registry-invalid', `${connection.host} does not list its repositories (404)`)
  let items: unknown
  try {
    items = JSON.parse(body.toString('utf8'))?.[field]
  } catch {
    throw new LongshoreError('registry-invalid', `${connection.host} answered something that is not JSON to ${what}`)
  }
  // `null` is an empty list to Go programs; Artifactory and Nexus put nulls and digests between the tags.
  if (items !== null && items !== undefined && !Array.isArray(items))
    throw new LongshoreError('registry-invalid', `${connection.host} answered something that is not a list to ${what}`)
  const names = (items ?? []).filter((item): item is string => typeof item === 'string' && !item.includes(':'))
  const next = nextOf(answer.headers.link, answer.url, what)
  if (next !== undefined && next === last)
    throw new LongshoreError('registry-invalid', `${connection.host} answers the same page of ${what} for ever`)
  return { items: names, ...(next !== undefined && { next }) }
}

/** The `rel="next"` of RFC 8288 as our cursor. Only its query is used, so that a Link cannot lead to another host. */
function nextOf(link: string | string[] | undefined, base: URL, what: string): string | undefined {
  const text = Array.isArray(link) ? link.join(', ') : (link ?? '')
  const target = /<([^<>]*)>[^<>]*;\s*rel="?next"?/i.exec(text.slice(0, 8_192))?.[1]
  if (target === undefined) return undefined
  let url: URL
  try {
    url = new URL(target, base)
  } catch {
    throw new LongshoreError('registry-invalid', `The Link header of ${what} holds something that is not a URL`)
  }
  return url.searchParams.get('last') ?? (url.search || undefined)
}
