/** A part of a report: only what can be fixed, only some severities. What is left out is counted, never forgotten. */
import { SEVERITIES, type Severity } from '../glossary.ts'
import type { Finding, Report } from './model.ts'

export interface Selection {
  /** Only findings with a fixed version. */
  fixable?: boolean
  severity?: readonly Severity[]
}

/** The numbers over these findings. */
export const countsOf = (findings: readonly Finding[]): Pick<Report, 'summary' | 'fixable'> => ({
  summary: Object.fromEntries(
    SEVERITIES.map((level) => [level, findings.filter(({ severity }) => severity === level).length]),
  ) as Report['summary'],
  fixable: findings.filter(({ fixedVersion }) => fixedVersion !== undefined).length,
})

/** The report with the findings asked for, its numbers over those, and how many are hidden. */
export function selectFindings(report: Report, { fixable = false, severity }: Selection): Report {
  if (!fixable && !severity) return report
  const asked = (found: Finding) =>
    (!fixable || found.fixedVersion !== undefined) && (!severity || severity.includes(found.severity))
  const findings = report.findings.filter(asked)
  return {
    ...report,
    ...countsOf(findings),
    findings,
    ...(report.suppressed ? { suppressed: report.suppressed.filter(asked) } : {}),
    filter: {
      ...(fixable ? { fixable } : {}),
      ...(severity ? { severity: SEVERITIES.filter((level) => severity.includes(level)) } : {}),
      hidden: report.findings.length - findings.length,
    },
  }
}
