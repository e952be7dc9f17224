/** The time limit of a call as a whole, bodies and retries included, on top of the caller's own abort. */
import { LongshoreError } from '../errors.ts'
import { onAbort } from '../net/abort.ts'
import type { CallOptions } from './types.ts'

/**
 * Runs `call` with a signal that aborts at the caller's abort or after `timeoutMs`, whichever comes first; then the
 * call fails with the caller's reason or with `registry-timeout`.
 */
export async function within<T>(
  options: CallOptions,
  timeoutMs: number,
  what: string,
  call: (options: CallOptions) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const stopListening = onAbort(options.signal, (reason) => controller.abort(reason))
  const timer = setTimeout(() => {
    controller.abort(new LongshoreError('registry-timeout', `${what} took longer than ${timeoutMs} ms`))
  }, timeoutMs)
  try {
    return await call({ ...options, signal: controller.signal })
  } finally {
    clearTimeout(timer)
    stopListening()
  }
}
