/** Socket errors in our words. A LongshoreError that was used to destroy a socket comes back as itself. */
import { LongshoreError } from '../errors.ts'

/** What an aborted signal says, as an Error. */
export function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error(`aborted: ${String(signal.reason)}`)
}

const codeOf = (error: Error): string => ('code' in error && typeof error.code === 'string' ? error.code : '')

const CUT = new Set(['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ECONNABORTED'])
const TIMED_OUT = new Set(['ETIMEDOUT', 'ESOCKETTIMEDOUT'])

const SENTENCES: Record<string, string> = {
  ECONNREFUSED: 'refused the connection; is it up, and is the port right?',
  ENOTFOUND: 'has no address; is the name right?',
  EAI_AGAIN: 'could not be resolved just now (the name server did not answer)',
  ECONNRESET: 'closed the connection before it answered',
  EPIPE: 'closed the connection before it answered',
  EHOSTUNREACH: 'cannot be reached (no route)',
  ENETUNREACH: 'cannot be reached (no network)',
}

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)/
const NOT_TRUSTED =
  'has a certificate that is not trusted; set NODE_EXTRA_CA_CERTS, or "insecure": true in its registry object'

/** An error from before the response headers: `registry-unavailable` or `registry-timeout`, cause kept. */
export function connectError(error: Error, host: string): Error {
  if (error instanceof LongshoreError || error.name === 'AbortError') return error
  const inner = error instanceof AggregateError && error.errors[0] instanceof Error ? error.errors[0] : error
  const code = codeOf(inner)
  if (code === '' && !('syscall' in inner)) return error
  if (TIMED_OUT.has(code))
    return new LongshoreError('registry-timeout', `${host} could not be connected to in time`, { cause: inner })
  const known = CERTIFICATE.test(code) ? `${NOT_TRUSTED} (${code})` : SENTENCES[code]
  const sentence = known ?? `cannot be spoken to (${code || inner.message})`
  return new LongshoreError('registry-unavailable', `${host} ${sentence}`, { cause: inner })
}

/** An error from inside a body: `connection-cut`, or `registry-timeout`. */
export function bodyError(error: Error, what: string): Error {
  if (error instanceof LongshoreError || error.name === 'AbortError') return error
  const code = codeOf(error)
  if (TIMED_OUT.has(code))
    return new LongshoreError('registry-timeout', `${what} stood still for too long`, { cause: error })
  if (CUT.has(code) || error.message === 'aborted')
    return new LongshoreError('connection-cut', `The connection was cut in the middle of ${what}`, { cause: error })
  return error
}

/** A body that comes too slowly comes no faster when it is asked for again: whoever repeats cut bodies leaves these. */
class TooSlow extends LongshoreError {}

export const tooSlow = (message: string): LongshoreError => new TooSlow('registry-timeout', message)

export const isTooSlow = (error: unknown): boolean => error instanceof TooSlow
