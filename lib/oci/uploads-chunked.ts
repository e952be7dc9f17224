/**
 * Uploads that outlive a process: PATCH after PATCH, the last bytes inside the closing PUT. After each chunk there is a
 * `SavedUpload`, from which any other process goes on.
 *
 * What this relies on (reference/replication.md section 0): docker-registry keeps a session only when the connection
 * ends between two chunks, so a chunk is never begun that might not end. Where the session stands is what we count
 * ourselves; the registry's `Range` only tells that it disagrees. A chunk of a worker that should be dead may still
 * arrive; whatever is wrong then, the registry's own check at the closing PUT finds it and the blob is begun anew.
 */
import { LongshoreError } from '../errors.ts'
import { discard } from '../net/body.ts'
import type { HttpAnswer } from '../net/http.ts'
import type { BlobParts } from './blob-parts.ts'
import { connectionOf } from './client.ts'
import type { Connection } from './connection.ts'
import { within } from './deadline.ts'
import { runningHash } from './running-hash.ts'
import { pushScope } from './scope.ts'
import type { CallOptions, Descriptor, RegistryClient } from './types.ts'
import { ACCEPTED, insteadOf, REFUSED, Refused, rangeOf } from './uploads-answers.ts'
import { type UploadQuirks, uploadQuirks } from './uploads-quirks.ts'
import { cancelUpload, ownLocation, type SavedUpload } from './uploads-saved.ts'
import { openSession, sessionOf } from './uploads-session.ts'

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

/**
 * `closed`: the blob is there. `paused`: `next` said 0, the last saved upload goes on. `refused`: the registry takes no
 * chunks; send the blob whole. Throws `upload-lost` after too many restarts, `digest-mismatch`, and what any request
 * throws; the last saved upload is good then too.
 */
export async function uploadInChunks(
  target: RegistryClient,
  repository: string,
  descriptor: Descriptor,
  open: (from: { offset: number; state?: string }) => Promise<BlobParts>,
  options: ChunkedOptions,
): Promise<'closed' | 'paused' | 'refused'> {
  return new ChunkedUpload(target, repository, descriptor, open, options).run()
}

/** Trouble after which the session is looked at; a 429 parks the job instead. */
const TROUBLE = new Set(['registry-unavailable', 'registry-timeout', 'registry-unauthorized', 'connection-cut'])

class ChunkedUpload {
  readonly #target: RegistryClient
  readonly #connection: Connection
  readonly #repository: string
  readonly #blob: Descriptor
  readonly #open: (from: { offset: number; state?: string }) => Promise<BlobParts>
  readonly #options: ChunkedOptions
  readonly #call: CallOptions
  readonly #quirks: UploadQuirks
  readonly #scopes: string[]
  readonly #what: string
  #at: SavedUpload | undefined
  #restarts: number
  #doubted: boolean
  #parts: BlobParts | undefined
  /** Bytes the registry has beyond ours: from a chunk that was cut after it had kept them. */
  #ahead = 0
  /** Troubles since the last chunk that went well. */
  #stumbles = 0
  #isThere = false

