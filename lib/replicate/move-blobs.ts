/** The blobs of one replication, over as many runs as it takes. */
import { LongshoreError } from '../errors.ts'
import type { JobContext } from '../job/define.ts'
import type { Descriptor } from '../oci/types.ts'
import { uploadQuirks } from '../oci/uploads-quirks.ts'
import { type Checkpoint, writeCheckpoint } from './checkpoint.ts'
import { copyBlobs, type End, type Sending } from './copy.ts'
import type { OpenUploads } from './open-uploads.ts'
import type { Plan } from './plan.ts'
import type { Tally } from './tally.ts'
import { TimeBudget } from './time-budget.ts'

/** What the runs of one replication share. */
export interface Moving {
  source: End
  target: End
  plan: Plan
  tally: Tally
  uploads: OpenUploads
  /** As the run before left it. */
  checkpoint: Checkpoint
}

/**
 * Until every blob is at the target; or hands over to the next run when the time is nearly used. Uploads that an
 * earlier run left are taken up first: registries keep them for a while only. Throws `no-progress` when runs in a row
 * brought neither a blob nor a byte.
 */
export async function moveBlobs(moving: Moving, context: JobContext): Promise<void> {
  const { source, target, plan, tally, uploads, checkpoint } = moving
  const { log, limits } = context
  let missing = plan.blobs.length
  const budget = new TimeBudget(context, checkpoint.rate, () => Math.min(limits.blobsInParallelMax, missing))
  const snapshot = (stuck: number): Checkpoint => ({
    ...tally.checkpoint(source.counts, target.counts),
    rate: budget.rate,
    stuck,
    uploads: new Map(uploads.all),
  })
  const report = () => context.progress(tally.progress())
  const save = () => context.save(writeCheckpoint(snapshot(checkpoint.stuck), limits.checkpointBytesMax))
  const takesChunks = uploadQuirks(target.client.host).takesChunks
  const sending: Sending = {
    uploads,
    how(blob) {
      const inChunks = takesChunks && canBeSplit(blob)
      if (inChunks && (uploads.get(blob.digest) || !budget.fits(blob.size))) return 'chunks'
      return budget.mayStartWhole(blob.size) ? 'whole' : 'later'
    },
    next: (left, min, max) => budget.next(left, min, max),
    onSaved(blob, upload) {
      tally.reached(blob, upload.offset)
      report()
      save()
    },
  }
  tally.begin()
  report()
  try {
    await copyBlobs(source, target, inOrder(plan.blobs, uploads), {
      limits,
      signal: budget.signal,
      mayStart: () => budget.isOpen,
      sending,
      onBytes(blob, count) {
        budget.moved(count)
        tally.moved(blob, count)
        report()
      },
      onDone(blob, outcome) {
        missing--
        tally.done(blob, outcome)
        report()
        save()
        log.info(`${outcome} ${blob.digest} (${blob.size} bytes)`)
      },
    })
  } catch (error) {
    if (!budget.isOver || context.signal.aborted) throw error
  } finally {
    budget.end()
  }
  if (missing === 0) return
  const stuck = hasGrown(checkpoint, snapshot(0)) ? 0 : checkpoint.stuck + 1
  if (stuck >= limits.stallsMax)
    throw new LongshoreError(
      'no-progress',
      `In ${stuck} runs of the worker neither a blob nor a byte got through to ${target.client.host}; the largest blob has ${plan.blobs[0]?.size ?? 0} bytes. Replicate this image from a place nearer to both registries`,
    )
  log.info(`${missing} blobs are left for the next run, which goes on with ${uploads.bytes} bytes of them`)
  context.handOver(writeCheckpoint(snapshot(stuck), limits.checkpointBytesMax))
}

/** Only the state of SHA-256 can be kept between processes; blobs with other digests are rare and go as a whole. */
const canBeSplit = (blob: Descriptor): boolean => blob.digest.startsWith('sha256:')

const inOrder = (blobs: readonly Descriptor[], uploads: OpenUploads): Descriptor[] => {
  const isOpen = (blob: Descriptor) => uploads.get(blob.digest) !== undefined
  return [...blobs.filter(isOpen), ...blobs.filter((blob) => !isOpen(blob))]
}

/** Invariant I6: more blobs are done, or as many and more bytes of the open ones are safe at the target. */
function hasGrown(before: Checkpoint, now: Checkpoint): boolean {
  const done = ({ copied, mounted }: Checkpoint) => copied + mounted
  if (done(now) !== done(before)) return done(now) > done(before)
  return bytesOf(now) > bytesOf(before)
}

function bytesOf({ uploads }: Checkpoint): number {
  let sum = 0
  for (const { offset } of uploads.values()) sum += offset
  return sum
}
