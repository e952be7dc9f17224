/**
 * Histories that once broke an invariant, made small. They are kept as scripts, not as seeds: a seed means another
 * history whenever `scriptOf` changes.
 */
import type { Platform, Script } from './script.ts'

/** Nothing goes wrong by itself: only what a script asks for. */
const PLATFORM: Platform = {
  timeoutMs: 60_000,
  pool: 1,
  batch: 1,
  tickSeconds: 60,
  longRuns: 0.1,
  skewMs: 0,
  lagMs: 0,
  earlyMs: 0,
  missedTicks: 0,
  doubledTicks: 0,
  duplicates: 0,
  frozen: 0,
  staleDepth: 0,
  trouble: 0,
  continues: 0,
  hopsMax: 200,
  stopPollMs: 3_600_000,
  images: 4,
  stillborn: 0,
  visibilityMs: 88_000,
  maxReceives: 5,
  deadLettersMax: 3,
  leaseMarginSeconds: 10,
  fanOutPageItems: 3,
  narrow: true,
  maxAttempts: 3,
  slowRuns: 0.2,
}

export const FOUND: readonly { found: string; script: Script }[] = [
  {
    found: 'a claim answered late, when the job had become due meanwhile, dropped the message',
    script: {
      seed: 1203,
      platform: PLATFORM,
      people: [{ at: 0, do: 'submit' }],
      faults: [
        { after: 1, kind: 'crashAfter', ms: 1, role: 'work' },
        { after: 1, kind: 'repeated', ms: 8_000, role: 'work' },
      ],
      chaosMs: 300_000,
    },
  },
  {
    found: 'a take-over that the SDK had repeated did not know itself and left the job until its lease ended',
    script: {
      seed: 563,
      platform: { ...PLATFORM, visibilityMs: 74_000, deadLettersMax: 1, narrow: false },
      people: [{ at: 0, do: 'submit' }],
      faults: [
        { after: 1, kind: 'crashAfter', ms: 1, role: 'work' },
        { after: 20, kind: 'repeated', ms: 8_000, role: 'work' },
      ],
      chaosMs: 420_000,
    },
  },
  {
    found: 'two dead letters of one job at once were counted as one and sent as two',
    script: {
      seed: 194,
      platform: {
        ...PLATFORM,
        images: 2,
        stillborn: 0.7,
        visibilityMs: 30_000,
        maxReceives: 1,
        fanOutPageItems: 2,
        narrow: false,
        slowRuns: 0.8,
      },
      people: [{ at: 0, do: 'submit' }],
      faults: [{ after: 1, kind: 'repeated', ms: 8_000, role: 'dead-letter' }],
      chaosMs: 300_000,
    },
  },
  {
    found: 'an execution stopped right after its listing had failed was closed before the index showed its child',
    script: {
      seed: 2_263_744,
      platform: {
        ...PLATFORM,
        skewMs: 5_000,
        lagMs: 10_000,
        stopPollMs: 2_000,
        images: 3,
        visibilityMs: 120_000,
        deadLettersMax: 1,
        fanOutPageItems: 1,
        narrow: false,
        maxAttempts: 2,
      },
      people: [
        { at: 83_085, do: 'bulk' },
        { at: 196_970, do: 'stopExecution', n: 0 },
      ],
      faults: [
        { after: 41, kind: 'throttled', ms: 6_752 },
        { after: 22, kind: 'repeated', ms: 6_329 },
        { after: 100, kind: 'failed', ms: 4_363 },
      ],
      chaosMs: 360_000,
    },
  },
  {
    found: 'a recovered job that stood behind the job of another person was measured as if the workers were free',
    script: {
      seed: 1_847_845,
      platform: {
        ...PLATFORM,
        trouble: 0.6,
        stopPollMs: 2_000,
        images: 3,
        visibilityMs: 120_000,
        deadLettersMax: 1,
        fanOutPageItems: 1,
      },
      people: [
        { at: 9_647, do: 'submit', key: 'key-2' },
        { at: 119_908, do: 'submit' },
      ],
      faults: [{ after: 121, kind: 'crashLate', ms: 1_007 }],
      chaosMs: 360_000,
    },
  },
  {
    found:
      'an execution whose listing had failed and that was stopped then left out what was never listed when it was retried',
    script: {
      seed: 1153,
      platform: {
        ...PLATFORM,
        pool: 2,
        trouble: 0.9,
        hopsMax: 2,
        stopPollMs: 30_000,
        images: 2,
        visibilityMs: 360_000,
        maxReceives: 2,
        leaseMarginSeconds: 60,
        fanOutPageItems: 1,
        narrow: false,
        maxAttempts: 1,
      },
      people: [
        { at: 0, do: 'bulk' },
        { at: 180_313, do: 'retryExecution', n: 0, mode: 'failed' },
        { at: 191_305, do: 'retry', n: 0 },
        { at: 195_272, do: 'stopExecution', n: 0 },
        { at: 625_856, do: 'retryExecution', n: 0, mode: 'unsuccessful' },
        { at: 653_534, do: 'retryExecution', n: 0, mode: 'failed' },
      ],
      faults: [
        { after: 58, kind: 'lostAnswer', ms: 18_720 },
        { after: 98, kind: 'crashAfter', ms: 18_370 },
        { after: 122, kind: 'crashAfter', ms: 8_068 },
        { after: 103, kind: 'crashBefore', ms: 10_588 },
        { after: 5, kind: 'crashAfter', ms: 13_827 },
      ],
      chaosMs: 660_000,
    },
  },
]
