/** Tags of a repository and repositories of the registry, page by page. */
import { type Answer, jsonAnswer, RegistryProblem } from './answer.ts'
import type { Call } from './call.ts'

/** Like ECR, whose pages have at most 1000 items; a client that ignores Link is caught here. */
const PAGE_ITEMS_MAX = 1_000

export function tagsRoute(call: Call): Answer {
  if (!call.store.hasRepository(call.repository))
    throw new RegistryProblem('NAME_UNKNOWN', `there is no repository "${call.repository}"`)
  const { items, headers } = page(call.store.tags(call.repository), call.url)
  return jsonAnswer(200, { name: call.repository, tags: items }, headers)
}

export function catalogRoute(call: Call): Answer {
  const { items, headers } = page(call.store.repositories(), call.url)
  return jsonAnswer(200, { repositories: items }, headers)
}

/** The items after `last`, at most `n`, with a Link when there are more. */
function page(all: string[], url: URL): { items: string[]; headers: Record<string, string> } {
  const n = url.searchParams.get('n')
  if (n !== null && !/^\d{1,9}$/.test(n))
    throw new RegistryProblem('PAGINATION_NUMBER_INVALID', `n must be a number of items, not "${n}"`)
  const last = url.searchParams.get('last') ?? ''
  const count = Math.min(n === null ? PAGE_ITEMS_MAX : Number(n), PAGE_ITEMS_MAX)
  const rest = all.filter((item) => item > last)
  const items = rest.slice(0, count)
  const final = items.at(-1)
  if (rest.length <= count || final === undefined) return { items, headers: {} }
  return { items, headers: { link: `<${url.pathname}?n=${count}&last=${encodeURIComponent(final)}>; rel="next"` } }
}
