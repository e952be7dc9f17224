/**
 * Keeping a verdict. Four steps in this order: what the image holds goes into the package index; its item is written,
 * unless another was faster; then the revision pointer is read once more; if it has moved, the image is asked to be
 * matched anew. Whoever follows the pointer looks for images afterwards: so it finds this one in the index, or this one
 * sees that the pointer moved, or that nobody has followed it there yet (lib/job/followed.ts). A crash between two steps repeats them all, and each done twice is done once.
 */
import { pointedRevision } from '../../advisories/open.ts'
import type { BlobStore } from '../../blobs/port.ts'
import type { Clock } from '../../clock.ts'
import type { Limits } from '../../config.ts'
import { LongshoreError } from '../../errors.ts'
import type { ImageItems } from '../../job/image-items.ts'
import { publishSegment } from '../package-index/segment.ts'
import { changeEvent } from './changes.ts'
import type { Judged } from './judge.ts'
import { fieldsOf, recordOf, seenAgain, withVerdict } from './record.ts'
import { expiryOf, readRetention } from './retention.ts'

export interface Keeper {
  images: ImageItems
  blobs: BlobStore
  clock: Pick<Clock, 'now'>
  limits: Limits
  tenant: string
}

/**
 * Of a scan: a verdict that another has already made by a newer revision stays; the image is then only seen again.
 *
 * @throws LongshoreError `store-throttled` when others were faster `imageWritesMax` times
 */
export async function keepScan(judged: Judged, digest: string, keeper: Keeper): Promise<void> {
  const { images, blobs, clock, limits, tenant } = keeper
  const { verdict, entry, report } = judged
  const rules = readRetention(await images.retention())
  for (let n = 0; n < limits.imageWritesMax; n++) {
    const seen = await images.get(digest)
    // Read after the item: a verdict by the pointer's revision is then the newest there is.
    const current = await pointedRevision(blobs)
    const before = recordOf(seen?.fields)
    const isOld = before && before.revision === current && verdict.revision !== current
    const now = clock.now()
    const after = isOld
      ? seenAgain(before, verdict.image, now, limits)
      : withVerdict(before, verdict, now, limits, true)
    if (!isOld && before?.set !== entry.set) await publishSegment(entry, { blobs, clock, tenant })
    const event = isOld
      ? undefined
      : await changeEvent(digest, { before, seen, after, findings: report.findings }, keeper)
    const expires = expiryOf(after, rules, limits)
    if (!(await images.put(digest, fieldsOf(after), seen, { expires, ...(event ? { event } : {}) }))) continue
    if ((await pointedRevision(blobs)) !== after.revision) await images.matchAgain([digest])
    else await images.follow([digest], after.revision)
    return
  }
  throw new LongshoreError(
    'store-throttled',
    `the image ${digest} is being written by too many at once; it is tried again`,
  )
}
