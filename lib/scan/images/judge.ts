/** An inventory judged by a revision: the report, stored, and the verdict that is kept of it. */
import { createHash } from 'node:crypto'
import type { AdvisoryDatabase } from '../../advisories/index.ts'
import type { BlobStore } from '../../blobs/port.ts'
import type { Limits } from '../../config.ts'
import type { Report } from '../../report/model.ts'
import { buildReport } from '../match.ts'
import type { ImageInventory } from '../model.ts'
import { type IndexEntry, indexEntry } from '../package-index/entry.ts'
import type { Verdict } from './record.ts'

export interface Judged {
  report: Report
  verdict: Verdict
  entry: IndexEntry
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/**
 * The one way to a report, of scans and of re-evaluations alike: equal inventory, revision and name give equal bytes.
 * Stored under the hash of its content, so that doing it twice changes nothing.
 */
export async function judgeImage(
  image: string,
  inventory: ImageInventory,
  database: AdvisoryDatabase,
  { blobs, limits }: { blobs: BlobStore; limits: Limits },
): Promise<Judged> {
  const { findingsMax, ownedPackagesJudged } = limits
  const report = await buildReport({ image, inventory, database, ownedJudged: ownedPackagesJudged === 1, findingsMax })
  const json = JSON.stringify(report)
  const reportKey = `reports/${sha256(json)}.json`
  await blobs.put(reportKey, json, { contentType: 'application/json' })
  const entry = indexEntry(inventory, report.findings)
  const { revision, coverage, summary, fixable, os, packages } = report
  return {
    report,
    entry,
    verdict: {
      image,
      platform: inventory.platform,
      ...(os ? { os } : {}),
      revision,
      reportKey,
      findings: sha256(JSON.stringify(report.findings)).slice(0, 16),
      set: entry.set,
      coverage,
      summary,
      fixable,
      packages: packages.length,
    },
  }
}
