import { describe, expect, test } from 'vitest'
import { expiryOf, type RetentionRule, readRetention } from '../../../lib/scan/images/retention.ts'

const DAY_MS = 86_400_000
const AT = Date.UTC(2026, 10, 20)
const limits = { imageDays: 90, historyDays: 90 }

/** In days after AT. */
const kept = (names: { [name: string]: number }, rules: RetentionRule[]): number => {
  const times = Object.fromEntries(Object.entries(names).map(([name, day]) => [name, AT + day * DAY_MS]))
  const scannedAt = Math.max(...Object.values(times))
  return (expiryOf({ names: times, scannedAt }, rules, limits) * 1_000 - AT) / DAY_MS
}
const rule = (image: string, days: number): RetentionRule => ({ image, days })

describe('an image is kept', () => {
  test('so long after its last scan as everywhere when no rule means it', () => {
    expect(kept({ 'r.test/team/app:1': 0 }, [])).toBe(90)
    expect(kept({ 'r.test/team/app:1': 0 }, [rule('r.test/other/**', 7)])).toBe(90)
  })

  test.each<[string, string, boolean]>([
    ['r.test/team/*', 'r.test/team/app:1', true],
    ['r.test/team/*', 'r.test/team/app/part:1', false],
    ['r.test/team/**', 'r.test/team/app/part:1', true],
    ['r.test/team/app', 'r.test/team/app:1', true],
    ['r.test/team/app', `r.test/team/app@sha256:${'a'.repeat(64)}`, true],
    ['r.test/team/app:pr-*', 'r.test/team/app:pr-12', true],
    ['r.test/team/app:pr-*', 'r.test/team/app:1.0', false],
    ['r.test/team/app:pr-*', `r.test/team/app@sha256:${'a'.repeat(64)}`, false],
    ['r.test:5000/**:1.?', 'r.test:5000/a/b:1.2', true],
    ['docker.io/library/*', 'alpine:3', true],
    ['docker.io/library/*', 'alpine', true],
    ['**', 'anything at all', true],
  ])('by the rule for %s when it is %s: %s', (pattern, name, means) => {
    expect(kept({ [name]: 0 }, [rule(pattern, 7)])).toBe(means ? 7 : 90)
  })

  test('no longer than its reports, which a deployment may delete earlier', () => {
    const names = { 'r.test/app:1': AT }
    const few = { imageDays: 90, historyDays: 30 }
    for (const rules of [[], [rule('**', 60)]])
      expect(expiryOf({ names, scannedAt: AT }, rules, few)).toBe(AT / 1_000 + 30 * 86_400)
  })

  test('by the first rule that means it', () => {
    const rules = [rule('r.test/ci/keep', 60), rule('r.test/ci/**', 1), rule('r.test/**', 30)]
    expect(kept({ 'r.test/ci/keep:1': 0 }, rules)).toBe(60)
    expect(kept({ 'r.test/ci/app:1': 0 }, rules)).toBe(1)
    expect(kept({ 'r.test/app:1': 0 }, rules)).toBe(30)
  })

  test('as long as any of its names wants it, each counted from the last scan under that name', () => {
    const rules = [rule('r.test/ci/**', 1), rule('r.test/prod/**', 60)]
    expect(kept({ 'r.test/ci/app:1': 10, 'r.test/prod/app:1': 0 }, rules)).toBe(60)
    expect(kept({ 'r.test/ci/app:1': 80, 'r.test/prod/app:1': 0 }, rules)).toBe(81)
  })
})

test('rules that cannot be read keep images as if there were none', () => {
  expect(readRetention(undefined)).toEqual([])
  for (const strange of ['x', [], [{ image: 1, days: 1 }], [{ image: 'a', days: 'b' }, null], { rules: 1 }])
    expect(readRetention(strange)).toEqual([])
  expect(readRetention([{ image: 'a/b', days: 3 }])).toEqual([{ image: 'a/b', days: 3 }])
})
