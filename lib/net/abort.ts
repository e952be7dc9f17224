/** Aborts: one way to listen, so that many requests may share one signal without a warning and without a leak. */
import { setMaxListeners } from 'node:events'

/** Calls `listener` at the abort, at once when it was before. Returns how to stop listening. */
export function onAbort(signal: AbortSignal | undefined, listener: (reason: unknown) => void): () => void {
  if (!signal) return () => {}
  const call = () => listener(signal.reason)
  if (signal.aborted) {
    call()
    return () => {}
  }
  // A job's signal is shared by every request in flight; Node warns at 11, which is not a leak here.
  setMaxListeners(0, signal)
  signal.addEventListener('abort', call, { once: true })
  return () => signal.removeEventListener('abort', call)
}
