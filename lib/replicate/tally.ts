/** Counts of one replication over all its runs: progress while it runs, the result when it ends. */
import type { Progress } from '../job/define.ts'
import type { Descriptor, RequestCounts } from '../oci/types.ts'
import type { Checkpoint } from './checkpoint.ts'
import type { BlobOutcome } from './copy.ts'

export class Tally {
  readonly bytesTotal: number
  readonly #total: number
  readonly #before: Checkpoint
  #outcomes = new Map<string, BlobOutcome>()
  #copiedBytes = 0
  #settledBytes = 0
  /** Bytes of the blobs on their way, by digest. */
  #moving = new Map<string, number>()
  #peak = { done: 0, bytes: 0 }

  constructor(blobs: readonly Descriptor[], before: Checkpoint) {
    this.#total = blobs.length
    this.bytesTotal = blobs.reduce((sum, blob) => sum + blob.size, 0)
    this.#before = before
    let open = 0
    for (const { offset } of before.uploads.values()) open += offset
    this.#peak = { done: before.copied + before.mounted, bytes: before.bytes + open }
  }

  /** A pass over the blobs begins; what an earlier pass copied is found present now and stays counted as copied. */
  begin(): void {
    this.#settledBytes = 0
    this.#moving.clear()
  }

  /** Bytes of a blob on their way to the target. */
  moved(blob: Descriptor, count: number): void {
    this.#moving.set(blob.digest, (this.#moving.get(blob.digest) ?? 0) + count)
  }

  /** So many bytes of the blob are safe at the target; what was on its way beyond them was lost or is among them. */
  reached(blob: Descriptor, offset: number): void {
    this.#moving.set(blob.digest, offset)
  }

  done(blob: Descriptor, outcome: BlobOutcome): void {
    const known = this.#outcomes.get(blob.digest)
    if (known === undefined || known === 'present') this.#outcomes.set(blob.digest, outcome)
    if (outcome === 'copied') this.#copiedBytes += blob.size
    this.#moving.delete(blob.digest)
    this.#settledBytes += blob.size
  }

  /** Counts only rise, over continuations too. */
  progress(): Progress {
    const skipped = this.#count('present')
    this.#peak.done = Math.max(this.#peak.done, this.#outcomes.size)
    let moving = 0
    for (const bytes of this.#moving.values()) moving += bytes
    this.#peak.bytes = Math.min(this.bytesTotal, Math.max(this.#peak.bytes, this.#settledBytes + moving))
    return {
      items: { done: this.#peak.done, failed: 0, skipped, total: this.#total },
      bytes: { done: this.#peak.bytes, total: this.bytesTotal },
    }
  }

  /** The counting fields of the result (design section 5). */
  result(source: RequestCounts, target: RequestCounts) {
    const copied = this.#before.copied + this.#count('copied')
    const mounted = this.#before.mounted + this.#count('mounted')
    const bytes = this.#before.bytes + this.#copiedBytes
    return {
      blobs: { copied, mounted, present: Math.max(0, this.#total - copied - mounted) },
      bytes: { copied: bytes, skipped: Math.max(0, this.bytesTotal - bytes) },
      requests: {
        source: this.#before.sourceRequests + source.requests,
        target: this.#before.targetRequests + target.requests,
      },
    }
  }

  checkpoint(source: RequestCounts, target: RequestCounts): Omit<Checkpoint, 'stuck' | 'rate' | 'uploads'> {
    const { blobs, bytes, requests } = this.result(source, target)
    return {
      copied: blobs.copied,
      mounted: blobs.mounted,
      bytes: bytes.copied,
      sourceRequests: requests.source,
      targetRequests: requests.target,
      sent: this.#before.sent + target.bytesOut,
    }
  }

  #count(outcome: BlobOutcome): number {
    let count = 0
    for (const found of this.#outcomes.values()) if (found === outcome) count++
    return count
  }
}
