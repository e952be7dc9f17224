/**
 * CSV (RFC 4180: CRLF, quotes doubled) for spreadsheets, one line per finding; suppressed ones last, with the reason.
 * Each line says whether the report is whole; where nothing could be found, because not all could be judged, one line
 * without a finding says so: a file of titles alone is read as "clean".
 */
import type { Finding, Report, SuppressedFinding } from './model.ts'
import { pageOf } from './subject.ts'
import { visible } from './text.ts'

type Row = Finding | SuppressedFinding

const COLUMNS: [title: string, value: (found: Row) => string | number | boolean | undefined][] = [
  ['severity', ({ severity }) => severity],
  ['score', ({ score }) => score],
  ['id', ({ id }) => id],
  ['aliases', ({ aliases }) => aliases.join(' ')],
  ['package', (found) => found.package],
  ['version', ({ version }) => version],
  ['fixedVersion', ({ fixedVersion }) => fixedVersion],
  ['status', (found) => ('suppression' in found ? found.suppression.status : found.status)],
  ['exploited', ({ kev }) => kev],
  ['title', ({ title }) => title],
  ['url', pageOf],
  ['path', ({ path }) => path],
  ['layer', ({ layer }) => layer],
  ['purl', ({ purl }) => purl],
  ['published', ({ publishedAt }) => publishedAt],
  ['suppressed', (found) => ('suppression' in found ? found.suppression.reason : undefined)],
]

/** A spreadsheet runs what begins so, also in the full-width forms; a quote in front makes it text (OWASP, CSV injection). */
const FORMULA = /^[=+\-@\t\r＝＋－＠]/

const field = (value: string | number | boolean | undefined): string => {
  const text = visible(String(value ?? ''))
  const safe = FORMULA.test(text) ? `'${text}` : text
  return /[",'\s]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

export function writeCsv(report: Report): string {
  const whole = [report.coverage, String(report.gaps.length)]
  const rows = [...report.findings, ...(report.suppressed ?? [])].map((found) => [
    ...COLUMNS.map(([, value]) => field(value(found))),
    ...whole,
  ])
  if (rows.length === 0 && report.coverage !== 'full') rows.push([...COLUMNS.map(() => ''), ...whole])
  return [[...COLUMNS.map(([title]) => title), 'coverage', 'gaps'], ...rows]
    .map((fields) => `${fields.join(',')}\r\n`)
    .join('')
}
