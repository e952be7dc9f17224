/**
 * One HTTP exchange over node:http/https: the egress guard, the timeouts and the abort go down to the socket.
 * Nothing is retried here but a request that met a dead keep-alive socket, and no redirect is followed
 * (`redirect.ts`). Global fetch is not used: it costs twice the CPU for blobs (reference/replication.md section 0).
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { onAbort } from './abort.ts'
import { addressKind } from './address.ts'
import { pump } from './body.ts'
import { abortReason, connectError, tooSlow } from './failure.ts'
import { checkAddress, checkLiteralHost, guardedLookup, type Resolver, systemResolver } from './guard.ts'

export interface HttpOptions {
  limits: Limits
  /** Loopback and private addresses may be connected to. */
  allowPrivate?: boolean
  /** Plain http is allowed, and https of `insecureHost` is not verified. */
  insecure?: boolean
  /** The one host name whose certificate is not verified when `insecure`; a redirect elsewhere is verified. */
  insecureHost?: string
  resolver?: Resolver
}

export interface HttpRequest {
  method: string
  url: URL
  headers?: Record<string, string>
  /** Bytes are sent with their length; a stream needs `length` and is read with backpressure. */
  body?: Uint8Array | { stream: Readable; length: number; onBytes?: (count: number) => void }
  signal?: AbortSignal
  /** Milliseconds from the request until the response headers; default `registryRequestTimeoutMs`. */
  headersTimeoutMs?: number
  /** May be sent again when a kept-alive socket turns out to be dead. Default: GET, HEAD and DELETE. */
  repeatable?: boolean
  /** Narrows (never widens) what the client allows: a redirect from a public address may not lead inside. */
  allowPrivate?: boolean
}

export interface HttpAnswer {
  status: number
  headers: IncomingHttpHeaders
  /** Must be read to its end or destroyed, or the socket is never free again. Fails with `registry-timeout` when idle. */
  body: IncomingMessage
  url: URL
  /** False when the answer came before the request's body was sent whole. */
  bodySent: boolean
  /** Whether the peer's address is loopback or private. */
  peerIsPrivate: boolean
}

/** Sockets per host: above `blobsInParallelMax` on both sides of a copy within one registry, so that nothing queues. */
const SOCKETS_MAX = 64

/** Keep-alive connections under one policy. Make one per registry; `close()` ends idle sockets. */
export class Http {
  readonly options: HttpOptions
  readonly #agents = new Map<string, HttpAgent | HttpsAgent>()

  constructor(options: HttpOptions) {
    this.options = options
  }

