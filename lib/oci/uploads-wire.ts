/**
 * What an upload in chunks sends and is told: POST, PATCH, the closing PUT, GET of the status, DELETE. Nothing is
 * remembered here between two requests; what an answer means for the upload is decided in `uploads-chunked.ts`.
 */
import { discard } from '../net/body.ts'
import type { HttpAnswer } from '../net/http.ts'
import type { BlobParts } from './blob-parts.ts'
import { connectionOf } from './client.ts'
import type { Connection } from './connection.ts'
import { within } from './deadline.ts'
import { pushScope } from './scope.ts'
import type { CallOptions, Descriptor, RegistryClient } from './types.ts'
import { ACCEPTED, REFUSED, Refused, rangeOf } from './uploads-answers.ts'
import { tooEarly } from './uploads-failures.ts'
import { cancelUpload, type SavedUpload } from './uploads-saved.ts'
import { openSession, sessionOf } from './uploads-session.ts'

type WireOptions = CallOptions & { onBytes?: (count: number) => void }

/** What the registry says of a session. */
interface Session {
  /** Where the next request goes. */
  location: string
  /** Bytes it has; undefined when it does not tell. */
  has: number | undefined
}

export class UploadWire {
  readonly connection: Connection
  /** For messages. */
  readonly what: string
  readonly #target: RegistryClient
  readonly #repository: string
  readonly #blob: Descriptor
  readonly #call: CallOptions
  readonly #onBytes: WireOptions['onBytes']
  readonly #scopes: string[]

  constructor(target: RegistryClient, repository: string, blob: Descriptor, options: WireOptions) {
    this.connection = connectionOf(target)
    this.what = `the upload of ${target.host}/${repository}@${blob.digest}`
    this.#target = target
    this.#repository = repository
    this.#blob = blob
    const { signal, counts, timeoutMs, onBytes } = options
    this.#call = { ...(signal && { signal }), ...(counts && { counts }), ...(timeoutMs && { timeoutMs }) }
    this.#onBytes = onBytes
    this.#scopes = [pushScope(repository)]
  }

  /** POST. */
  open(): Promise<{ location: URL; chunkBytesMin: number }> {
    return openSession(this.connection, this.#repository, this.what, this.#call)
  }

  /** Sends the next bytes. Throws `Refused`. */
  async patch(location: string, parts: BlobParts, bytes: number): Promise<Session & { status: number }> {
    const answer = await this.#write('PATCH', new URL(location), parts, bytes)
    await discard(answer.body)
    return {
      status: answer.status,
      location: answer.headers.location ? sessionOf(this.connection, answer, this.what).href : location,
      has: rangeOf(answer.headers.range, parts.offset),
    }
  }

  /** PUT: sends the last bytes, or none, and closes the session. Throws `Refused`. */
  async close(location: string, parts: BlobParts, bytes: number): Promise<void> {
    const closing = new URL(location)
    closing.searchParams.append('digest', this.#blob.digest)
    const answer = await this.#write('PUT', closing, parts, bytes)
    await discard(answer.body)
  }

  /** Where a session stands; undefined when the registry has it no longer. `offset` is what we think. */
  async status(location: string, offset: number): Promise<Session | undefined> {
    const { registryRequestTimeoutMs } = this.connection.limits
    return within(this.#call, registryRequestTimeoutMs, this.what, async (call) => {
      const answer = await this.connection.request(
        {
          method: 'GET',
          target: new URL(location),
          scopes: this.#scopes,
          expect: [200, 202, 204, 400, 404, 405, 410, 416],
          what: this.what,
        },
        call,
      )
      await discard(answer.body)
      if (answer.status >= 300) return undefined
      return {
        location: answer.headers.location ? sessionOf(this.connection, answer, this.what).href : location,
        has: rangeOf(answer.headers.range, offset),
      }
    })
  }

  /** HEAD of the blob: whether it is stored. */
  isStored(): Promise<boolean> {
    return this.#target.hasBlob(this.#repository, this.#blob, this.#call)
  }

  /** DELETE: gives the session up; the answer does not matter. */
  cancel(upload: SavedUpload): Promise<void> {
    return cancelUpload(this.#target, this.#repository, upload)
  }

  async #write(method: string, target: URL, parts: BlobParts, bytes: number): Promise<HttpAnswer> {
    const onBytes = this.#onBytes
    const begin = parts.offset
    const range = bytes > 0 ? { 'content-range': `${begin}-${begin + bytes - 1}` } : undefined
    const stream = parts.take(bytes)
    try {
      const answer = await this.connection.request(
        {
          method,
          target,
          scopes: this.#scopes,
          headers: { 'content-type': 'application/octet-stream', ...range },
          body: bytes > 0 ? { stream, length: bytes, ...(onBytes && { onBytes }) } : new Uint8Array(0),
          expect: [...ACCEPTED, ...REFUSED],
          what: this.what,
          repeatable: false,
          headersTimeoutMs: this.connection.limits.registryCommitTimeoutMs,
        },
        this.#call,
      )
      if (answer.status >= 300)
        throw new Refused(this.connection, this.what, answer.status, await this.connection.refusal(answer))
      if (bytes > 0 && !answer.bodySent) {
        await discard(answer.body)
        throw tooEarly(this, answer.status)
      }
      return answer
    } finally {
      stream.destroy()
    }
  }
}
