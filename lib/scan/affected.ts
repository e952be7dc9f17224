/** Whether a version is affected by an OSV record, and what fixes it (the evaluation of the OSV schema). */
import { readComparison } from '../advisories/constraints.ts'
import type { AdvisoryMatch, Comparison, OsvEvent } from '../advisories/index.ts'
import { type Comparator, compareSemver } from './versions/index.ts'

export interface Affected {
  /** The lowest version at which the record's ranges let go of the installed one; absent when it knows none. */
  fixedVersion?: string
}

/** `introduced: "0"` stands before every version, also before ones that sort below "0". */
const FROM_THE_START = '0'

function beforeLimits(events: readonly OsvEvent[], version: string, compare: Comparator): boolean {
  const limits = events.filter((event) => event.kind === 'limit')
  return limits.length === 0 || limits.some((limit) => limit.version === '*' || compare(version, limit.version) < 0)
}

/** Of events at one version: what was fixed there may come back there, and what came may end there. */
const AT_ONE_VERSION = { fixed: 0, introduced: 1, last_affected: 2, limit: 3 } as const

/** `introduced: 2, fixed: 2` holds no version; publishers write it for what was never affected. */
function withoutEmptyPairs(events: readonly OsvEvent[]): OsvEvent[] {
  const kept: OsvEvent[] = []
  for (const event of events) {
    const before = kept.at(-1)
    if (event.kind === 'fixed' && before?.kind === 'introduced' && before.version === event.version) kept.pop()
    else kept.push(event)
  }
  return kept
}

/** Undefined: not in the range. The last event at or below the version decides; the first fix above it ends the flaw. */
function inRange(events: readonly OsvEvent[], version: string, compare: Comparator): Affected | undefined {
  if (!beforeLimits(events, version, compare)) return undefined
  const start = (event: OsvEvent) => event.kind === 'introduced' && event.version === FROM_THE_START
  const sorted = withoutEmptyPairs(events)
    .filter((event) => event.kind !== 'limit')
    .sort((a, b) =>
      start(a) || start(b)
        ? Number(start(b)) - Number(start(a))
        : compare(a.version, b.version) || AT_ONE_VERSION[a.kind] - AT_ONE_VERSION[b.kind],
    )
  let vulnerable = false
  let fixedVersion: string | undefined
  for (const event of sorted) {
    const position = start(event) ? 1 : compare(version, event.version)
    if (event.kind === 'introduced' && position >= 0) vulnerable = true
    else if (event.kind === 'fixed' && position >= 0) vulnerable = false
    else if (event.kind === 'last_affected' && position > 0) vulnerable = false
    else if (event.kind === 'fixed' && vulnerable) fixedVersion ??= event.version
  }
  if (!vulnerable) return undefined
  return fixedVersion === undefined ? {} : { fixedVersion }
}

/**
 * Evaluates one record for one version: listed versions or any range, but for what it calls safe. When several ranges hold the version, it is
 * fixed only by the highest of their fixes.
 */
export function affectedBy(match: AdvisoryMatch, version: string, compare: Comparator): Affected | undefined {
  const found = hit(match, version, compare)
  if (!found) return undefined
  const fixedVersion = lettingGo(match, found.fixedVersion, compare)
  return fixedVersion === undefined ? {} : { fixedVersion }
}

/**
 * A fix where another range of the record begins (`[2.4,2.5) [2.5,2.6)`, as FriendsOfPHP writes), or that the record lists as
 * affected, is none: the lowest fix above it that is not affected itself is asked for.
 */
function lettingGo(match: AdvisoryMatch, fix: string | undefined, compare: Comparator): string | undefined {
  if (fix === undefined || !hit(match, fix, compare)) return fix
  const fixes = match.ranges.flatMap(({ events }) =>
    events.flatMap(({ kind, version }) => (kind === 'fixed' ? [version] : [])),
  )
  const above = [...new Set(fixes)].filter((one) => compare(one, fix) > 0).sort(compare)
  return above.find((one) => !hit(match, one, compare))
}

function hit(match: AdvisoryMatch, version: string, compare: Comparator): Affected | undefined {
  const found = byRanges(match, version, compare)
  if (!found || !match.safe) return found
  if (match.safe.some((comparisons) => comparisons.every((one) => holds(one, version, compare)))) return undefined
  const fixedVersion = found.fixedVersion ?? firstSafe(match.safe, version, compare)
  return fixedVersion === undefined ? {} : { fixedVersion }
}

function holds(comparison: Comparison, version: string, compare: Comparator): boolean {
  const told = readComparison(comparison)
  if (!told) return false
  const position = compare(version, told.version)
  switch (told.operator) {
    case '<':
      return position < 0
    case '<=':
      return position <= 0
    case '>':
      return position > 0
    case '>=':
      return position >= 0
    default:
      return position === 0
  }
}

/** The lowest version above this one at which safe ones begin. */
function firstSafe(safe: readonly Comparison[][], version: string, compare: Comparator): string | undefined {
  const begins = safe.flatMap((comparisons) => {
    const starts = comparisons.map(readComparison).filter((one) => one?.operator === '>=' || one?.operator === '=')
    return starts.length === 1 ? [starts[0]!.version] : []
  })
  return begins.filter((one) => compare(one, version) > 0).sort(compare)[0]
}

function byRanges(match: AdvisoryMatch, version: string, compare: Comparator): Affected | undefined {
  let found: Affected | undefined
  for (const { semver, events } of match.ranges) {
    const order = semver ? compareSemver : compare
    const hit = inRange(events, version, order)
    if (!hit) continue
    const fixes = [found?.fixedVersion, hit.fixedVersion].filter((fix) => fix !== undefined)
    const fixedVersion = fixes.sort(order).at(-1)
    found = fixedVersion === undefined ? {} : { fixedVersion }
  }
  if (found) return found
  const listed =
    match.versions.includes(version) ||
    // Without a range the list is all there is, so other spellings of a listed version count too (1.0 and 1.0.0).
    (match.ranges.length === 0 && match.versions.some((one) => compare(one, version) === 0))
  return listed ? {} : undefined
}
