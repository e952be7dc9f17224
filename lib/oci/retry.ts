/** When and how long a registry request waits before it is sent again. Pure, but for the clock and chance handed in. */
import type { Random } from '../clock.ts'
import type { Limits } from '../config.ts'

/** Milliseconds; a Retry-After beyond this is a mistake of the registry. */
const RETRY_AFTER_MS_MAX = 86_400_000

/** Retry-After in either form of RFC 9110 10.2.3, as milliseconds from now; undefined when absent or unreadable. */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  const text = header?.trim()
  if (!text) return undefined
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - now
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), RETRY_AFTER_MS_MAX) : undefined
}

/** Full jitter: anything up to base * 2^attempt (attempt counts from 0), at most 10 s. */
export function backoffMs(attempt: number, limits: Limits, random: Random): number {
  return Math.floor(random.next() * Math.min(limits.registryRetryBaseMs * 2 ** attempt, 10_000))
}