  constructor(
    target: RegistryClient,
    repository: string,
    blob: Descriptor,
    open: (from: { offset: number; state?: string }) => Promise<BlobParts>,
    options: ChunkedOptions,
  ) {
    this.#target = target
    this.#connection = connectionOf(target)
    this.#repository = repository
    this.#blob = blob
    this.#open = open
    this.#options = options
    const { signal, counts, timeoutMs } = options
    this.#call = { ...(signal && { signal }), ...(counts && { counts }), ...(timeoutMs && { timeoutMs }) }
    this.#quirks = options.quirks ?? uploadQuirks(target.host)
    this.#scopes = [pushScope(repository)]
    this.#what = `the upload of ${target.host}/${repository}@${blob.digest}`
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
        if (this.#takesNoChunks(error)) {
          if (this.#at) await cancelUpload(this.#target, this.#repository, this.#at)
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
    if (this.#next() === 0) return 'paused'
    const from = this.#at
    const parts = await this.#open(from ? { offset: from.offset, state: from.hash } : { offset: 0 })
    this.#parts = parts
    if (!from) await this.#begin(parts)
    if (this.#ahead > 0) {
      await parts.skip(this.#ahead)
      this.#ahead = 0
      // At its end the hash is spent: all that is left is to close.
      if (parts.offset < this.#blob.size) this.#save(this.#at?.location ?? '', parts)
    }
    for (;;) {
      const bytes = this.#next(parts.offset)
      if (bytes === 0 && parts.offset < this.#blob.size) return 'paused'
      await parts.ready()
      if (parts.offset + bytes < this.#blob.size) await this.#patch(parts, bytes)
      else {
        await this.#close(parts, bytes)
        return 'closed'
      }
    }
  }

  #next(offset = (this.#at?.offset ?? 0) + this.#ahead): number {
    const left = this.#blob.size - offset
    const min = Math.max(this.#quirks.chunkBytesMin, this.#at?.chunkBytesMin ?? 0)
    return Math.min(left, this.#options.next(left, min, this.#quirks.chunkBytesMax))
  }

  async #begin(parts: BlobParts): Promise<void> {
    const { location, chunkBytesMin } = await openSession(this.#connection, this.#repository, this.#what, this.#call)
    this.#save(location.href, parts, chunkBytesMin)
  }

  #save(location: string, parts: BlobParts, chunkBytesMin = this.#at?.chunkBytesMin ?? 0): void {
    this.#at = {
      location,
      offset: parts.offset,
      hash: parts.save(),
      restarts: this.#restarts,
      ...(this.#doubted && { doubted: true }),
      ...(chunkBytesMin > 0 && { chunkBytesMin }),
    }
    this.#options.onSaved(this.#at)
  }

  async #patch(parts: BlobParts, bytes: number): Promise<void> {
    const begin = parts.offset
    const answer = await this.#write('PATCH', parts, bytes, new URL(this.#at?.location ?? ''), {
      'content-range': `${begin}-${begin + bytes - 1}`,
    })
    await discard(answer.body)
    const location = answer.headers.location ? sessionOf(this.#connection, answer, this.#what).href : this.#at?.location
    this.#stumbles = 0
    this.#save(location ?? '', parts)
    const has = this.#quirks.isStatusStale ? undefined : rangeOf(answer.headers.range, parts.offset)
    if (has !== undefined && has !== parts.offset)
      throw new Refused(this.#connection, this.#what, answer.status, {
        code: 'RANGE_INVALID',
        message: `it has ${has} bytes after ${parts.offset} were sent`,
      })
  }

  async #close(parts: BlobParts, bytes: number): Promise<void> {
    const closing = new URL(this.#at?.location ?? '')
    closing.searchParams.append('digest', this.#blob.digest)
    const range = bytes > 0 ? { 'content-range': `${parts.offset}-${parts.offset + bytes - 1}` } : undefined
    const answer = await this.#write('PUT', parts, bytes, closing, range)
    await discard(answer.body)
  }

  /** Sends the next bytes. Throws `Refused`. */
  async #write(
    method: string,
    parts: BlobParts,
    bytes: number,
    target: URL,
    range: Record<string, string> | undefined,
  ) {
    const { onBytes } = this.#options
    const stream = parts.take(bytes)
    try {
      const answer = await this.#connection.request(
        {
          method,
          target,
          scopes: this.#scopes,
          headers: { 'content-type': 'application/octet-stream', ...range },
          body: bytes > 0 ? { stream, length: bytes, ...(onBytes && { onBytes }) } : new Uint8Array(0),
          expect: [...ACCEPTED, ...REFUSED],
          what: this.#what,
          repeatable: false,
          headersTimeoutMs: this.#connection.limits.registryCommitTimeoutMs,
        },
        this.#call,
      )
      if (answer.status >= 300)
        throw new Refused(this.#connection, this.#what, answer.status, await this.#connection.refusal(answer))
      if (bytes > 0 && !answer.bodySent) throw await this.#early(answer)
      return answer
    } finally {
      stream.destroy()
    }
  }

  async #early(answer: HttpAnswer): Promise<Refused> {
    await discard(answer.body)
    const refusal = { code: '', message: 'it said yes before it had the content' }
    return new Refused(this.#connection, this.#what, answer.status, refusal)
  }

  /** Makes the next `#send` possible, or throws why there is none. */
  async #recover(error: unknown): Promise<void> {
    const { signal } = this.#options
    if (!(error instanceof LongshoreError) || signal?.aborted) throw error
    if (error === this.#parts?.failure) return await this.#doubt(error, 'digest-mismatch', 'size-mismatch')
    const isRefused = error instanceof Refused
    if (isRefused && error.refusal.code === 'DIGEST_INVALID') return await this.#doubt(this.#notStored(error))
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

  #notStored(error: Refused): LongshoreError {
    return new LongshoreError(
      'digest-mismatch',
      `${error.message}: what ${this.#connection.host} stored is not what was sent, though our own check of the same bytes was right. Look at this registry and at what stands before it`,
      { side: 'target', cause: error },
    )
  }

  /** Whether the session can go on: where it stands is where we stand, or beyond. `told`: it said so by itself. */
  async #align(told?: number): Promise<boolean> {
    const at = this.#at
    if (!at) return false
    const has = told ?? (await this.#status(at))
    if (has === undefined || has < at.offset || has > this.#blob.size) return false
    this.#ahead = has - at.offset
    return true
  }

  /** What the registry has of the session; undefined when it has it no longer. Learns the newest location. */
  async #status(at: SavedUpload): Promise<number | undefined> {
    const { registryRequestTimeoutMs } = this.#connection.limits
    return within(this.#call, registryRequestTimeoutMs, this.#what, async (call) => {
      const answer = await this.#connection.request(
        {
          method: 'GET',
          target: new URL(at.location),
          scopes: this.#scopes,
          expect: [200, 202, 204, 400, 404, 405, 410, 416],
          what: this.#what,
        },
        call,
      )
      await discard(answer.body)
      if (answer.status >= 300) return undefined
      if (answer.headers.location) at.location = sessionOf(this.#connection, answer, this.#what).href
      return rangeOf(answer.headers.range, at.offset)
    })
  }

  /** From the beginning, unless the blob turned out to be there: a closing PUT may have lost only its answer. */
  async #restart(why: string): Promise<void> {
    const old = this.#at
    if (await this.#target.hasBlob(this.#repository, this.#blob, this.#call)) {
      this.#isThere = true
      return
    }
    if (old) await cancelUpload(this.#target, this.#repository, old)
    this.#countRestart(why)
  }

  #countRestart(why: string): void {
    const { uploadRestartsMax } = this.#connection.limits
    this.#at = undefined
    this.#ahead = 0
    this.#stumbles = 0
    this.#restarts++
    if (this.#restarts > uploadRestartsMax)
      throw new LongshoreError(
        'upload-lost',
        `${this.#connection.host} lost ${this.#what} ${this.#restarts} times (last: ${why.slice(0, 200)}). If it has several instances, they must share their storage and their secret (REGISTRY_HTTP_SECRET)`,
      )
  }

  #takesNoChunks(error: unknown): boolean {
    const first = (this.#at?.offset ?? 0) === 0
    return (
      first && error instanceof Refused && ([405, 501].includes(error.status) || error.refusal.code === 'UNSUPPORTED')
    )
  }
}

const isHashState = (text: string): Promise<boolean> =>
  runningHash(text).then(
    () => true,
    () => false,
  )
