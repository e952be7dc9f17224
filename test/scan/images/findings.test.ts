import { expect, test } from 'vitest'
import type { Finding } from '../../../lib/report/model.ts'
import { compareFindings } from '../../../lib/scan/images/findings.ts'

const finding = (id: string, more: Partial<Finding> = {}): Finding => ({
  id,
  aliases: [],
  package: 'left',
  version: '1.0.0',
  purl: 'pkg:npm/left@1.0.0',
  path: 'a/package.json',
  layer: 'sha256:1',
  severity: 'High',
  status: 'affected',
  title: 'a flaw',
  url: 'https://example.test',
  kev: false,
  ...more,
})

const ids = (before: Finding[], after: Finding[]) => {
  const changes = compareFindings(before, after)
  return {
    new: changes.new.map(({ id }) => id),
    gone: changes.gone.map(({ id }) => id),
    changed: changes.changed.map((one) => [one.before.id, one.after.id]),
  }
}

test('what came, what went and what says something else are told apart', () => {
  const before = [finding('A'), finding('B'), finding('C')]
  const after = [finding('B', { severity: 'Critical' }), finding('C'), finding('D')]
  expect(ids(before, after)).toEqual({ new: ['D'], gone: ['A'], changed: [['B', 'B']] })
  expect(ids(before, before)).toEqual({ new: [], gone: [], changed: [] })
})

test('a flaw that was given a CVE has changed; it is not gone and new', () => {
  const before = [finding('GHSA-1'), finding('GHSA-2', { path: 'b' })]
  const after = [
    finding('CVE-1', { aliases: ['GHSA-1'] }),
    finding('CVE-2', { aliases: ['GHSA-2'], path: 'elsewhere' }),
  ]
  expect(ids(before, after)).toEqual({ new: ['CVE-2'], gone: ['GHSA-2'], changed: [['GHSA-1', 'CVE-1']] })
})
