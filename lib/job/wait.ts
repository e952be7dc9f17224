/** How long to wait: before the next attempt, and before the sweeper sends a message again. Pure. */
import type { Random } from '../clock.ts'
import type { Limits } from '../config.ts'

/** Delay and visibility of SQS end here; longer waits live in the record's `dueAt`. */
export const QUEUE_DELAY_MAX_SECONDS = 900

/** Exponential backoff with full jitter: uniform in (0, base * 2^(failures-1)], capped. Milliseconds, at least 1 s. */
export function backoffMs(failures: number, limits: Limits, random: Random): number {
  const ceiling = Math.min(limits.retryMaxSeconds, limits.retryBaseSeconds * 2 ** Math.max(0, failures - 1)) * 1000
  return Math.max(Math.min(1_000, ceiling), Math.ceil(random.next() * ceiling))
}

/** Before the next attempt: the backoff, but not before the time that a 503 asked for. */
export function retryMs(failures: number, retryAfterMs: number | undefined, limits: Limits, random: Random): number {
  const backoff = backoffMs(failures, limits, random)
  return retryAfterMs === undefined ? backoff : Math.max(backoff, throttleMs(retryAfterMs, random))
}

/** What a registry asked for, spread by up to 10 % so that parked jobs do not come back at one instant. */
export function throttleMs(retryAfterMs: number | undefined, random: Random): number {
  return Math.ceil((retryAfterMs ?? 60_000) * (1 + random.next() / 10))
}

/** Seconds after the n-th send when the sweeper may send again; then twice as long each time, so that the number of
 * messages of a waiting job grows with the logarithm of its age. */
const RESEND_AFTER_SECONDS = [60, 600, 3_600, 21_600]

/** When a message sent now (the `sends`-th, from 1) counts as lost. `dueAt`: it cannot be worked on earlier. */
export function nextSendAt(sends: number, now: number, dueAt = now): number {
  const last = RESEND_AFTER_SECONDS.length - 1
  const index = Math.max(0, sends - 1)
  const seconds = RESEND_AFTER_SECONDS[Math.min(index, last)]! * 2 ** Math.max(0, index - last)
  // A job due beyond the queue's longest delay is sent by the sweep when it is due.
  const sentLater = dueAt - now > QUEUE_DELAY_MAX_SECONDS * 1000
  return sentLater ? dueAt : Math.max(now, dueAt) + seconds * 1000
}

/** Seconds of delay for a message of a job due then; undefined when it is too early to send one. */
export function delayFor(now: number, dueAt: number | undefined): number | undefined {
  const seconds = Math.max(0, Math.ceil(((dueAt ?? now) - now) / 1000))
  return seconds > QUEUE_DELAY_MAX_SECONDS ? undefined : seconds
}

/**
 * How long a message waits for a store that throttles or is down: about half of what the job has waited already, so that
 * the messages grow with the logarithm of that; spread, so that a batch does not come back at one instant.
 */
export function parkSeconds(waitedMs: number, random: Random): number {
  const half = Math.min(QUEUE_DELAY_MAX_SECONDS, Math.max(10, waitedMs / 2_000))
  return Math.ceil(half * (0.75 + random.next() / 4))
}
