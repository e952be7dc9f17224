/** Exceptions on a report: what they cover moves to `suppressed`, is still shown, and is not counted any more. */
import type { Finding, Report, SuppressedFinding } from '../../report/model.ts'
import { countsOf } from '../../report/select.ts'
import { imageCovers, packageCovers, pathCovers } from './covers.ts'
import type { ExceptionRule } from './model.ts'

/**
 * Pure. `now` in milliseconds since the epoch; rules that have expired by then are not there. The report given stays as
 * it is: a rule can be withdrawn.
 */
export function applyExceptions(report: Report, rules: readonly ExceptionRule[], now: number): Report {
  const byId = new Map<string, ExceptionRule[]>()
  const order = new Map<ExceptionRule, number>()
  const present = new Set(report.findings.flatMap(namesOf))
  for (const rule of rules) {
    const ids = [...new Set(rule.ids.map((one) => one.toUpperCase()))].filter((id) => present.has(id))
    if (ids.length === 0 || hasExpired(rule, now) || !isAbout(rule, report)) continue
    order.set(rule, order.size)
    for (const id of ids) {
      const same = byId.get(id)
      if (same) same.push(rule)
      else byId.set(id, [rule])
    }
  }
  if (byId.size === 0) return report

  const findings: Finding[] = []
  const suppressed: SuppressedFinding[] = [...(report.suppressed ?? [])]
  for (const found of report.findings) {
    const [rule] = namesOf(found)
      .flatMap((id) => byId.get(id) ?? [])
      .filter((one) => covers(one, found))
      .sort((a, b) => order.get(a)! - order.get(b)!)
    if (!rule || rule.decision === 'affected') findings.push(found)
    else suppressed.push({ ...found, suppression: suppressionOf(rule, rule.decision) })
  }
  return suppressed.length ? { ...report, ...countsOf(findings), findings, suppressed } : report
}

const namesOf = ({ id, aliases }: Finding): string[] => [id, ...aliases].map((one) => one.toUpperCase())

/** What cannot be read as a time has expired: a typo must not hide a flaw for ever. */
function hasExpired({ expires }: ExceptionRule, now: number): boolean {
  if (expires === undefined) return false
  // Date.parse takes the year 99999 and `tbd-2099`, too.
  const until = /^\d{4}-\d\d-\d\d(?!\d)/.test(expires) ? Date.parse(expires) : Number.NaN
  return Number.isNaN(until) || until <= now
}

const isAbout = ({ within }: ExceptionRule, report: Report): boolean =>
  !within || within.some((one) => imageCovers(one, report))

const covers = ({ packages, paths }: ExceptionRule, found: Finding): boolean =>
  (!packages || packages.some((one) => packageCovers(one, found))) &&
  (!paths || paths.some((pattern) => pathCovers(pattern, found.path)))

const suppressionOf = (rule: ExceptionRule, status: SuppressedFinding['suppression']['status']) => ({
  status,
  reason: rule.reason,
  ...(rule.justification === undefined ? {} : { justification: rule.justification }),
  ...(rule.author === undefined ? {} : { author: rule.author }),
  ...(rule.expires === undefined ? {} : { expires: rule.expires }),
  source: rule.source,
})
