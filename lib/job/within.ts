/** Waiting for something no longer than it is worth. */
import type { Clock } from '../clock.ts'

const OVER = new Error('no longer waited for')

/**
 * What `work` brings, or `late` when so many milliseconds have passed, or the signal has aborted, before. What is late goes
 * on by itself; how it ends is nobody's affair any more.
 */
export async function within<T>(
  ms: number,
  work: Promise<T>,
  clock: Pick<Clock, 'sleep'>,
  signal?: AbortSignal,
): Promise<T | 'late'> {
  const over = new AbortController()
  const end = () => over.abort(OVER)
  if (signal?.aborted) end()
  else signal?.addEventListener('abort', end, { once: true })
  try {
    return await Promise.race([work, clock.sleep(Math.max(0, ms), over.signal).then(() => 'late' as const)])
  } finally {
    signal?.removeEventListener('abort', end)
    end()
  }
}
