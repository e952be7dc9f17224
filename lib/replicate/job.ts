/**
 * The job type `replicate`: an image, by the digest pinned at submit, from one registry to another.
 *
 * Order is what keeps invariant I8: blobs, then child manifests, then indexes, then the tag. Every effect may happen
 * twice: a blob or a manifest is its digest, so a second write changes nothing; the tag is set to the digest pinned at
 * submit, so a second run sets it to what it already is. Of several jobs for one tag the newest accepted wins: `tag-order.ts`.
 */
import { LongshoreError } from '../errors.ts'
import { defineJobType, type JobContext, type JobResult } from '../job/define.ts'
import { jobOfAcceptance, type TagClaim } from '../job/tag-claims.ts'
import { matches } from '../oci/digest.ts'
import { parseReference } from '../oci/reference.ts'
import { readCheckpoint } from './checkpoint.ts'
import { at, type End } from './copy.ts'
import { type ReplicateParams, replicateDefinition } from './definition.ts'
import { type Moving, moveBlobs } from './move-blobs.ts'
import { OpenUploads } from './open-uploads.ts'
import { eachInParallel } from './parallel.ts'
import { type Plan, planCopy, readRoot } from './plan.ts'
import { parsePlatform } from './platforms.ts'
import {
  claimTag,
  confirmTag,
  digestOf,
  quietAt,
  type Standing,
  setTag,
  settleTag,
  type TargetTag,
} from './tag-order.ts'
import { Tally } from './tally.ts'

/** The job type with its work, for the pool that runs it. */
export const replicate = defineJobType<ReplicateParams>({
  ...replicateDefinition,
  run: runReplicate,
  followUp: verifyTag,
})

/** The run of a replicate job. What it leaves open at the target it gives up when nobody will go on with it. */
export async function runReplicate(params: ReplicateParams, context: JobContext): Promise<JobResult> {
  const { image } = context
  const { registry, repository } = parseReference(params.target)
  const checkpoint = readCheckpoint(context.checkpoint)
  context.phase('plan')
  const source = await end(context, image.registry, image.repository, 'source')
  const target = await end(context, registry, repository, 'target')
  const uploads = new OpenUploads(target, checkpoint.uploads)
  try {
    const result = await copyImage(params, context, { source, target, checkpoint, uploads })
    await uploads.giveUpAll()
    return result
  } catch (error) {
    const isFinal = context.isStopped() || (error instanceof LongshoreError && !error.retryable)
    if (isFinal) await uploads.giveUpAll()
    throw error
  }
}

async function copyImage(
  params: ReplicateParams,
  context: JobContext,
  { source, target, checkpoint, uploads }: Omit<Moving, 'plan' | 'tally'>,
): Promise<JobResult> {
  const { limits, signal, image, log } = context
  const reference = parseReference(params.target)
  const tag = reference.tag ?? 'latest'
  const platforms = (params.platforms ?? []).flatMap((text) => parsePlatform(text) ?? [])
  const name = `${reference.registry}/${reference.repository}:${tag}`
  const reading = { signal, counts: source.counts }
  const order: TargetTag = { target, tag, name, context }
  const finish = (digest: string, tally: Tally): JobResult => ({
    result: {
      digest: image.digest,
      target: { registry: reference.registry, repository: reference.repository, tag, digest },
      ...tally.result(source.counts, target.counts),
    },
  })

  // Without a filter the digest is known, so an equal target ends here: the HEAD of the submit and this one. A registry tells
  // the SHA-256 of what a tag names; pinned by another digest, only the bytes can tell that.
  const isKnown = platforms.length === 0 && image.digest.startsWith('sha256:')
  const root = isKnown
    ? undefined
    : await at('source', readRoot(source.client, source.repository, image.digest, platforms, reading))
  const digest = root?.digest ?? image.digest
  if (root && !matches(root.bytes, image.digest))
    log.warn(`the platform filter makes another index: ${digest} instead of ${image.digest}; signatures do not follow`)
  const current = await digestOf(order)
  if (current === digest) {
    // An older job may still be about to set the tag: what is right now is right for good only once it is claimed.
    const claim = await claimTag(order, digest)
    const standing = claim.kind === 'mine' && claim.contested ? await confirmTag(order, digest, claim) : claim
    if (standing.kind === 'superseded') await giveWay(order, digest, standing.by)
    log.info(`${name} already is ${digest}; nothing to do`)
    return finish(digest, new Tally([], checkpoint))
  }
  const mayReplace = async (seen: TagClaim | undefined) => {
    if (params.override === false) await keepOther(order, digest, seen)
  }
  if (current !== undefined && params.override === false) refuseToReplace(order, current)

  const whole = root ?? (await at('source', source.client.manifest(source.repository, image.digest, reading)))
  const plan = await at('source', planCopy(source.client, source.repository, whole, limits, reading))
  const tally = new Tally(plan.blobs, checkpoint)
  const moving = { source, target, plan, tally, uploads, checkpoint }
  log.info(
    `${plan.blobs.length} blobs (${tally.bytesTotal} bytes) and ${plan.children.length + 1} manifests below ${digest}`,
  )
  if (plan.foreign > 0) log.info(`${plan.foreign} layers may not be distributed; only their URLs are copied`)

  context.phase('blobs')
  await moveBlobs(moving, context)
  let standing: Standing
  try {
    standing = await putManifests(order, plan, mayReplace)
  } catch (error) {
    if (!(error instanceof LongshoreError && error.code === 'manifest-rejected')) throw error
    // A blob or child that was there a moment ago may have been collected meanwhile: look again, once.
    log.warn(`${error.message}; looking at every blob again`)
    await moveBlobs(moving, context)
    standing = await putManifests(order, plan, mayReplace)
  }

  context.phase('verify')
  if (standing.kind === 'mine') standing = await confirmTag(order, digest, standing)
  if (standing.kind === 'superseded') await giveWay(order, digest, standing.by)
  log.info(`${name} is ${digest}`)
  return finish(digest, tally)
}

