/** Writing and reading reports. */
import { LongshoreError } from '../errors.ts'
import { writeJson } from './json.ts'
import type { Report } from './model.ts'
import { writeTable } from './table.ts'

export interface ReportFormat {
  /** As in `?format=`. */
  format: string
  contentType: string
  /** Pure: equal reports give equal text. */
  write(report: Report): string
}

/** The formats a report can be had in. One more format is one more line here. */
export const FORMATS: readonly ReportFormat[] = [
  { format: 'json', contentType: 'application/json', write: writeJson },
  { format: 'table', contentType: 'text/plain; charset=utf-8', write: (report) => writeTable(report) },
]

/** A report as it was stored by the scan (JSON). Throws `report-not-found` when the bytes are not one. */
export function readReport(content: Uint8Array): Report {
  try {
    const report = JSON.parse(Buffer.from(content).toString('utf8')) as Report | null
    if (Array.isArray(report?.findings) && Array.isArray(report.packages)) return report
  } catch {
    // Told below, with what to do.
  }
  throw new LongshoreError('report-not-found', 'The stored report cannot be read; scan the image again')
}

export { writeJson } from './json.ts'
export { writeTable } from './table.ts'
