/** What many histories come to. */
import type { Outcome } from './history.ts'

export interface Share {
  from: number
  /** Not included. */
  to: number
  /** Every how manyth seed: threads take turns. */
  step: number
  stopAtFirst?: boolean
  trace?: boolean
}

export interface Summary {
  seeds: number
  calls: number
  faults: number
  cpuMs: number
  lostSendMs: number
  recoveredMs: number
  backAtWorkMs: number
  violations: { seed: number; text: string }[]
}

export const emptySummary = (): Summary => ({
  seeds: 0,
  calls: 0,
  faults: 0,
  cpuMs: 0,
  lostSendMs: 0,
  recoveredMs: 0,
  backAtWorkMs: 0,
  violations: [],
})

export function addOutcome(summary: Summary, seed: number, outcome: Outcome): void {
  summary.seeds++
  summary.calls += outcome.calls
  summary.faults += outcome.faults
  summary.lostSendMs = Math.max(summary.lostSendMs, outcome.lostSendMs)
  summary.recoveredMs = Math.max(summary.recoveredMs, outcome.recoveredMs)
  summary.backAtWorkMs = Math.max(summary.backAtWorkMs, outcome.backAtWorkMs)
  if (outcome.violations.length > 0) summary.violations.push({ seed, text: outcome.violations.slice(0, 3).join('; ') })
}

/** What several threads have come to. */
export function joined(parts: readonly Summary[]): Summary {
  const all = emptySummary()
  for (const part of parts) {
    all.seeds += part.seeds
    all.calls += part.calls
    all.faults += part.faults
    all.lostSendMs = Math.max(all.lostSendMs, part.lostSendMs)
    all.recoveredMs = Math.max(all.recoveredMs, part.recoveredMs)
    all.backAtWorkMs = Math.max(all.backAtWorkMs, part.backAtWorkMs)
    all.violations.push(...part.violations)
  }
  all.violations.sort((a, b) => a.seed - b.seed)
  return all
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

/** One line for people. */
export function summaryLine(summary: Summary): string {
  const { seeds, calls, faults, cpuMs, violations } = summary
  return [
    `${seeds} histories, ${violations.length} with a violation`,
    `${Math.round((seeds * 1000) / Math.max(1, cpuMs))} histories per CPU-second`,
    `${calls} port calls, ${faults} faults`,
    `worst case: lost message sent again after ${seconds(summary.lostSendMs)}`,
    `dead run recovered ${seconds(summary.recoveredMs)} after its lease`,
    `at work again ${seconds(summary.backAtWorkMs)} after lease and backoff`,
  ].join('; ')
}

export const replayLine = (seed: number): string => `npm run simulate -- --seeds 1 --from ${seed}`
