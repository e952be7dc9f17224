/** Reading a report; apart from the writers, so that who only compares reports does not bundle them. */
import { LongshoreError } from '../errors.ts'
import type { Report } from './model.ts'

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
