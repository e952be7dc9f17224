import { describe, expect, test } from 'vitest'
import { readReport, writeJson, writeTable } from '../../lib/report/index.ts'
import type { Finding, Report } from '../../lib/report/model.ts'
import { shorten, visible, width } from '../../lib/report/text.ts'

const LAYER = `sha256:${'0123456789ab'.padEnd(64, 'c')}`
const finding = (more: Partial<Finding> = {}): Finding => ({
  id: 'CVE-2024-0001',
  aliases: ['GHSA-aaaa'],
  package: 'libc6',
  version: '2.36-9',
  purl: 'pkg:deb/debian/libc6@2.36-9',
  path: 'var/lib/dpkg/status',
  layer: LAYER,
  severity: 'High',
  score: 7.5,
  vector: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H',
  severitySource: 'GHSA-aaaa',
  fixedVersion: '2.36-9+deb12u7',
  status: 'fixed',
  title: 'Overflow',
  url: 'https://example.test',
  kev: false,
  ...more,
})
const report = (findings: Finding[], more: Partial<Report> = {}): Report => ({
  image: 'registry.test/app:1',
  digest: `sha256:${'a'.repeat(64)}`,
  platform: 'linux/amd64',
  os: { id: 'debian', version: '12' },
  createdAt: '2026-11-20T00:00:00.000Z',
  revision: '20261120-abc',
  sources: [{ ecosystem: 'Debian', modified: '2026-11-20T00:00:00.000Z' }],
  coverage: 'full',
  gaps: [],
  summary: { Critical: 0, High: findings.length, Medium: 0, Low: 0, Negligible: 0, Unknown: 0 },
  fixable: findings.filter((one) => one.fixedVersion).length,
  packages: [
    {
      name: 'libc6',
      version: '2.36-9',
      purl: 'pkg:deb/debian/libc6@2.36-9',
      path: 'var/lib/dpkg/status',
      layer: LAYER,
    },
  ],
  findings,
  ...more,
})
const lines = (text: string) => text.trimEnd().split('\n')

describe('the table', () => {
  test('tells what was judged, the numbers, then the findings', () => {
    expect(writeTable(report([finding()]))).toBe(
      [
        'Image       registry.test/app:1',
        `Digest      sha256:${'a'.repeat(64)}`,
        'Platform    linux/amd64',
        'OS          debian 12',
        'Advisories  revision 20261120-abc, data of 2026-11-20T00:00:00.000Z',
        'Coverage    full',
        '',
        '1 finding in 1 package, 1 fixable',
        'Critical 0  High 1  Medium 0  Low 0  Negligible 0  Unknown 0',
        '',
        'Severity      Id              Package    Installed  Fixed in        Path                 Layer',
        '------------  --------------  ---------  ---------  --------------  -------------------  ------------',
        'High 7.5      CVE-2024-0001   libc6      2.36-9     2.36-9+deb12u7  var/lib/dpkg/status  0123456789ab',
        '',
      ].join('\n'),
    )
  })

  test('says "no known vulnerabilities" at full coverage only', () => {
    const gaps = ['The distribution plan9 is not known']
    expect(writeTable(report([]))).toContain('No known vulnerabilities.')
    const partial = writeTable(report([], { coverage: 'partial', gaps }))
    expect(partial).not.toMatch(/no (known )?vulnerabilities/i)
    expect(partial).toContain('            - The distribution plan9 is not known')
    expect(partial).toContain('0 findings')
    const none = writeTable(report([], { coverage: 'none', packages: [] }))
    expect(none).not.toMatch(/no (known )?vulnerabilities/i)
    expect(none).toContain('Not scanned')
  })

  test.each([60, 80, 100, 120, 200])('keeps to %s columns', (columns) => {
    const long = finding({
      package: '@very-long-scope/with-a-very-long-package-name',
      path: `opt/${'deeply/nested/'.repeat(9)}node_modules/x/package.json`,
      version: '1.0.0-alpha.20240101.deadbeef',
      fixedVersion: undefined,
    })
    const table = lines(writeTable(report([long, finding()]), { width: columns })).slice(10)
    // Severity, id and the least of every other column need 86 cells.
    expect(Math.max(...table.map(width))).toBeLessThanOrEqual(Math.max(columns, 86))
    expect(table.join('\n')).toMatch(/kage\.json/)
  })

  test('tells what a filter hides and what exceptions suppress, and never calls that clean', () => {
    const one = finding()
    const hidden = writeTable(report([], { filter: { severity: ['Critical'], fixable: true, hidden: 3 } }))
    expect(hidden).toContain('Shown are only: Critical, fixable; 3 findings hidden')
    expect(hidden).not.toMatch(/no (\w+ )?known vulnerabilities/i)
    const suppression = { status: 'ignored', reason: 'not\nreachable', author: 'ann', source: 'api' } as const
    const suppressed = writeTable(report([], { suppressed: [{ ...one, suppression }] }))
    expect(suppressed).toContain('1 finding suppressed by exceptions, not counted')
    expect(suppressed).toContain('No other known vulnerabilities.')
    expect(suppressed).toContain('CVE-2024-0001 libc6 2.36-9: ignored: not\\x0areachable, by ann')
  })

  test('marks what is known to be exploited', () => {
    const text = writeTable(report([finding({ kev: true })]))
    expect(text).toContain('1 finding known to be exploited')
    expect(text).toContain('!High 7.5')
  })

  test('lets no text of an image move the cursor, hide or reorder anything', () => {
    const text = writeTable(
      report([finding({ package: 'a\x1b[2Jb\r\n', path: 'x\u202ey', version: '\x07\x9b', id: 'CVE\n-1' })], {
        image: 'evil\x1b]0;title\x07',
        gaps: ['line\nbreak'],
      }),
    )
    expect(text.replaceAll('\n', '')).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202a-\u202e]/)
    expect(text).toContain('a\\x1b[2Jb\\x0d\\x0a')
  })
})

describe('text', () => {
  test('is measured in terminal cells and cut at either end', () => {
    expect([width('abc'), width('日本'), width('e\u0301')]).toEqual([3, 4, 1])
    expect([shorten('abcdef', 4), shorten('abcdef', 4, 'end'), shorten('abc', 3), shorten('abc', 0)]).toEqual([
      'abc…',
      '…def',
      'abc',
      '',
    ])
    expect(shorten('日本語', 4)).toBe('日…')
    expect(visible('ok\u2066\t')).toBe('ok\\u2066\\x09')
  })
})

describe('json', () => {
  test('writes keys in one order, whatever order they came in', () => {
    const original = report([finding()])
    const shuffled = JSON.parse(
      JSON.stringify(original, (_, value: unknown) =>
        value !== null && typeof value === 'object' && !Array.isArray(value)
          ? Object.fromEntries(Object.entries(value).reverse())
          : value,
      ),
    ) as Report
    expect(Object.keys(shuffled)[0]).toBe('findings')
    expect(writeJson(shuffled)).toBe(writeJson(original))
    expect(JSON.parse(writeJson(original))).toEqual(original)
  })

  test('what was written is read back, anything else is refused', () => {
    const original = report([finding()])
    expect(readReport(Buffer.from(writeJson(original)))).toEqual(original)
    for (const bytes of ['', 'null', '{}', '{"findings":[]}', '<html>'])
      expect(() => readReport(Buffer.from(bytes))).toThrow(
        expect.objectContaining({ code: 'report-not-found' }) as Error,
      )
  })
})
