/** CSV (RFC 4180: CRLF, quotes doubled) for spreadsheets, one line per finding; suppressed ones last, with the reason. */
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

export const writeCsv = (report: Report): string =>
  [
    COLUMNS.map(([title]) => title),
    ...[...report.findings, ...(report.suppressed ?? [])].map((found) =>
      COLUMNS.map(([, value]) => field(value(found))),
    ),
  ]
    .map((fields) => `${fields.join(',')}\r\n`)
    .join('')
