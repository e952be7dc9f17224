/** Several at a time, and all of them end when one fails. */
import { onAbort } from '../net/abort.ts'

/**
 * Runs `work` over the items in order, at most `parallel` at a time. The first failure aborts the signal the others
 * got, and is thrown when all have ended: nothing is left running behind the caller's back. `mayStart` is asked before
 * each item; an item it says false to is left out.
 */
export async function eachInParallel<T>(
  items: readonly T[],
  parallel: number,
  signal: AbortSignal | undefined,
  work: (item: T, signal: AbortSignal) => Promise<void>,
  mayStart: (item: T) => boolean = () => true,
): Promise<void> {
  const controller = new AbortController()
  const stopListening = onAbort(signal, (reason) => controller.abort(reason))
  let next = 0
  let failed = false
  let failure: unknown
  const lane = async () => {
    while (next < items.length && !controller.signal.aborted) {
      const item = items[next] as T
      next++
      if (!mayStart(item)) continue
      try {
        await work(item, controller.signal)
      } catch (error) {
        if (!failed) failure = error
        failed = true
        controller.abort(error)
      }
    }
  }
  try {
    await Promise.all(Array.from({ length: Math.min(parallel, items.length) }, lane))
  } finally {
    stopListening()
  }
  if (failed) throw failure
  signal?.throwIfAborted()
}
