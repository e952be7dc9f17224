/** How old the advisories are that a report was made with: told to the reader, never a reason not to have a report. */
import type { Report } from './model.ts'

const DAY_MS = 86_400_000

/**
 * The report with the age of its advisories, when that is more than `daysMax`. Pure. The stored report has no age: it is
 * what an inventory and a revision give, on every day the same. `now` in milliseconds since the epoch.
 */
export function tellAge(report: Report, now: number, daysMax: number): Report {
  const days = Math.floor((now - Date.parse(report.createdAt)) / DAY_MS)
  return days > daysMax && report.coverage !== 'none' ? { ...report, advisoriesAgeDays: days } : report
}

/** As every page for people says which data it rests on; a second line when that data is old. */
export function advisoriesOf({ revision, createdAt, advisoriesAgeDays: days }: Report): [string] | [string, string] {
  const line = `revision ${revision}, data of ${createdAt}`
  return days === undefined ? [line] : [line, `${days} days old: what became known since is not in this report`]
}
