import { describe, expect, onTestFinished, test } from 'vitest'
import { defaultLimits } from '../../lib/config.ts'
import type { JobContext } from '../../lib/job/define.ts'
import { TimeBudget } from '../../lib/replicate/time-budget.ts'
import { virtualClock } from '../queue/virtual-clock.ts'

const MIB = 1_048_576
const unbounded = Number.POSITIVE_INFINITY

/** A run of so many seconds, on a clock the test moves. */
function budgetOf(seconds: number, { rate = 0, lanes = 1 } = {}) {
  const clock = virtualClock(1_000_000)
  const until = clock.now() + seconds * 1_000
  const context = {
    clock,
    limits: defaultLimits,
    signal: new AbortController().signal,
    remainingMs: () => until - clock.now(),
  } as unknown as JobContext
  const budget = new TimeBudget(context, rate, () => lanes)
  onTestFinished(() => budget.end())
  return { budget, clock }
}

describe('the time of a run', () => {
  test('lets a blob go whole that fits with a third to spare', () => {
    // 100 s less 3 s of margin and 1 s of slack at 1 MB/s, and two thirds of that.
    const { budget } = budgetOf(100, { rate: 1_000_000 })
    expect([budget.fits(64_000_000), budget.fits(65_000_000)]).toEqual([true, false])
    expect(budget.next(64_000_000, 0, unbounded)).toBe(64_000_000)
  })

  test('is shared by what is sent at once', () => {
    const { budget } = budgetOf(100, { rate: 6_000_000, lanes: 6 })
    expect([budget.fits(64_000_000), budget.fits(65_000_000)]).toEqual([true, false])
  })

  test('makes chunks of twenty seconds, at most 64 MiB, and what the registry takes', () => {
    const next = (rate: number, min = 0, max = unbounded) => budgetOf(800, { rate }).budget.next(1e12, min, max)
    expect(next(1_000_000)).toBe(20_000_000)
    expect(next(50_000_000)).toBe(64 * MIB)
    expect(next(50_000_000, 0, 4 * MIB)).toBe(4 * MIB)
    expect(next(100_000, 5 * MIB, 10 * MIB)).toBe(5 * MIB)
    expect(next(1_000)).toBe(defaultLimits.uploadChunkBytesMin)
  })

  test('closes with a PUT no larger than the registry takes a chunk', () => {
    const { budget } = budgetOf(800, { rate: 50_000_000 })
    expect(budget.next(100 * MIB, 0, 4 * MIB)).toBe(4 * MIB)
    expect(budget.next(3 * MIB, 0, 4 * MIB)).toBe(3 * MIB)
  })

  test('shrinks chunks towards its end and begins none that would not end', async () => {
    const { budget, clock } = budgetOf(100, { rate: 1_000_000 })
    const sizes: number[] = []
    for (;;) {
      const bytes = budget.next(1e12, 0, unbounded)
      if (bytes === 0) break
      sizes.push(bytes)
      await clock.advance(bytes / 1_000)
      budget.moved(bytes)
    }
    expect(sizes.slice(0, 3)).toEqual([20_000_000, 20_000_000, 20_000_000])
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a))
    expect(budget.isOver).toBe(false)
    // Nearly all of the time was used.
    expect(sizes.reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThan(94_000_000)
  })

  test('begins with 4 MiB when nobody knows the rate, and then knows it', async () => {
    const { budget, clock } = budgetOf(800)
    expect(budget.next(1e12, 0, unbounded)).toBe(4 * MIB)
    budget.moved(4 * MIB)
    await clock.advance(4_000)
    expect(budget.rate).toBe(MIB)
    expect(budget.next(1e12, 0, unbounded)).toBe(20 * MIB)
  })

  test('gives a blob that cannot be cut one try per run', () => {
    const { budget } = budgetOf(100, { rate: 1_000 })
    expect(budget.mayStartWhole(1e9)).toBe(true)
    budget.moved(5)
    expect(budget.mayStartWhole(1e9)).toBe(false)
  })

  // Found by SIGKILL beside DynamoDB Local: after one run in which 542 bytes had moved, twenty runs moved none.
  test('tries one chunk per run, however slow the run before was', async () => {
    const { budget } = budgetOf(5, { rate: 200 })
    expect(budget.fits(3 * MIB)).toBe(false)
    expect(budget.next(3 * MIB, 0, unbounded)).toBe(defaultLimits.uploadChunkBytesMin)
    budget.moved(5)
    expect(budget.next(3 * MIB, 0, unbounded)).toBe(0)
    const late = budgetOf(5, { rate: 200 })
    await late.clock.advance(3_000)
    expect(late.budget.next(3 * MIB, 0, unbounded)).toBe(0)
  })

  test('ends a transfer that takes longer than it should have', async () => {
    const { budget, clock } = budgetOf(100)
    await clock.advance(98_000)
    expect([budget.signal.aborted, budget.isOpen]).toEqual([false, false])
    await clock.advance(1_000)
    expect([budget.signal.aborted, budget.isOver, budget.isOpen]).toEqual([true, true, false])
    expect(budget.next(1e12, 0, unbounded)).toBe(0)
  })
})
