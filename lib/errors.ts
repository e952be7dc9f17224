/**
 * One table: error code -> does a retry help -> HTTP status -> exit code.
 * A worker throws `LongshoreError`; everything else that reaches the edge is `internal` and counts as transient.
 */
import type { Side } from './glossary.ts'

/**
 * `transient` waits with exponential full jitter and counts an attempt; `throttled` parks the job for Retry-After and
 * keeps the attempt; `permanent` ends the job now.
 */
export type ErrorKind = 'transient' | 'throttled' | 'permanent'

interface ErrorRow {
  kind: ErrorKind
  http: number
  exit: number
  title: string
}

const row = (kind: ErrorKind, http: number, exit: number, title: string): ErrorRow => ({ kind, http, exit, title })

/** Exit codes: 1 job failed, 2 usage, 4 not found, 5 auth, 6 network or registry. */
export const ERRORS = {
  // what the caller sent
  'malformed-request': row('permanent', 400, 2, 'The request could not be read'),
  'invalid-value': row('permanent', 422, 2, 'A value is not valid'),
  unauthorized: row('permanent', 401, 5, 'Authentication is required'),
  forbidden: row('permanent', 403, 5, 'Not allowed'),
  'route-not-found': row('permanent', 404, 4, 'No such route'),
  'method-not-allowed': row('permanent', 405, 2, 'The route does not take this method'),
  'image-not-found': row('permanent', 404, 4, 'The registry has no such image'),
  'job-not-found': row('permanent', 404, 4, 'No such job'),
  'execution-not-found': row('permanent', 404, 4, 'No such execution'),
  'queue-not-found': row('permanent', 404, 4, 'There is no such queue'),
  'policy-not-found': row('permanent', 404, 4, 'No such policy'),
  'registry-not-found': row('permanent', 404, 4, 'No such registry object'),
  'exception-not-found': row('permanent', 404, 4, 'No such exception'),
  'image-not-scanned': row('permanent', 404, 4, 'No such image has been scanned'),
  'report-not-found': row('permanent', 404, 4, 'There is no such report'),
  conflict: row('permanent', 409, 2, 'The current state does not allow this'),
  // Not a fault of the request itself: the same with Accept-Encoding: gzip is answered.
  'answer-too-large': row('permanent', 406, 2, 'The answer is too large without compression'),
  'report-not-ready': row('permanent', 409, 2, 'The report is not ready yet'),
  // A browser cannot send JSON across sites without asking first; every other type could come from any web page.
  'unsupported-content-type': row('permanent', 415, 2, 'The content type is not supported'),
  'request-too-large': row('permanent', 413, 2, 'The request is too large'),
  'idempotency-key-reused': row('permanent', 422, 2, 'The idempotency key was used with another request'),
  'registry-not-allowed': row('permanent', 422, 6, 'The registry is not allowed'),
  'unsupported-format': row('permanent', 400, 2, 'The format is not supported'),
  // the registry on the other side
  'registry-unavailable': row('transient', 502, 6, 'The registry cannot be reached or answers with errors'),
  'registry-timeout': row('transient', 504, 6, 'The registry did not answer in time'),
  'registry-unauthorized': row('permanent', 502, 5, 'The registry refused the credentials'),
  'registry-throttled': row('throttled', 429, 6, 'The registry limits requests'),
  'registry-invalid': row('permanent', 502, 6, 'The registry answered something that is not the protocol'),
  'connection-cut': row('transient', 502, 6, 'The connection was cut before the content was complete'),
  'upload-rejected': row('transient', 502, 6, 'The registry refused an upload'),
  // Begun anew several times already within the job: another attempt would lose it again.
  'upload-lost': row('permanent', 502, 6, 'The registry lost an upload too often'),
  'manifest-rejected': row('permanent', 502, 6, 'The registry refused a manifest'),
  // the content
  'source-gone': row('permanent', 404, 6, 'The source no longer has this content'),
  'digest-mismatch': row('permanent', 502, 6, 'The content does not match its digest'),
  'size-mismatch': row('permanent', 502, 6, 'The content does not match its size'),
  'manifest-invalid': row('permanent', 502, 6, 'The manifest is not valid'),
  'manifest-too-large': row('permanent', 502, 6, 'The manifest is larger than 4 MiB'),
  'platform-not-found': row('permanent', 404, 4, 'The image does not have this platform'),
  'unsupported-media-type': row('permanent', 502, 6, 'The media type is not supported'),
  'layer-invalid': row('permanent', 502, 6, 'A layer cannot be read'),
  'layer-too-large': row('permanent', 502, 6, 'A layer exceeds a limit'),
  'advisories-missing': row('transient', 503, 6, 'No advisory revision has been built yet'),
  'advisories-invalid': row('permanent', 502, 6, 'The advisory data cannot be read'),
  // the life of a job
  'lease-expired': row('transient', 500, 1, 'The worker died or ran out of time'),
  'poison-message': row('permanent', 500, 1, 'The worker never got as far as claiming the job'),
  'hops-exhausted': row('permanent', 500, 1, 'The job was continued too often'),
  // The same image between the same places would stand still again.
  'no-progress': row('permanent', 500, 1, 'The job was continued but came no further'),
  'snoozes-exhausted': row('permanent', 500, 1, 'The job was put off too often'),
  'policy-disabled': row('permanent', 409, 1, 'The policy was disabled'),
  'stopped-by-user': row('permanent', 409, 1, 'Stopped on request'),
  // ourselves
  'store-throttled': row('throttled', 503, 1, 'The job store limits requests'),
  'store-unavailable': row('transient', 503, 1, 'The job store cannot be reached'),
  // The same record would be refused again: retrying cannot help.
  'item-too-large': row('permanent', 500, 1, 'A record exceeds what the store can hold'),
  'queue-unavailable': row('transient', 503, 1, 'The queue cannot be reached'),
  'config-invalid': row('permanent', 500, 2, 'The configuration is not valid'),
  'not-healthy': row('transient', 503, 1, 'A part of the service is not in order'),
  internal: row('transient', 500, 1, 'An internal error'),
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof ERRORS

export interface ErrorDetails {
  /** Which end of the job failed. */
  side?: Side
  /** JSON pointers (RFC 6901) of the offending fields, each with its own sentence. */
  errors?: { pointer: string; detail: string }[]
  /** For throttled errors: how long the other side asked us to wait, in milliseconds. */
  retryAfterMs?: number
  cause?: unknown
}

/**
 * The one error that Longshore throws on purpose. `message` says what failed, on which item, and what to do next; it
 * never holds a credential.
 *
 * @example throw new LongshoreError('image-not-found', 'registry.example/team/app has no tag "v9"', { side: 'source' })
 */
export class LongshoreError extends Error {
  readonly code: ErrorCode
  readonly side: Side | undefined
  readonly errors: { pointer: string; detail: string }[]
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'LongshoreError'
    this.code = code
    this.side = details.side
    this.errors = details.errors ?? []
    this.retryAfterMs = details.retryAfterMs
  }

  get kind(): ErrorKind {
    return ERRORS[this.code].kind
  }

  /** Whether the same request may succeed later without a change by the caller. */
  get retryable(): boolean {
    return this.kind !== 'permanent'
  }

  /** The same error, told from one side of a replication. */
  at(side: Side): LongshoreError {
    return this.side ? this : new LongshoreError(this.code, this.message, { ...this, side, cause: this.cause ?? this })
  }
}

/** Any thrown value as a LongshoreError; what we did not foresee is `internal` and keeps its cause. */
export function asLongshoreError(thrown: unknown): LongshoreError {
  if (thrown instanceof LongshoreError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new LongshoreError('internal', message, { cause: thrown })
}
