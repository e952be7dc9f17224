/** What a test can make the registry do wrong. */
import { Readable, Transform } from 'node:stream'
import type { Answer } from './answer.ts'

interface RegistryRequest {
  method: string
  /** Path with query, as sent. */
  path: string
  headers: Readonly<Record<string, string | string[] | undefined>>
}

/** Everything is optional and combines, e.g. `{ holdUntil, status: 503 }`. Byte counts are of the body. */
export interface Fault {
  /** The request waits for this before anything else happens; a test's way to stop time. */
  holdUntil?: Promise<unknown>
  delayMs?: number
  /** The connection is destroyed without an answer. */
  drop?: boolean
  /** Answers this instead of serving the request. */
  status?: number
  /** Replace or add headers of the answer, the normal one too. */
  headers?: Record<string, string>
  body?: string
  /** The connection is destroyed after so many bytes of the answer. */
  cutAfterBytes?: number
  /** The answer stands still after so many bytes, until the client goes away. */
  stallAfterBytes?: number
  /** The lowest bit of this byte of the answer is flipped. */
  flipBitAtByte?: number
  /** A `content-length` that is not true. */
  contentLength?: number
  /** The connection is destroyed after so many bytes of an upload were read; what came before is kept. */
  cutUploadAfterBytes?: number
}

/** Called for every request before it is served; the first fault it returns happens. */
export type Hooks = (request: RegistryRequest) => Fault | undefined

export const throttled = (retryAfter: string | number = 1): Fault => ({
  status: 429,
  headers: { 'content-type': 'application/json', 'retry-after': String(retryAfter) },
  body: JSON.stringify({ errors: [{ code: 'TOOMANYREQUESTS', message: 'too many requests' }] }),
})

/** What a captive portal or a proxy says in place of a registry. */
export const htmlPage = (status = 200): Fault => ({
  status,
  headers: { 'content-type': 'text/html' },
  body: '<!doctype html><title>Sign in</title><p>Please sign in to continue.</p>',
})

export interface Spoiled {
  answer: Answer
  /** Asked after the last byte was handed on: whether the connection is to be destroyed now. */
  isCut(): boolean
}

/** The answer with the parts of the fault that change its head or its bytes. */
export function spoil(answer: Answer, fault: Fault): Spoiled {
  const headers: Record<string, string | number> = { ...answer.headers, ...fault.headers }
  if (fault.contentLength !== undefined) {
    headers['content-length'] = fault.contentLength
    // The next answer on this connection could not be told from the rest of this one.
    headers.connection = 'close'
  }
  const changesBytes =
    fault.cutAfterBytes !== undefined || fault.stallAfterBytes !== undefined || fault.flipBitAtByte !== undefined
  const isCut = () => fault.contentLength !== undefined
  if (!changesBytes || answer.body === undefined) return { answer: { ...answer, headers }, isCut }
  const source = answer.body instanceof Readable ? answer.body : Readable.from([Buffer.from(answer.body)])
  const state = { isCut: false }
  const body = source.pipe(spoiler(fault, state))
  source.on('error', (error) => body.destroy(error))
  body.on('close', () => source.destroy())
  return { answer: { ...answer, headers, body }, isCut: () => state.isCut || isCut() }
}

function spoiler(fault: Fault, state: { isCut: boolean }): Transform {
  let at = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const start = at
      at += chunk.length
      let bytes = chunk
      const flip = (fault.flipBitAtByte ?? -1) - start
      if (flip >= 0 && flip < chunk.length) {
        bytes = Buffer.from(chunk)
        bytes[flip] = (bytes[flip] ?? 0) ^ 1
      }
      const limit = Math.min(fault.cutAfterBytes ?? Infinity, fault.stallAfterBytes ?? Infinity)
      if (at < limit) return done(null, bytes)
      if (limit > start) this.push(bytes.subarray(0, limit - start))
      // Neither branch calls `done`: nothing more is read, and a stall lasts until the client goes away.
      if (limit !== fault.cutAfterBytes) return
      state.isCut = true
      this.push(null)
    },
  })
}
