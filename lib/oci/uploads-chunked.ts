/**
 * Uploads that outlive a process: PATCH after PATCH, the last bytes inside the closing PUT. After each chunk there is a
 * `SavedUpload`, from which any other process goes on.
 *
 * What this relies on (reference/replication.md section 0): docker-registry keeps a session only when the connection
 * ends between two chunks, so a chunk is never begun that might not end. Where the session stands is what we count
 * ourselves; the registry's `Range` only tells that it disagrees. A chunk of a worker that should be dead may still
 * arrive; whatever is wrong then, the registry's own check at the closing PUT finds it and the blob is begun anew.
 *
 * Here is what is decided; the requests themselves are in `uploads-wire.ts`.
 */
import { LongshoreError } from '../errors.ts'
import type { BlobParts } from './blob-parts.ts'
import type { Connection } from './connection.ts'
import { runningHash } from './running-hash.ts'
import type { CallOptions, Descriptor, RegistryClient } from './types.ts'
import { insteadOf, Refused } from './uploads-answers.ts'
import { disagrees, lost, notStored, takesNoChunks } from './uploads-failures.ts'
import { type UploadQuirks, uploadQuirks } from './uploads-quirks.ts'
import { ownLocation, type SavedUpload } from './uploads-saved.ts'
import { UploadWire } from './uploads-wire.ts'

export interface ChunkedOptions extends CallOptions {
  from?: SavedUpload | undefined
  /**
   * How many bytes to send now, of `left`: all of them closes the upload, 0 ends this run. A chunk that is not the last
   * has `min` to `max` bytes.
   */
  next: (left: number, min: number, max: number) => number
  /** Bytes on their way, sent again ones too. */
  onBytes?: (count: number) => void
  /** After every chunk, and when the upload begins, anew too. */
  onSaved: (upload: SavedUpload) => void
  /** Default: what is known of the host. */
  quirks?: UploadQuirks
}

type OpenParts = (from: { offset: number; state?: string }) => Promise<BlobParts>

/**
 * `closed`: the blob is there. `paused`: `next` said 0, the last saved upload goes on. `refused`: the registry takes no
 * chunks; send the blob whole. Throws `upload-lost` after too many restarts, `digest-mismatch`, and what any request
 * throws; the last saved upload is good then too.
 */
export async function uploadInChunks(
  target: RegistryClient,
  repository: string,
  descriptor: Descriptor,
  open: OpenParts,
  options: ChunkedOptions,
): Promise<'closed' | 'paused' | 'refused'> {
  const wire = new UploadWire(target, repository, descriptor, options)
  return new ChunkedUpload(wire, descriptor, open, options).run()
}

/** Trouble after which the session is looked at; a 429 parks the job instead. */
const TROUBLE = new Set(['registry-unavailable', 'registry-timeout', 'registry-unauthorized', 'connection-cut'])

class ChunkedUpload {
  readonly #wire: UploadWire
  readonly #connection: Connection
  readonly #blob: Descriptor
  readonly #open: OpenParts
  readonly #options: ChunkedOptions
  readonly #quirks: UploadQuirks
  #at: SavedUpload | undefined
  #restarts: number
  #doubted: boolean
  #parts: BlobParts | undefined
  /** Bytes the registry has beyond ours: from a chunk that was cut after it had kept them. */
  #ahead = 0
  /** Troubles since the last chunk that went well. */
  #stumbles = 0
  #isThere = false

  constructor(wire: UploadWire, blob: Descriptor, open: OpenParts, options: ChunkedOptions) {
    this.#wire = wire
    this.#connection = wire.connection
    this.#blob = blob
    this.#open = open
    this.#options = options
    this.#quirks = options.quirks ?? uploadQuirks(wire.connection.host)
    this.#at = options.from
    this.#restarts = options.from?.restarts ?? 0
    this.#doubted = options.from?.doubted ?? false
  }

