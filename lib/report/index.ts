/** Writing and reading reports. */
import { writeCsv } from './csv.ts'
import { writeCycloneDx } from './cyclonedx.ts'
import { writeHarbor } from './harbor.ts'
import { writeHtml } from './html.ts'
import { writeJson } from './json.ts'
import type { Report } from './model.ts'
import { writeSarif } from './sarif.ts'
import { writeSpdx } from './spdx.ts'
import { writeTable } from './table.ts'
import { writeTrivy } from './trivy.ts'

export interface ReportFormat {
  /** As in `?format=`. */
  format: string
  contentType: string
  /** Of the file a report is kept in, without a leading dot. */
  extension: string
  /** Pure: equal reports give equal text. */
  write(report: Report): string
}

const HARBOR = 'application/vnd.security.vulnerability.report; version=1.1'

/** The formats a report can be had in. One more format is one more line here. */
export const FORMATS: readonly ReportFormat[] = (
  [
    ['json', 'application/json', 'json', writeJson],
    ['table', 'text/plain; charset=utf-8', 'txt', (report) => writeTable(report)],
    ['sarif', 'application/sarif+json', 'sarif', writeSarif],
    ['cyclonedx', 'application/vnd.cyclonedx+json; version=1.6', 'cdx.json', writeCycloneDx],
    ['spdx', 'application/spdx+json', 'spdx.json', writeSpdx],
    ['trivy', 'application/json', 'trivy.json', writeTrivy],
    ['harbor', HARBOR, 'harbor.json', writeHarbor],
    ['html', 'text/html; charset=utf-8', 'html', writeHtml],
    ['csv', 'text/csv; charset=utf-8; header=present', 'csv', writeCsv],
  ] satisfies [string, string, string, ReportFormat['write']][]
).map(([format, contentType, extension, write]) => ({ format, contentType, extension, write }))

export { HTML_POLICY } from './html.ts'
export { writeJson } from './json.ts'
export { type Selection, selectFindings } from './select.ts'
export { readReport } from './stored.ts'
export { fileName } from './subject.ts'
export { writeTable } from './table.ts'
