/** docs/reliability.md says of every fault which test shows it; a test that was renamed or lost is told here. */
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

const page = readFileSync('docs/reliability.md', 'utf8')
const rows = page
  .split('\n')
  .map((line) => /^\| (\d+) \| (.+) \|$/.exec(line))
  .filter((match) => match !== null)
  .map(([, number, rest]) => ({ number: Number(number), cells: String(rest).split(' | ') }))

describe('the table of faults', () => {
  test('has each of the 52 once, in order', () => {
    expect(rows.map((row) => row.number)).toEqual(Array.from({ length: 52 }, (_, index) => index + 1))
  })

  test.each(rows)(
    'row $number names a test that exists and bears its number, or says that it is open',
    ({ number, cells }) => {
      const shown = cells[2] ?? ''
      if (shown.startsWith('open')) return expect(cells[1]).toMatch(/^open: .{10,}/)
      const files = [...shown.matchAll(/`([^`]+\.test\.ts)`/g)].map((match) => String(match[1]))
      expect(files.length).toBeGreaterThan(0)
      for (const file of files) {
        expect(existsSync(file), file).toBe(true)
        expect(readFileSync(file, 'utf8'), file).toMatch(new RegExp(`\\(faults? (?:\\d+, )*${number}(?:, I?\\d+)*\\)`))
      }
    },
  )
})

describe('the table of invariants', () => {
  test('has each of the 16 once, and names files that exist', () => {
    const lines = page.split('\n').filter((line) => /^\| I\d+ \|/.test(line))
    expect(lines.map((line) => Number(/I(\d+)/.exec(line)?.[1]))).toEqual(Array.from({ length: 16 }, (_, i) => i + 1))
    for (const line of lines)
      for (const [, file] of line.matchAll(/`((?:lib|test)\/[^`]+)`/g))
        expect(existsSync(String(file)), String(file)).toBe(true)
  })
})
