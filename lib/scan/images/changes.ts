/** The event that tells which findings of an image are new, gone or changed since the world was last told. */
import type { BlobStore } from '../../blobs/port.ts'
import type { Limits } from '../../config.ts'
import type { ImageEvent, SeenImage } from '../../job/image-items.ts'
import type { Finding } from '../../report/model.ts'
import { readReport } from '../../report/stored.ts'
import { compareFindings } from './findings.ts'
import { type ImageRecord, worstOf } from './record.ts'

/** What receivers subscribe to. */
export const FINDINGS_CHANGED = 'image.findings.changed'

const ids = (findings: readonly Finding[], max: number): string[] =>
  [...new Set(findings.map(({ id }) => id))].slice(0, max)

const findingsIn = async (blobs: BlobStore, key: string): Promise<Finding[]> => {
  const content = await blobs.get(key)
  // A report that is gone or damaged leaves nothing to compare with: then all is new.
  if (!content) return []
  try {
    return readReport(content).findings
  } catch {
    return []
  }
}

/**
 * Undefined when nothing has changed. What was not handed over yet is told together with this change, from where that
 * began, so that no change is lost when two come within a minute.
 */
export async function changeEvent(
  digest: string,
  {
    before,
    seen,
    after,
    findings,
  }: {
    before?: ImageRecord | undefined
    seen?: SeenImage | undefined
    after: ImageRecord
    findings: readonly Finding[]
  },
  { blobs, limits }: { blobs: BlobStore; limits: Pick<Limits, 'imageEventFindingsMax'> },
): Promise<ImageEvent | undefined> {
  if (!before || before.findings === after.findings) return undefined
  const untold = seen?.untold?.from as { revision: string; report: string } | undefined
  const from = untold ?? { revision: before.revision, report: before.reportKey }
  const changes = compareFindings(await findingsIn(blobs, from.report), findings)
  const max = limits.imageEventFindingsMax
  const changed = changes.changed.map((one) => one.after)
  return {
    type: FINDINGS_CHANGED,
    data: {
      digest,
      platform: after.platform,
      names: Object.keys(after.names),
      from: { revision: from.revision, report: from.report },
      to: { revision: after.revision, report: after.reportKey },
      severity: worstOf(after.summary),
      summary: { ...after.summary },
      counts: { new: changes.new.length, gone: changes.gone.length, changed: changes.changed.length },
      new: ids(changes.new, max),
      gone: ids(changes.gone, max),
      changed: ids(changed, max),
    },
  }
}