  async run(): Promise<'closed' | 'paused' | 'refused'> {
    if (this.#at) await this.#takeUp(this.#at)
    while (!this.#isThere) {
      try {
        return await this.#send()
      } catch (error) {
        if ((this.#at?.offset ?? 0) === 0 && takesNoChunks(error)) {
          if (this.#at) await this.#wire.cancel(this.#at)
          return 'refused'
        }
        await this.#recover(error)
      } finally {
        this.#parts?.close()
        this.#parts = undefined
      }
    }
    return 'closed'
  }

  /** What another process left: is it ours, and does the registry still have it? One request, nothing is sent twice. */
  async #takeUp(saved: SavedUpload): Promise<void> {
    const { offset } = saved
    const isGood = ownLocation(this.#connection, saved) && offset <= this.#blob.size && (await isHashState(saved.hash))
    if (!isGood) this.#at = undefined
    else if (this.#next() === 0 || this.#quirks.isStatusStale) return
    else if (!(await this.#align())) this.#countRestart(`it had ${offset} bytes`)
  }

  async #send(): Promise<'closed' | 'paused'> {
    // Nothing is left to send after a closing PUT that brought all bytes and got no yes: that is no reason to pause.
    if (this.#reached < this.#blob.size && this.#next() === 0) return 'paused'
    const from = this.#at
    const parts = await this.#open(from ? { offset: from.offset, state: from.hash } : { offset: 0 })
    this.#parts = parts
    if (!from) {
      const { location, chunkBytesMin } = await this.#wire.open()
      this.#save(location.href, parts, chunkBytesMin)
    }
    if (this.#ahead > 0) {
      await parts.skip(this.#ahead)
      this.#ahead = 0
      // At its end the hash is spent: all that is left is to close.
      if (parts.offset < this.#blob.size) this.#save(this.#location, parts)
    }
    for (;;) {
      const bytes = this.#next(parts.offset)
      if (bytes === 0 && parts.offset < this.#blob.size) return 'paused'
      await parts.ready()
      if (parts.offset + bytes < this.#blob.size) await this.#patch(parts, bytes)
      else {
        await this.#wire.close(this.#location, parts, bytes)
        return 'closed'
      }
    }
  }

  get #location(): string {
    return this.#at?.location ?? ''
  }

  /** Bytes the registry has, as far as we know. */
  get #reached(): number {
    return (this.#at?.offset ?? 0) + this.#ahead
  }

  #next(offset = this.#reached): number {
    const left = this.#blob.size - offset
    const min = Math.max(this.#quirks.chunkBytesMin, this.#at?.chunkBytesMin ?? 0)
    return Math.min(left, this.#options.next(left, min, this.#quirks.chunkBytesMax))
  }

  #save(location: string, parts: BlobParts, chunkBytesMin = this.#at?.chunkBytesMin ?? 0): SavedUpload {
    const at = {
      location,
      offset: parts.offset,
      hash: parts.save(),
      restarts: this.#restarts,
      ...(this.#doubted && { doubted: true }),
      ...(chunkBytesMin > 0 && { chunkBytesMin }),
    }
    this.#at = at
    this.#options.onSaved(at)
    return at
  }

  async #patch(parts: BlobParts, bytes: number): Promise<void> {
    const { status, location, has } = await this.#wire.patch(this.#location, parts, bytes)
    this.#stumbles = 0
    const at = this.#save(location, parts)
    if (this.#quirks.isStatusStale || has === undefined || has === at.offset) return
    if (await this.#standsElsewhere(at)) throw disagrees(this.#wire, status, has, at.offset)
  }

  /**
   * What the status says after a chunk whose `Range` disagrees, which alone proves nothing: zot before mid 2025 tells the
   * range of that chunk only (regclient#961, distribution-spec#580).
   */
  async #standsElsewhere(at: SavedUpload): Promise<boolean> {
    const session = await this.#status(at)
    return !session || (session.has !== undefined && session.has !== at.offset)
  }

  /** Makes the next `#send` possible, or throws why there is none. */
  async #recover(error: unknown): Promise<void> {
    const { signal } = this.#options
    if (!(error instanceof LongshoreError) || signal?.aborted) throw error
    if (error === this.#parts?.failure) return await this.#doubt(error, 'digest-mismatch', 'size-mismatch')
    const isRefused = error instanceof Refused
    if (isRefused && error.refusal.code === 'DIGEST_INVALID') return await this.#doubt(notStored(this.#wire, error))
    // A yes that does not fit what was sent: another worker wrote in between, or the registry lost something.
    if (isRefused && error.status < 300) return await this.#restart(error.message)
    if (!isRefused && !TROUBLE.has(error.code)) throw error
    if (++this.#stumbles > this.#connection.limits.registryRetriesMax) throw error
    const has = isRefused ? insteadOf(error.refusal.message) : undefined
    if (has === undefined) await this.#connection.backoff(this.#stumbles - 1, signal)
    if (!this.#at) return
    // Where the status tells nothing, trouble on the way is tried again and a refusal ends the session.
    const goesOn = this.#quirks.isStatusStale && has === undefined ? !isRefused : await this.#align(has)
    if (!goesOn) await this.#restart(error.message)
  }

  /** Another content than promised: possible by bytes of two runs, so it gets a second chance from the beginning. */
  async #doubt(error: LongshoreError, ...codes: string[]): Promise<void> {
    if (codes.length > 0 && !codes.includes(error.code)) throw error
    if (this.#doubted) throw error
    this.#doubted = true
    await this.#restart(error.message)
  }

  /** Whether the session can go on: where it stands is where we stand, or beyond. `told`: it said so by itself. */
  async #align(told?: number): Promise<boolean> {
    const at = this.#at
    if (!at) return false
    const has = told ?? (await this.#status(at))?.has
    if (has === undefined || has < at.offset || has > this.#blob.size) return false
    this.#ahead = has - at.offset
    return true
  }

  /** What the registry says of the session; undefined when it has it no longer. Learns the newest location. */
  async #status(at: SavedUpload) {
    const session = await this.#wire.status(at.location, at.offset)
    if (session) at.location = session.location
    return session
  }

  /** From the beginning, unless the blob turned out to be there: a closing PUT may have lost only its answer. */
  async #restart(why: string): Promise<void> {
    const old = this.#at
    if (await this.#wire.isStored()) {
      this.#isThere = true
      return
    }
    if (old) await this.#wire.cancel(old)
    this.#countRestart(why)
  }

  #countRestart(why: string): void {
    const { uploadRestartsMax } = this.#connection.limits
    this.#at = undefined
    this.#ahead = 0
    this.#stumbles = 0
    this.#restarts++
    if (this.#restarts > uploadRestartsMax) throw lost(this.#wire, this.#restarts, why)
  }
}

const isHashState = (text: string): Promise<boolean> =>
  runningHash(text).then(
    () => true,
    () => false,
  )