  /** Sends one request and resolves at the response headers. Throws `registry-not-allowed` before opening a socket. */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    const { url, signal } = request
    if (signal?.aborted) throw abortReason(signal)
    const allowPrivate = (this.options.allowPrivate ?? false) && (request.allowPrivate ?? true)
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && this.options.insecure))
      throw new LongshoreError(
        'registry-not-allowed',
        `${url.host} would be reached by ${url.protocol.slice(0, -1)}; only https is allowed unless its registry object says "insecure": true`,
      )
    if (url.username || url.password)
      throw new LongshoreError(
        'registry-not-allowed',
        `A URL of ${url.host} carries credentials; they are not followed`,
      )
    checkLiteralHost(url.hostname, allowPrivate)
    const repeatable = request.repeatable ?? ['GET', 'HEAD', 'DELETE'].includes(request.method)
    try {
      return await this.#exchange(request, allowPrivate)
    } catch (error) {
      // The server closed an idle connection at the moment we used it: it never saw the request (RFC 9112, 9.3.1).
      if (!(error instanceof StaleSocket)) throw error
      if (!repeatable || signal?.aborted) throw error.failure
      return await this.#exchange(request, allowPrivate).catch((again) => {
        throw again instanceof StaleSocket ? again.failure : again
      })
    }
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy()
    this.#agents.clear()
  }

  #agent(url: URL, allowPrivate: boolean): HttpAgent | HttpsAgent {
    const unverified = this.options.insecure === true && url.hostname === this.options.insecureHost
    const key = `${url.protocol} ${allowPrivate} ${unverified}`
    const known = this.#agents.get(key)
    if (known) return known
    const lookup = guardedLookup(this.options.resolver ?? systemResolver, allowPrivate)
    const options = { keepAlive: true, maxSockets: SOCKETS_MAX, lookup }
    const agent =
      url.protocol === 'https:'
        ? new HttpsAgent({ ...options, rejectUnauthorized: !unverified })
        : new HttpAgent(options)
    this.#agents.set(key, agent)
    return agent
  }

  #exchange(request: HttpRequest, allowPrivate: boolean): Promise<HttpAnswer> {
    const { url, signal, body } = request
    const { limits } = this.options
    return new Promise((resolve, reject) => {
      const headers: Record<string, string> = { 'user-agent': 'longshore', ...request.headers }
      if (body) headers['content-length'] = String('stream' in body ? body.length : body.byteLength)
      else if (request.method === 'POST' || request.method === 'PUT') headers['content-length'] = '0'
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest
      const outgoing = send(url, { method: request.method, headers, agent: this.#agent(url, allowPrivate) })

      let timer: NodeJS.Timeout | undefined
      let answered = false
      const within = (ms: number, what: string) => {
        clearTimeout(timer)
        timer = setTimeout(() => {
          outgoing.destroy(new LongshoreError('registry-timeout', `${url.host} ${what} within ${ms} ms`))
        }, ms)
      }
      const stopListening = onAbort(signal, () => outgoing.destroy(signal && abortReason(signal)))
      const settled = () => {
        clearTimeout(timer)
        stopListening()
      }
      const fail = (error: Error) => {
        settled()
        if (body && 'stream' in body) body.stream.destroy()
        const failure = connectError(error, url.host)
        const stale = outgoing.reusedSocket && failure.cause instanceof Error && isReset(failure.cause)
        reject(stale ? new StaleSocket(failure) : failure)
      }
      const waitForHeaders = () => within(request.headersTimeoutMs ?? limits.registryRequestTimeoutMs, 'sent no answer')

      outgoing.on('error', (error: Error) => {
        if (!answered) fail(error)
      })
      outgoing.on('socket', (socket: Socket) => {
        if (!socket.connecting) return begin()
        within(limits.registryConnectTimeoutMs, 'could not be connected to')
        socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
          try {
            // A second witness: the address that was really connected to, before a byte is sent.
            if (socket.remoteAddress) checkAddress(url.hostname, socket.remoteAddress, allowPrivate)
            begin()
          } catch (error) {
            outgoing.destroy(error as Error)
          }
        })
      })
      outgoing.on('response', (incoming) => {
        answered = true
        settled()
        const answer = {
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          body: incoming,
          url,
          peerIsPrivate: addressKind(incoming.socket.remoteAddress ?? '') !== 'public',
          bodySent: outgoing.writableEnded,
        }
        if (!outgoing.writableEnded) {
          // An answer before the end of the upload: nobody reads the rest, and the socket cannot be used again.
          if (body && 'stream' in body) body.stream.destroy()
          incoming.once('close', () => outgoing.destroy())
        }
        watchBody(incoming, limits, url.host, signal)
        resolve(answer)
      })

      /** Bodies wait for the connection, so that a refused address never sees a byte. */
      function begin() {
        if (!body || !('stream' in body)) {
          waitForHeaders()
          if (body) outgoing.end(body)
          else outgoing.end()
          return
        }
        clearTimeout(timer)
        pump(body.stream, outgoing, {
          idleMs: limits.registryIdleTimeoutMs,
          host: url.host,
          ...(body.onBytes && { onBytes: body.onBytes }),
        }).then(
          () => {
            if (!answered && !outgoing.destroyed) waitForHeaders()
          },
          (error: Error) => {
            if (!answered) outgoing.destroy(error)
          },
        )
      }
    })
  }
}

/** A reused socket died before an answer came; carries what to report when the request cannot be repeated. */
class StaleSocket extends Error {
  readonly failure: Error
  constructor(failure: Error) {
    super('the kept-alive connection was closed')
    this.failure = failure
  }
}

const isReset = (error: Error): boolean => 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')

/** Ends a response that stands still or drips while we want to read it, and one whose caller aborted. */
function watchBody(body: IncomingMessage, limits: Limits, host: string, signal: AbortSignal | undefined): void {
  const { registryIdleTimeoutMs: idleMs, registryBytesPerSecondMin } = limits
  const bytesMin = Math.max(1, (registryBytesPerSecondMin * idleMs) / 1000)
  let seen = body.socket.bytesRead
  // A body that does not flow is our own slowness (the other side of a copy), not the registry's.
  let waitedForUs = false
  body.on('pause', () => (waitedForUs = true))
  // Looks once per period instead of at every chunk; the socket's own timeout belongs to the agent (Keep-Alive hint).
  const timer = setInterval(() => {
    const { bytesRead } = body.socket
    const bytes = bytesRead - seen
    if (body.readableFlowing && (bytes === 0 || (bytes < bytesMin && !waitedForUs)))
      body.destroy(tooSlow(`${host} sent ${bytes} bytes of the body in ${idleMs} ms`))
    seen = bytesRead
    waitedForUs = !body.readableFlowing
  }, idleMs)
  const stopListening = onAbort(signal, () => body.destroy(signal && abortReason(signal)))
  const done = () => {
    clearInterval(timer)
    stopListening()
  }
  body.once('end', done)
  body.once('close', done)
  // Without a listener an early failure would end the process; readers learn of it by their own listeners.
  body.on('error', () => {})
}
