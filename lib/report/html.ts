/**
 * The report as one page for people: nothing is loaded, nothing runs (the policy in its head forbids both), severities
 * are filtered by checkboxes that the style alone reads.
 */
import { SEVERITIES } from '../glossary.ts'
import { advisoriesOf } from './age.ts'
import type { Finding, Report } from './model.ts'
import { pageOf } from './subject.ts'
import { verdict } from './table.ts'
import { visible } from './text.ts'

/** Also what the answer's header says: a page is shown where scripts of the API's origin could run. */
export const HTML_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Text that can stand in an element or between quotes; what would hide or reorder it is shown. */
const inert = (text: string): string => visible(text).replace(/[&<>"']/g, (character) => ENTITIES[character]!)

const STYLE = `:root{color-scheme:light dark;font:15px/1.45 system-ui,sans-serif}
body{max-width:90rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}
dt{opacity:.7}dd{margin:0;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;margin:1rem 0}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid #8884;overflow-wrap:anywhere}
th{position:sticky;top:0;background:Canvas}
b{padding:.1rem .45rem;border-radius:.3rem;color:#fff;background:#666;white-space:nowrap}
.Critical b{background:#8b0b0b}.High b{background:#b3400a}.Medium b{background:#7d5a00}.Low b{background:#2d5f9e}
small{opacity:.75;display:block}
${SEVERITIES.map((level) => `body:has(#${level}:not(:checked)) tr.${level}`).join(',')}{display:none}`

const row = (cells: string[], name = 'td') => cells.map((cell) => `<${name}>${cell}</${name}>`).join('')

function findingRow(found: Finding, last: string): string {
  const score = found.score === undefined ? '' : ` ${found.score.toFixed(1)}`
  const aliases = found.aliases.length ? `<small>${inert(found.aliases.join(', '))}</small>` : ''
  return `<tr class="${found.severity}">${row([
    `<b>${found.severity}${score}</b>${found.kev ? '<small>exploited</small>' : ''}`,
    `<a href="${inert(pageOf(found))}" rel="noreferrer">${inert(found.id)}</a>${aliases}`,
    `${inert(found.package)} ${inert(found.version)}<small>${inert(found.path)}</small>`,
    last,
    inert(found.title),
  ])}</tr>`
}

const table = (titles: string[], rows: string[]) =>
  `<table><thead><tr>${row(titles, 'th')}</tr></thead><tbody>\n${rows.join('\n')}\n</tbody></table>`

export function writeHtml(report: Report): string {
  const { suppressed = [] } = report
  const about: [string, string][] = [
    ['Digest', report.digest],
    ['Platform', report.platform],
    ['OS', report.os ? `${report.os.id} ${report.os.version}` : 'unknown'],
    ['Advisories', advisoriesOf(report).join(', ')],
    ['Coverage', report.coverage],
  ]
  const used = SEVERITIES.filter((level) =>
    [...report.findings, ...suppressed].some(({ severity }) => severity === level),
  )
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${inert(HTML_POLICY)}">
<meta name="viewport" content="width=device-width">
<meta name="referrer" content="no-referrer">
<title>Vulnerabilities of ${inert(report.image)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${inert(report.image)}</h1>
<dl>${about.map(([name, value]) => `<dt>${name}</dt><dd>${inert(value)}</dd>`).join('')}</dl>
${verdict(report)
  .map((line) => `<p>${inert(line)}</p>`)
  .join('\n')}
${report.gaps.length ? `<h2>Not seen</h2><ul>${report.gaps.map((gap) => `<li>${inert(gap)}</li>`).join('')}</ul>` : ''}
<p>${used.map((level) => `<label><input type="checkbox" id="${level}" checked> ${level}</label>`).join(' ')}</p>
${
  report.findings.length
    ? table(
        ['Severity', 'Id', 'Package', 'Fixed in', 'Title'],
        report.findings.map((found) => findingRow(found, inert(found.fixedVersion ?? '-'))),
      )
    : ''
}
${
  suppressed.length
    ? `<h2>Suppressed</h2>${table(
        ['Severity', 'Id', 'Package', 'Why', 'Title'],
        suppressed.map((found) => {
          const { status, reason, author, expires, source } = found.suppression
          const by = [author && `by ${author}`, expires && `until ${expires}`, source].filter(Boolean).join(', ')
          return findingRow(found, `${inert(`${status}: ${reason}`)}<small>${inert(by)}</small>`)
        }),
      )}`
    : ''
}
</body>
</html>
`
}
