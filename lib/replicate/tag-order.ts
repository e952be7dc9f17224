/**
 * Jobs that set one target tag to different images: it must end at the newest accepted one, whatever crashes, and
 * although a request of a killed worker may land late (invariant I8, fault 29).
 *
 *   claim    right before the tag is set: one conditional write of the tag's claim, which only a newer job may replace
 *   re-check after it was set: has a newer job claimed meanwhile? Then what it set is put back, and this job is superseded
 *   repair   writes its own lease into the claim first, so that a claim after it knows of a request that may land late
 *   verify   who replaces a claim whose worker may still be alive leaves a follow-up job, due when no request of the
 *            past can land any more, which looks at the tag once and mends it
 *
 * A registry has no conditional PUT, so nothing less is safe: test/models/tag.pml shows each of the four to be needed. What
 * happens twice here is a tag set twice to the same digest.
 */
import { LongshoreError } from '../errors.ts'
import type { JobContext } from '../job/define.ts'
import type { TagClaim } from '../job/tag-claims.ts'
import type { Manifest } from '../oci/types.ts'
import { at, type End } from './copy.ts'

/** Rounds of reading and writing again because somebody was faster; each means that another job came through. */
const ROUNDS_MAX = 50
/** How often a repair sets the tag anew before it says that somebody outside keeps changing it. */
const REPAIRS_MAX = 3

/** One target tag, as a job sees it. */
export interface TargetTag {
  target: End
  tag: string
  /** `registry/repository:tag` */
  name: string
  context: JobContext
}

/**
 * `mine`: the tag may be set to this digest. `contested`: it may have been set otherwise since it was looked at. `turn`: of
 * the claim as this job wrote it; when it has risen, others have been at the tag since.
 */
export type Standing = { kind: 'mine'; contested: boolean; turn: number } | { kind: 'superseded'; by: TagClaim }

/**
 * Claims the tag for `digest`; must come before the tag is set, and before a tag that is right already is called right.
 * `mayReplace` is asked with the claim to be replaced, after which nobody of us can have moved unseen.
 */
export async function claimTag(
  tag: TargetTag,
  digest: string,
  mayReplace: (seen: TagClaim | undefined) => Promise<void> = async () => {},
): Promise<Standing> {
  const { order, clock, limits, log } = tag.context
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const seen = await order.claims.get(tag.name)
    const moves = seen !== undefined && seen.digest !== digest
    if (moves && seen.sequence > order.acceptance) return { kind: 'superseded', by: seen }
    await mayReplace(seen)
    const next = claimed(seen, { sequence: order.acceptance, digest, until: order.leaseUntil })
    if (!(await order.claims.put(tag.name, next, seen))) continue
    const verifyAt = quietAt(next, limits)
    const late = verifyAt > clock.now()
    // Before the tag is set, so that no crash comes between; what it repairs must be at the target by then.
    if (late) {
      const id = await order.followUp(verifyAt)
      log.info(`another image was set to ${tag.name} just now; job ${id} looks at it again when that can land no more`)
    }
    return { kind: 'mine', contested: moves || late, turn: (seen?.turn ?? 0) + 1 }
  }
  throw outrun(tag)
}

/** The claim after this one; `until` of both kinds only rises. Jobs of one digest are of one mind: the newest counts. */
export function claimed(
  seen: TagClaim | undefined,
  mine: { sequence: string; digest: string; until: number },
): Omit<TagClaim, 'turn'> {
  if (!seen) return { ...mine, othersUntil: 0 }
  const sequence = [seen.sequence, mine.sequence].sort()[1]!
  return seen.digest === mine.digest
    ? { ...mine, sequence, until: Math.max(seen.until, mine.until), othersUntil: seen.othersUntil }
    : { ...mine, sequence, othersUntil: Math.max(seen.othersUntil, seen.until) }
}

/** From when on no request that sets the tag to another digest can land. */
export const quietAt = (claim: { othersUntil: number }, limits: { tagVerifyMarginSeconds: number }): number =>
  claim.othersUntil + limits.tagVerifyMarginSeconds * 1000

export interface Settled {
  /** What the tag is to be; undefined: nobody claimed it. */
  newest: TagClaim | undefined
  /** False: it is not, and cannot be made so from here: its manifest is not at the target, or somebody outside sets it. */
  isSo: boolean
}

/** Makes the tag what the newest claim says, if that is at the target already (if not, the newest job is still at it). */
export async function settleTag(tag: TargetTag): Promise<Settled> {
  const { order, log } = tag.context
  let repairs = 0
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const newest = await order.claims.get(tag.name)
    if (!newest) return { newest, isSo: true }
    if ((await digestOf(tag)) === newest.digest) return { newest, isSo: true }
    const manifest = repairs < REPAIRS_MAX ? await manifestAt(tag, newest.digest) : undefined
    if (!manifest) return { newest, isSo: false }
    const until = Math.max(newest.until, order.leaseUntil)
    if (!(await order.claims.put(tag.name, { ...newest, until }, newest))) continue
    await setTag(tag, manifest)
    repairs++
    log.warn(`${tag.name} was set back to ${newest.digest}, which was accepted later than what it named`)
  }
  throw outrun(tag)
}

/**
 * After the tag was set, or was found right: whether it still is this job's to set. Throws `conflict` when somebody outside
 * has set it since.
 */
export async function confirmTag(
  tag: TargetTag,
  digest: string,
  claim: Standing & { kind: 'mine' },
): Promise<Standing> {
  // In this order: what a newer job has set by now, it has claimed before.
  const stored = await digestOf(tag)
  const newest = await tag.context.order.claims.get(tag.name)
  if (newest && newest.digest !== digest) return { kind: 'superseded', by: newest }
  if (stored === digest) return claim
  // Two jobs may have come since: one to another digest, and a newer one back to this.
  const isContested = claim.contested || newest?.turn !== claim.turn
  const settled = isContested ? await settleTag(tag) : { newest, isSo: false }
  if (settled.newest && settled.newest.digest !== digest) return { kind: 'superseded', by: settled.newest }
  if (settled.isSo) return claim
  throw outsider(tag, stored, digest)
}

/** What the tag names at the target. */
export async function digestOf({ target, tag, context }: TargetTag): Promise<string | undefined> {
  const writing = { signal: context.signal, counts: target.counts, forPush: true }
  return (await at('target', target.client.resolve(target.repository, tag, writing)))?.digest
}

export const setTag = ({ target, tag, context }: TargetTag, manifest: Manifest): Promise<void> =>
  at(
    'target',
    target.client.putManifest(target.repository, tag, manifest, { signal: context.signal, counts: target.counts }),
  )

const outsider = (tag: TargetTag, stored: string | undefined, digest: string): LongshoreError =>
  new LongshoreError(
    'conflict',
    `${tag.name} names ${stored ?? 'nothing'} just after it was set to ${digest}: somebody else changes this tag. Replicate again if this image is wanted`,
    { side: 'target' },
  )

/** A manifest that the target took once: all it names was there then. */
async function manifestAt({ target, context }: TargetTag, digest: string): Promise<Manifest | undefined> {
  try {
    const reading = { signal: context.signal, counts: target.counts, forPush: true }
    return await at('target', target.client.manifest(target.repository, digest, reading))
  } catch (error) {
    if (error instanceof LongshoreError && error.code === 'source-gone') return undefined
    throw error
  }
}

const outrun = ({ name }: TargetTag): LongshoreError =>
  new LongshoreError(
    'store-unavailable',
    `the claim of ${name} changed ${ROUNDS_MAX} times while it was looked at; it is tried again later`,
    { side: 'target' },
  )
