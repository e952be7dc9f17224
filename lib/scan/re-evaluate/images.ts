/**
 * One message of a pass: many images, each matched anew from its stored inventory. The registry is not asked, no job is
 * made. An image whose verdict is by the current revision is passed over, so that a message that comes twice costs reads.
 *
 * An item is read before the revision pointer, and written only while it is as it was read: so no verdict is ever
 * replaced by one of an older revision, whoever runs beside this.
 */
import { pointedRevision } from '../../advisories/open.ts'
import { asLongshoreError, LongshoreError } from '../../errors.ts'
import type { Environment, Invocation } from '../../job/environment.ts'
import { type ImageItems, imageItems, type SeenImage } from '../../job/image-items.ts'
import { readImagesMessage } from '../../job/message.ts'
import type { Verdict } from '../../job/verdict.ts'
import { revisionOf } from '../current-advisories.ts'
import { changeEvent } from '../images/changes.ts'
import { judgeImage } from '../images/judge.ts'
import { fieldsOf, recordOf, withVerdict } from '../images/record.ts'
import { expiryOf, type RetentionRule, readRetention } from '../images/retention.ts'
import { loadImageByDigest } from '../inventories.ts'
import { publishSegment } from '../package-index/segment.ts'

type Env = Pick<Environment, 'store' | 'blobs' | 'queue' | 'clock' | 'limits' | 'log'>

/** Images whose items are read in one call (BatchGetItem takes 100). */
const READ_AT_ONCE = 100

/** `judged`: it has a new verdict; `current`: it had one; `gone`: it is not known any more, or its inventory is not. */
type Outcome = 'judged' | 'current' | 'gone'

/** Never throws. A message that is returned comes again, and only what failed is left to do. */
export async function reEvaluate(
  body: string,
  env: Env,
  invocation: Pick<Invocation, 'remainingMs' | 'timeoutMs'>,
): Promise<Verdict> {
  const message = readImagesMessage(body)
  if (!message) {
    env.log.error('a message that is not ours was dropped', {})
    return 'acknowledge'
  }
  const { tenant, digests } = message
  const images = imageItems(env, tenant)
  const counts = { judged: 0, current: 0, gone: 0, failed: 0 }
  try {
    const rules = readRetention(await images.retention())
    for (let from = 0; from < digests.length; from += READ_AT_ONCE) {
      // A hundred images take seconds; what does not fit any more is another message's.
      if (from > 0 && invocation.remainingMs() < invocation.timeoutMs * 0.2) {
        await images.matchAgain(digests.slice(from))
        break
      }
      const chunk = digests.slice(from, from + READ_AT_ONCE)
      const seen = await images.getMany(chunk)
      const by = new Map<string, string[]>()
      await inParallel(chunk, env.limits.imagesInParallelMax, async (digest) => {
        try {
          const { outcome, revision } = await reEvaluateImage(digest, seen.get(digest), { tenant, images, rules, env })
          counts[outcome]++
          if (revision !== undefined) by.set(revision, [...(by.get(revision) ?? []), digest])
        } catch (thrown) {
          const error = asLongshoreError(thrown)
          if (error.retryable) counts.failed++
          env.log.warn('an image could not be matched anew', { digest, code: error.code, reason: error.message })
        }
      })
      // As after a scan, but once for all of them: the pointer may have moved while they were judged.
      const now = await pointedRevision(env.blobs)
      for (const [revision, judged] of by)
        await (revision === now ? images.follow(judged, revision) : images.matchAgain(judged))
    }
  } catch (thrown) {
    env.log.warn('a message goes back to its queue', { reason: asLongshoreError(thrown).message })
    return 'return'
  }
  env.log.info('images were matched anew', counts)
  return counts.failed > 0 ? 'return' : 'acknowledge'
}

async function reEvaluateImage(
  digest: string,
  first: SeenImage | undefined,
  { tenant, images, rules, env }: { tenant: string; images: ImageItems; rules: readonly RetentionRule[]; env: Env },
): Promise<{ outcome: Outcome; revision?: string }> {
  const { blobs, clock, limits } = env
  let seen = first
  for (let n = 0; n < limits.imageWritesMax; n++) {
    const before = recordOf(seen?.fields)
    if (!seen || !before) return { outcome: 'gone' }
    // After the item: what the pointer names now is at least as new as what any verdict in it was made by.
    const revision = await pointedRevision(blobs)
    if (revision === undefined || before.revision === revision) return { outcome: 'current', revision: before.revision }
    const database = await revisionOf(blobs, revision)
    const inventory = await loadImageByDigest(blobs, digest)
    // Read by another version of the analyzer: the next scan reads it anew.
    if (!inventory) return { outcome: 'gone' }
    const judged = await judgeImage(before.image, inventory, database, env)
    if (judged.verdict.findings !== before.findings) {
      // What of its last event was told is only looked up for those that have another.
      const again = await images.get(digest)
      if (again?.turn !== seen.turn) {
        seen = again
        continue
      }
      seen = again
    }
    const after = withVerdict(before, judged.verdict, clock.now(), limits, false)
    if (before.set !== judged.entry.set) await publishSegment(judged.entry, { blobs, clock, tenant })
    const event = await changeEvent(digest, { before, seen, after, findings: judged.report.findings }, env)
    const expires = expiryOf(after, rules, limits)
    if (await images.put(digest, fieldsOf(after), seen, { expires, ...(event ? { event } : {}) }))
      return { outcome: 'judged', revision }
    seen = await images.get(digest)
  }
  throw new LongshoreError('store-throttled', `the image ${digest} is being written by too many at once`)
}

async function inParallel<T>(items: readonly T[], most: number, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items]
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker))
}
