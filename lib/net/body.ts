/** Bodies: bounded reading into memory, and writing a stream into a request at the pace of the slower side. */
import type { ClientRequest } from 'node:http'
import type { Readable } from 'node:stream'
import { LongshoreError } from '../errors.ts'
import { bodyError } from './failure.ts'

/**
 * The whole body, at most `bytesMax`. Throws `connection-cut` when it ends early, and what `tooLarge` makes when it is
 * longer; then the rest is not read.
 */
export function readBody(
  body: Readable,
  bytesMax: number,
  what: string,
  tooLarge: () => Error = () =>
    new LongshoreError('registry-invalid', `${what} is longer than ${bytesMax} bytes; it is not read on`),
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const fail = (error: Error) => {
      reject(error)
      body.destroy()
    }
    body.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > bytesMax) fail(tooLarge())
      else chunks.push(chunk)
    })
    body.once('end', () => resolve(Buffer.concat(chunks, length)))
    body.once('error', (error) => reject(bodyError(error, what)))
    body.once('close', () => reject(cut(what)))
    if (body.destroyed && !body.readableEnded) reject(body.errored ? bodyError(body.errored, what) : cut(what))
  })
}

const cut = (what: string) => new LongshoreError('connection-cut', `The connection was cut in the middle of ${what}`)

/**
 * Frees the socket of an answer nobody wants to read: short bodies are drained for reuse, long ones cut. Resolves when
 * the socket is free; who sends the next request before that opens another connection.
 */
export function discard(body: Readable, bytesMax = 65_536): Promise<void> {
  return new Promise((resolve) => {
    let length = 0
    body.on('error', () => {})
    body.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > bytesMax) body.destroy()
    })
    body.once('close', resolve)
    if (body.closed) resolve()
    body.resume()
  })
}

/**
 * Writes the source into the request: pause when the socket is full, resume at drain (measured: the fastest form, no
 * pipeline). Resolves when the last byte was handed to the socket. The source's own error is thrown as it is. A target
 * that takes nothing for `idleMs` fails with `registry-timeout`; a slow source is the business of its own limit.
 */
export function pump(
  source: Readable,
  request: ClientRequest,
  options: { idleMs: number; host: string; onBytes?: (count: number) => void },
): Promise<void> {
  return new Promise((resolve, reject) => {
    let stalled: NodeJS.Timeout | undefined
    const fail = (error: Error) => {
      clearTimeout(stalled)
      reject(error)
      source.destroy()
    }
    source.on('data', (chunk: Buffer) => {
      options.onBytes?.(chunk.length)
      if (request.write(chunk)) return
      source.pause()
      stalled = setTimeout(() => {
        fail(
          new LongshoreError('registry-timeout', `${options.host} took nothing of the body for ${options.idleMs} ms`),
        )
      }, options.idleMs)
    })
    request.on('drain', () => {
      clearTimeout(stalled)
      source.resume()
    })
    source.once('end', () => {
      clearTimeout(stalled)
      request.end(() => resolve())
    })
    source.once('error', fail)
    source.once('close', () => {
      if (!source.readableEnded) fail(source.errored ?? cut('an upload'))
    })
    // The target answered early or went away: there is nobody to read for.
    request.once('close', () => {
      clearTimeout(stalled)
      if (!source.readableEnded) source.destroy()
      resolve()
    })
  })
}
