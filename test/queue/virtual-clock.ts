/** A clock that stands still until a test moves it. */
import type { Clock } from '../../lib/clock.ts'

export interface VirtualClock extends Clock {
  /** Moves time on, waking who sleeps, one after the other in order of time. */
  advance(ms: number): Promise<void>
  /** Resolves as soon as so many sleep. */
  sleeping(count: number): Promise<void>
  /** Resolves as soon as nobody sleeps. */
  awake(): Promise<void>
  readonly sleepers: number
}

interface Sleeper {
  until: number
  wake: () => void
}

/** What a resolved promise starts must be done before time goes on: two turns of the event loop. */
const settle = async () => {
  await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setImmediate(resolve))
}

export function virtualClock(start = Date.UTC(2026, 10, 22)): VirtualClock {
  let now = start
  const sleepers = new Set<Sleeper>()
  let watchers: { holds: () => boolean; resolve: () => void }[] = []

  const look = () => {
    const content = watchers.filter((w) => w.holds())
    watchers = watchers.filter((w) => !content.includes(w))
    for (const { resolve } of content) resolve()
  }

  const until = (holds: () => boolean) =>
    new Promise<void>((resolve) => {
      watchers.push({ holds, resolve })
      look()
    })

  return {
    now: () => now,
    get sleepers() {
      return sleepers.size
    },
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve()
        const wake = () => {
          sleepers.delete(sleeper)
          look()
          signal?.removeEventListener('abort', wake)
          resolve()
        }
        const sleeper = { until: now + ms, wake }
        signal?.addEventListener('abort', wake, { once: true })
        sleepers.add(sleeper)
        look()
      }),
    async advance(ms) {
      const target = now + ms
      for (;;) {
        await settle()
        const due = [...sleepers].filter((s) => s.until <= target).sort((a, b) => a.until - b.until)[0]
        if (!due) break
        now = Math.max(now, due.until)
        due.wake()
      }
      now = target
      await settle()
    },
    sleeping: (count) => until(() => sleepers.size >= count),
    awake: () => until(() => sleepers.size === 0),
  }
}
