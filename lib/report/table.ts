/** The report for a terminal: what was judged, the numbers, then one line per finding, worst first. */
import { SEVERITIES } from '../glossary.ts'
import { advisoriesOf } from './age.ts'
import type { Finding, Report } from './model.ts'
import { cell, shorten, visible, width } from './text.ts'

export interface TableOptions {
  /** Columns of the terminal. */
  width?: number
}

/** Fits a wide terminal and a code block; a narrower one is asked for by `width`. */
const DEFAULT_WIDTH = 120
/** Below this the columns hold nothing readable; lines are then longer than asked. */
const MIN_WIDTH = 60

const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`

/** `sha256:` and twelve digits, as people know digests. */
const shortDigest = (digest: string): string => digest.replace(/^(?:sha256:)?([0-9a-f]{12})[0-9a-f]{52}$/, '$1')

function header(report: Report): string[] {
  const os = report.os ? `${report.os.id}${report.os.version ? ` ${report.os.version}` : ''}` : 'unknown'
  const [advisories, age] = advisoriesOf(report)
  const rows: [string, string][] = [
    ['Image', report.image],
    ['Digest', report.digest],
    ['Platform', report.platform],
    ['OS', os],
    ['Advisories', advisories],
    ...(age ? [['', age] as [string, string]] : []),
    ['Coverage', report.coverage],
  ]
  const lines = rows.map(([name, value]) => `${name.padEnd(11)} ${visible(value)}`)
  for (const gap of report.gaps) lines.push(`${' '.repeat(11)} - ${visible(gap)}`)
  return lines
}

/** What is not among the findings because somebody said so; empty when nothing is left out. */
function leftOut({ filter, suppressed = [] }: Report): string[] {
  const lines: string[] = []
  if (filter) {
    const asked = [...(filter.severity ?? []), ...(filter.fixable ? ['fixable'] : [])].join(', ')
    lines.push(`Shown are only: ${asked || 'none'}; ${plural(filter.hidden, 'finding')} hidden`)
  }
  if (suppressed.length) lines.push(`${plural(suppressed.length, 'finding')} suppressed by exceptions, not counted`)
  return lines
}

/** Says "no known vulnerabilities" only when everything could be judged. */
export function verdict(report: Report): string[] {
  if (report.coverage === 'none') return ['Not scanned: this is not a container image, so there is nothing to judge.']
  const counts = SEVERITIES.map((severity) => `${severity} ${report.summary[severity]}`).join('  ')
  const total = report.findings.length
  const numbers = `${plural(total, 'finding')} in ${plural(report.packages.length, 'package')}, ${report.fixable} fixable`
  const lines = [numbers, counts]
  const exploited = report.findings.filter(({ kev }) => kev).length
  if (exploited) lines.push(`${plural(exploited, 'finding')} known to be exploited (CISA KEV), marked !`)
  const missing = leftOut(report)
  lines.push(...missing)
  if (total === 0 && !report.filter?.hidden)
    lines.push(
      report.coverage === 'full'
        ? `No ${missing.length ? 'other ' : ''}known vulnerabilities.`
        : 'Nothing was found in what could be judged; the image may still be vulnerable.',
    )
  return lines
}

interface Column {
  title: string
  keep: 'start' | 'end'
  /** What a column never shrinks below, and the share of a lack of room it bears. */
  min: number
  share: number
  value(found: Finding): string
}

const COLUMNS: Column[] = [
  {
    title: 'Severity',
    keep: 'start',
    min: 12,
    share: 0,
    value: ({ severity, score, kev }) =>
      `${kev ? '!' : ''}${severity}${score === undefined ? '' : ` ${score.toFixed(1)}`}`,
  },
  { title: 'Id', keep: 'start', min: 14, share: 0, value: ({ id }) => id },
  { title: 'Package', keep: 'start', min: 9, share: 2, value: (found) => found.package },
  { title: 'Installed', keep: 'start', min: 9, share: 2, value: ({ version }) => version },
  { title: 'Fixed in', keep: 'start', min: 9, share: 2, value: ({ fixedVersion }) => fixedVersion ?? '-' },
  { title: 'Path', keep: 'end', min: 10, share: 4, value: ({ path }) => path },
  { title: 'Layer', keep: 'start', min: 5, share: 1, value: ({ layer }) => shortDigest(layer) },
]

const GAP = '  '

/** Natural widths, then the widest shrinkable columns give room until the line fits. */
function widths(rows: string[][], total: number): number[] {
  const wide = COLUMNS.map((column, i) => Math.max(column.min, ...rows.map((row) => width(row[i]!))))
  const room = total - GAP.length * (COLUMNS.length - 1)
  let over = wide.reduce((sum, one) => sum + one, 0) - room
  while (over > 0) {
    let best = -1
    for (const [i, column] of COLUMNS.entries()) {
      if (column.share === 0 || wide[i]! <= column.min) continue
      if (best < 0 || wide[i]! / column.share > wide[best]! / COLUMNS[best]!.share) best = i
    }
    if (best < 0) break
    wide[best]!--
    over--
  }
  return wide
}

function table(findings: readonly Finding[], total: number): string[] {
  const rows = [
    COLUMNS.map(({ title }) => title),
    ...findings.map((found) => COLUMNS.map((column) => visible(column.value(found)))),
  ]
  const wide = widths(rows, total)
  const lines = rows.map((row) =>
    row
      .map((text, i) => cell(text, wide[i]!, COLUMNS[i]!.keep))
      .join(GAP)
      .trimEnd(),
  )
  lines.splice(1, 0, wide.map((one) => '-'.repeat(one)).join(GAP))
  return lines
}

/** Plain text, lines at most `width` cells where the columns allow it; ends with a newline. */
export function writeTable(report: Report, options: TableOptions = {}): string {
  const total = Math.max(MIN_WIDTH, options.width ?? DEFAULT_WIDTH)
  const lines = [
    ...header(report).map((line) => shorten(line, Math.max(total, DEFAULT_WIDTH * 2))),
    '',
    ...verdict(report),
  ]
  if (report.findings.length) lines.push('', ...table(report.findings, total))
  if (report.suppressed?.length) {
    lines.push('', 'Suppressed:')
    for (const { id, package: name, version, suppression } of report.suppressed) {
      const { status, reason, author, expires } = suppression
      const by = `${author ? `, by ${author}` : ''}${expires ? `, until ${expires}` : ''}`
      lines.push(shorten(visible(`  ${id} ${name} ${version}: ${status}: ${reason}${by}`), total))
    }
  }
  return `${lines.join('\n')}\n`
}
