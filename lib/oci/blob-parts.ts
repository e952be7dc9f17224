/**
 * A blob read in parts, from any byte on, for uploads in chunks. The hash runs over everything that was given away, so
 * that its state at the end of a part is a place to go on from in another process. As everywhere, the last bytes are
 * given only after size and digest were checked.
 */
import { Readable } from 'node:stream'
import { LongshoreError } from '../errors.ts'
import { abortReason, bodyError, isTooSlow, tooSlow } from '../net/failure.ts'
import { openBlobBody } from './blob-body.ts'
import { connectionOf } from './client.ts'
import { type RunningHash, runningHash } from './running-hash.ts'
import type { CallOptions, Descriptor, RegistryClient } from './types.ts'

/** A body that we wait for stands still no longer than this, and comes at this rate at least. */
interface Pace {
  idleMs: number
  bytesPerSecondMin: number
}

type Pieces = AsyncIterator<Buffer, undefined>
/** The rest of the blob; undefined when it is not worth another try. `skip`: bytes of the body before the offset. */
type Open = (offset: number, broken: boolean) => Promise<{ body: Readable; skip: number } | undefined>

export class BlobParts {
  /** Set when reading the blob itself failed: tells the side of an error that came out of an upload. */
  failure: unknown
  #offset: number
  readonly #size: number
  readonly #hash: RunningHash
  readonly #digest: string
  readonly #what: string
  readonly #pace: Pace
  /** Since the last look at the rate: how long we waited for the body, and for how much. */
  #waited = { ms: 0, bytes: 0 }
  readonly #open: Open
  #body: Readable | undefined
  #pieces: Pieces | undefined
  #skip = 0
  /** Read from the body, and beyond the end of the last part. */
  #rest: Buffer | undefined

  constructor(
    descriptor: Descriptor,
    what: string,
    from: { offset: number; hash: RunningHash },
    pace: Pace,
    open: Open,
  ) {
    this.#pace = pace
    this.#offset = from.offset
    this.#hash = from.hash
    this.#size = descriptor.size
    this.#digest = descriptor.digest
    this.#what = what
    this.#open = open
  }

  /** How many bytes of the blob were given. */
  get offset(): number {
    return this.#offset
  }

  /** State of the hash at `offset`. */
  save(): string {
    return this.#hash.save()
  }

  /** Opens the blob where it stands, so that a source that is gone is found before a chunk is begun. */
  async ready(): Promise<void> {
    try {
      if (this.#offset < this.#size) this.#rest ??= await this.#next()
    } catch (error) {
      this.failure = error
      throw error
    }
  }

  /** The next `length` bytes; must be read to the end before the next part. */
  take(length: number): Readable {
    return Readable.from(this.#part(length), { objectMode: false })
  }

  /** Reads on without giving anything away: the registry has these bytes already. */
  async skip(length: number): Promise<void> {
    for await (const _ of this.#part(length));
  }

  close(): void {
    this.#body?.destroy()
  }

  async *#part(length: number): AsyncGenerator<Buffer> {
    const end = this.#offset + length
    try {
      while (this.#offset < end) {
        const found = this.#rest ?? (await this.#next())
        const piece = found.subarray(0, end - this.#offset)
        this.#rest = piece.length < found.length ? found.subarray(piece.length) : undefined
        this.#hash.update(piece)
        this.#offset += piece.length
        if (this.#offset === this.#size) await this.#check()
        yield piece
      }
    } catch (error) {
      this.failure = error
      throw error
    }
  }

  /** The next bytes of the body; opens it, and opens it again after a cut. */
  async #next(): Promise<Buffer> {
    for (let cut: unknown; ; ) {
      if (!this.#pieces) {
        const opened = await this.#open(this.#offset, cut !== undefined)
        if (!opened) throw cut
        this.#body = opened.body
        this.#skip = opened.skip
        this.#pieces = opened.body[Symbol.asyncIterator]() as Pieces
      }
      try {
        const piece = await this.#piece(this.#pieces)
        if (!piece)
          throw new LongshoreError(
            'size-mismatch',
            `${this.#what}: the registry sent only ${this.#offset} of the ${this.#size} bytes that the manifest tells`,
          )
        const kept = piece.subarray(Math.min(this.#skip, piece.length))
        this.#skip -= piece.length - kept.length
        if (kept.length > 0) return kept
      } catch (thrown) {
        const error = bodyError(thrown as Error, this.#what)
        if (!(error instanceof LongshoreError && error.retryable) || isTooSlow(error)) throw error
        cut = error
        this.#pieces = undefined
      }
    }
  }

  /** A body that is read by hand is not watched by the connection: here are its idle limit and its least rate. */
  async #piece(pieces: Pieces): Promise<Buffer | undefined> {
    const { idleMs, bytesPerSecondMin } = this.#pace
    const idle = setTimeout(() => {
      const error = new LongshoreError('registry-timeout', `${this.#what} stood still for ${idleMs} ms`)
      this.#body?.destroy(error)
    }, idleMs)
    const from = performance.now()
    try {
      const { value } = await pieces.next()
      this.#waited.ms += performance.now() - from
      this.#waited.bytes += value?.length ?? 0
      const { ms, bytes } = this.#waited
      if (ms < idleMs) return value
      this.#waited = { ms: 0, bytes: 0 }
      if (value && bytes < (bytesPerSecondMin * idleMs) / 1000) {
        const error = tooSlow(`${this.#what}: the registry sent ${bytes} bytes while we waited ${Math.round(ms)} ms`)
        this.#body?.destroy(error)
        throw error
      }
      return value
    } finally {
      clearTimeout(idle)
    }
  }

  async #check(): Promise<void> {
    const more = this.#rest ?? (this.#pieces && (await this.#piece(this.#pieces)))
    if (more)
      throw new LongshoreError('size-mismatch', `${this.#what}: the registry sent more than the ${this.#size} bytes`)
    const actual = this.#hash.digest()
    if (actual !== this.#digest)
      throw new LongshoreError('digest-mismatch', `${this.#what}: the content hashes to ${actual}`)
  }
}

/**
 * Opens nothing yet; the GET is sent for the first byte. `state` is the hash after `offset` bytes. Throws when it is
 * none; reading throws what `RegistryClient.blob` throws.
 */
export async function blobParts(
  client: RegistryClient,
  repository: string,
  descriptor: Descriptor,
  from: { offset: number; state?: string },
  options: CallOptions,
): Promise<BlobParts> {
  const connection = connectionOf(client)
  const what = `the blob ${client.host}/${repository}@${descriptor.digest}`
  const hash = await runningHash(from.state)
  let cuts = 0
  let cutAt = -1
  const { registryIdleTimeoutMs: idleMs, registryBytesPerSecondMin: bytesPerSecondMin } = connection.limits
  const pace = { idleMs, bytesPerSecondMin }
  return new BlobParts(descriptor, what, { offset: from.offset, hash }, pace, async (offset, broken) => {
    if (options.signal?.aborted) throw abortReason(options.signal)
    if (broken) {
      // A cut after progress is a new accident; cuts at the same place are a dead registry.
      cuts = offset > cutAt ? 1 : cuts + 1
      cutAt = offset
      if (cuts > connection.limits.registryRetriesMax) return undefined
    }
    return openBlobBody(connection, repository, descriptor, offset, what, options)
  })
}
