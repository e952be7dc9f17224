/** When and how long a registry request waits before it is sent again. Pure, but for the clock and chance handed in. */
import type { Random } from '../clock.ts'
import type { Limits } from '../config.ts'

/**
 * Retry-After in either form of RFC 9110 10.2.3, as milliseconds from now; undefined when absent or unreadable. A date is
 * of the registry's clock: what its Date header says is taken off, so that a skewed clock makes nobody wait for hours.
 * Never above `registryRetryAfterSecondsMax`. Less than a second is as good as nothing: who says 0 and 429 again would be
 * asked five hundred times in a minute.
 */
export function retryAfterMs(
  header: string | undefined,
  now: number,
  limits: Limits,
  date?: string,
): number | undefined {
  const text = header?.trim()
  if (!text) return undefined
  const sent = Date.parse(date ?? '')
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - (Number.isFinite(sent) ? sent : now)
  return ms >= 1_000 ? Math.min(ms, limits.registryRetryAfterSecondsMax * 1_000) : undefined
}

/** Full jitter: anything up to base * 2^attempt (attempt counts from 0), at most 10 s. */
export function backoffMs(attempt: number, limits: Limits, random: Random): number {
  return Math.floor(random.next() * Math.min(limits.registryRetryBaseMs * 2 ** attempt, 10_000))
}
