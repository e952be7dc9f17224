/** Image patterns such as `registry.example/team/*:v*`, and the walk over what a registry holds for them. */
import { asLongshoreError, LongshoreError } from '../errors.ts'
import { normalizeHost } from '../oci/reference.ts'
import type { OpenRegistry } from '../oci/types.ts'
import type { Selector } from './define.ts'
import { hasWildcard, matches } from './glob.ts'

const PATTERN_MAX = 512

/** Throws `invalid-value` with the reason. A missing tag means `latest`; a name without a host is Docker Hub's. */
export function parseSelector(pattern: string): Selector {
  const bad = (why: string): never => {
    throw new LongshoreError(
      'invalid-value',
      `"${pattern.slice(0, 100)}" is not an image pattern: ${why}; write host/repository:tag with * or ** where it may vary`,
    )
  }
  if (pattern.length === 0 || pattern.length > PATTERN_MAX)
    bad(`it has ${pattern.length} characters, 1 to ${PATTERN_MAX} are allowed`)
  if (!/^[A-Za-z0-9._:/*?[\]-]+$/.test(pattern)) bad('it holds a character that no image name has')
  const slash = pattern.indexOf('/')
  const first = slash === -1 ? '' : pattern.slice(0, slash)
  const hasHost = /[.:]/.test(first) || first === 'localhost'
  if (hasWildcard(hasHost ? first : '')) bad('the registry must be named, it cannot vary')
  const registry = normalizeHost(hasHost ? first : 'docker.io')
  const rest = hasHost ? pattern.slice(slash + 1) : pattern.includes('/') ? pattern : `library/${pattern}`
  const colon = rest.lastIndexOf(':')
  const repository = colon > rest.lastIndexOf('/') ? rest.slice(0, colon) : rest
  const tag = colon > rest.lastIndexOf('/') ? rest.slice(colon + 1) : 'latest'
  if (repository === '' || repository.startsWith('/') || repository.endsWith('/') || repository.includes(':'))
    bad('the repository is empty or misshapen')
  if (/[A-Z]/.test(repository)) bad('repositories are lower case')
  if (tag === '') bad('the tag is empty')
  return { registry, repository, tag }
}

/** Where a walk stands: what comes after it was not told yet. */
export interface WalkCursor {
  selector: number
  /** The `last` with which the current page of repositories was asked for. */
  page?: string
  repository?: string
  /** The `last` with which the repository's tags go on. */
  tag?: string
  /** Nothing of the repository is left. */
  done?: boolean
}

export interface WalkedTag {
  registry: string
  repository: string
  tag: string
  /** The pattern names this very tag: that it is missing is a failure, not just no match. */
  named: boolean
}

/** One step on: a tag, a repository that does not tell its tags, or only a page or a repository that is over. */
export interface WalkStep {
  found?: WalkedTag
  /** By pattern; the walk goes on behind it. */
  refused?: { item: string; error: LongshoreError }
  /** Resume from here to get what follows this step. */
  cursor: WalkCursor
}

export interface WalkOptions {
  pageItems: number
  signal: AbortSignal
  /** Nobody will try again when it fails now. */
  isLastTry?: boolean
}

/**
 * All tags the selectors mean, page by page, from the cursor on. It tells its place after each request, also when nothing
 * matched: who walks can look at the time and keep the place. Throws what the registry client throws, but for what it
 * throws of one repository for good: a forbidden one, or one that was deleted a moment ago, must not hide all others. In the
 * last try a registry that is away hides no other either.
 */
export async function* walk(
  selectors: Selector[],
  start: WalkCursor,
  open: OpenRegistry,
  options: WalkOptions,
): AsyncGenerator<WalkStep> {
  for (let index = start.selector; index < selectors.length; index++) {
    const selector = selectors[index]!
    const from = index === start.selector ? start : { selector: index }
    let refused: WalkStep['refused']
    try {
      yield* walkOne(selector, index, from, open, options)
    } catch (thrown) {
      const error = asLongshoreError(thrown)
      const isAlone = selectors.length === 1 || !options.isLastTry
      if (options.signal.aborted || error.kind !== 'transient' || isAlone) throw thrown
      refused = { item: `${selector.registry}/${selector.repository}:${selector.tag}`, error }
    }
    yield { cursor: { selector: index + 1 }, ...(refused ? { refused } : {}) }
  }
}

async function* walkOne(
  selector: Selector,
  index: number,
  from: WalkCursor,
  open: OpenRegistry,
  options: WalkOptions,
): AsyncGenerator<WalkStep> {
  const { registry } = selector
  const named = !hasWildcard(selector.repository) && !hasWildcard(selector.tag)
  for await (const { repository, page } of repositories(selector, from, open, options)) {
    const at = { selector: index, ...(page === undefined ? {} : { page }) }
    if (repository === undefined) {
      yield { cursor: at }
      continue
    }
    const resumed = from.repository === repository ? from.tag : undefined
    let refused: WalkStep['refused']
    try {
      for await (const { tag, last } of tags(selector, repository, resumed, open, options))
        yield tag === undefined
          ? { cursor: { ...at, repository, tag: last } }
          : { cursor: { ...at, repository, tag: last }, found: { registry, repository, tag, named } }
    } catch (thrown) {
      const error = asLongshoreError(thrown)
      if (options.signal.aborted || error.kind !== 'permanent') throw thrown
      // A catalog also lists what was pushed to and never finished.
      const isEmpty = error.code === 'image-not-found' && hasWildcard(selector.repository)
      if (!isEmpty) refused = { item: `${registry}/${repository}:${selector.tag}`, error }
    }
    yield { cursor: { ...at, repository, done: true }, ...(refused ? { refused } : {}) }
  }
}

async function* repositories(
  selector: Selector,
  from: WalkCursor,
  open: OpenRegistry,
  options: { pageItems: number; signal: AbortSignal },
): AsyncGenerator<{ repository?: string; page?: string }> {
  if (!hasWildcard(selector.repository)) {
    if (!from.done) yield { repository: selector.repository }
    return
  }
  const client = await open(selector.registry)
  let page = from.page
  let skipping = from.repository
  for (;;) {
    const { repositories: names, next } = await client.repositories({
      ...(page === undefined ? {} : { last: page }),
      limit: options.pageItems,
      signal: options.signal,
    })
    // A repository that was deleted since cannot be found again: then nothing of this page is skipped, and what was
    // submitted before is deduplicated by its id.
    if (skipping !== undefined && !names.includes(skipping)) skipping = undefined
    for (const repository of names) {
      if (skipping !== undefined && repository !== skipping) continue
      const over = skipping !== undefined && from.done
      skipping = undefined
      if (!over && matches(selector.repository, repository))
        yield { repository, ...(page === undefined ? {} : { page }) }
    }
    if (next === undefined) return
    page = next
    yield { page }
  }
}

async function* tags(
  selector: Selector,
  repository: string,
  after: string | undefined,
  open: OpenRegistry,
  options: { pageItems: number; signal: AbortSignal },
): AsyncGenerator<{ tag?: string; last: string }> {
  if (!hasWildcard(selector.tag)) {
    if (after !== selector.tag) yield { tag: selector.tag, last: selector.tag }
    return
  }
  const client = await open(selector.registry)
  let last = after
  for (;;) {
    const { tags: names, next } = await client.tags(repository, {
      ...(last === undefined ? {} : { last }),
      limit: options.pageItems,
      signal: options.signal,
    })
    for (const tag of names) if (matches(selector.tag, tag)) yield { tag, last: tag }
    if (next === undefined) return
    last = next
    yield { last }
  }
}
