/** What many histories come to. */
import type { Outcome } from './history.ts'

export interface Share {
  from: number
  seeds: number
  /** Every how manyth seed: threads take turns. */
  step: number
  stopAtFirst?: boolean
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