/** What a follow-up runs: the tag once more, now that no request of the past can land any more. Two requests at most. */
export async function verifyTag(params: ReplicateParams, context: JobContext): Promise<JobResult> {
  const reference = parseReference(params.target)
  const tag = reference.tag ?? 'latest'
  context.phase('verify')
  const target = await end(context, reference.registry, reference.repository, 'target')
  const name = `${reference.registry}/${reference.repository}:${tag}`
  const order: TargetTag = { target, tag, name, context }
  const { newest, isSo } = await settleTag(order)
  const stored = newest?.digest ?? context.image.digest
  if (isSo) context.log.info(`${name} is ${stored}, as the newest accepted job has it`)
  else context.log.warn(`${name} is not ${stored} yet, and it is not at the target: a job still has to bring it`)
  return {
    result: {
      digest: context.image.digest,
      target: { registry: reference.registry, repository: reference.repository, tag, digest: stored },
      ...new Tally([], readCheckpoint(undefined)).result({ requests: 0, bytesIn: 0, bytesOut: 0 }, target.counts),
    },
  }
}

/** A newer job has the tag. It is made sure that what this one may have set does not stay; then this one ends as canceled. */
async function giveWay(order: TargetTag, digest: string, by: TagClaim): Promise<void> {
  const { newest = by, isSo } = await settleTag(order)
  if (newest.digest === digest && isSo) return
  const id = jobOfAcceptance(newest.sequence)
  order.context.cancel(`superseded: job ${id} was accepted later and sets ${order.name} to ${newest.digest}`)
}

/** `override: false`, right before the tag is claimed: neither what it names nor what an earlier job sets is replaced. */
async function keepOther(order: TargetTag, digest: string, seen: TagClaim | undefined): Promise<void> {
  const { clock, limits } = order.context
  if (seen && seen.digest !== digest && quietAt({ othersUntil: seen.until }, limits) > clock.now())
    order.context.cancel(`another job sets ${order.name} to ${seen.digest}, and override is false; nothing was changed`)
  const current = await digestOf(order)
  if (current !== undefined && current !== digest) refuseToReplace(order, current)
}

function refuseToReplace({ name, context }: TargetTag, current: string): never {
  return context.cancel(`${name} already names ${current}, and override is false; nothing was changed`)
}

async function end(context: JobContext, host: string, repository: string, side: 'source' | 'target'): Promise<End> {
  const client = await at(side, context.registry(host))
  return { client, repository, counts: { requests: 0, bytesIn: 0, bytesOut: 0 } }
}

/**
 * Children first, so that a registry that checks finds them; images before indexes; the root by its tag at the end, and only
 * when no newer job has claimed the tag.
 */
async function putManifests(
  order: TargetTag,
  plan: Plan,
  mayReplace: (seen: TagClaim | undefined) => Promise<void>,
): Promise<Standing> {
  const { target, context } = order
  const { signal, limits } = context
  const put = (child: Plan['root'], signal: AbortSignal) =>
    at('target', target.client.putManifest(target.repository, child.digest, child, { signal, counts: target.counts }))
  context.phase('manifests')
  const images = plan.children.filter((child) => !child.manifests)
  await eachInParallel(images, limits.blobsInParallelMax, signal, (child, signal) => put(child, signal))
  for (const index of plan.children.filter((child) => child.manifests)) await put(index, signal)
  signal.throwIfAborted()
  context.phase('tag')
  const standing = await claimTag(order, plan.root.digest, mayReplace)
  if (standing.kind === 'mine') await setTag(order, plan.root)
  return standing
}
