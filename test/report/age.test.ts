import { expect, test } from 'vitest'
import { tellAge } from '../../lib/report/age.ts'
import { FORMATS, writeJson } from '../../lib/report/index.ts'
import { writeTable } from '../../lib/report/table.ts'
import { sample } from './sample.ts'

const report = sample()
const DAY = 86_400_000
const at = (days: number) => Date.parse(report.createdAt) + days * DAY

test('a report says how old its advisories are once they are older than the limit, to people and programs', () => {
  expect(tellAge(report, at(3.9), 3)).toBe(report)
  expect(tellAge(report, at(-1), 0)).toBe(report)
  const old = tellAge(report, at(12.5), 3)
  expect(old.advisoriesAgeDays).toBe(12)
  expect(JSON.parse(writeJson(old))).toMatchObject({ advisoriesAgeDays: 12 })
  for (const name of ['table', 'html'])
    expect(FORMATS.find(({ format }) => format === name)!.write(old)).toContain(
      '12 days old: what became known since is not in this report',
    )
})

test('what is stored has no age, so that equal reports stay equal', () => {
  expect(writeJson(report)).not.toContain('advisoriesAgeDays')
})

test('what was never judged has no age', () => {
  expect(tellAge({ ...report, coverage: 'none' }, at(100), 3).advisoriesAgeDays).toBeUndefined()
})

test('a terminal shows it whole, however old: no line is wider than the table', () => {
  const revision = `20261122-${'a'.repeat(16)}`
  const lines = writeTable({ ...report, revision, gaps: [], advisoriesAgeDays: 99_999 }).split('\n')
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(120)
  expect(lines).toContain('            99999 days old: what became known since is not in this report')
})
