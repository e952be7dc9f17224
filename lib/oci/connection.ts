/**
 * One registry host on the wire: which scheme it speaks, authentication, retries, pacing, counting. The protocol's
 * verbs are built on `request` in `client.ts`, `uploads.ts` and `tags.ts`.
 */
import type { Readable } from 'node:stream'
import type { Clock, Random } from '../clock.ts'
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { addressKind } from '../net/address.ts'
import { discard } from '../net/body.ts'
import { abortReason } from '../net/failure.ts'
import { literalAddress, type Resolver } from '../net/guard.ts'
import { Http, type HttpAnswer, type HttpRequest } from '../net/http.ts'
import { type FollowedAnswer, sendFollowing } from '../net/redirect.ts'
import { isWebPage, type Refusal, readRefusal, unexpected, webPage } from './answers.ts'
import { Authenticator, type BasicCredentials } from './auth.ts'
import type { HostBudget } from './budget.ts'
import { backoffMs, retryAfterMs } from './retry.ts'
import type { CallOptions, Registry, RequestCounts } from './types.ts'

export interface ConnectionOptions {
  ecrToken: (host: string) => Promise<BasicCredentials>
  limits: Limits
  clock: Clock
  random: Random
  resolver?: Resolver
  /** What all workers share of this host; without one requests are not paced. */
  budget?: HostBudget
}

export interface RegistryRequest {
  method: string
  /** Path with query under the registry's root, or a whole URL of its origin (an upload Location). */
  target: string | URL
  /** `repository:name:pull`, as the token specification writes them. */
  scopes: readonly string[]
  headers?: Record<string, string>
  body?: Uint8Array | { stream: Readable; length: number; onBytes?: (count: number) => void }
  /** Statuses the caller deals with; every other is an error. */
  expect: readonly number[]
  /** For messages: "the manifest team/app:1". */
  what: string
  /** Repeated after a reset or a 5xx. False only for a body that can be read once. Default true. */
  repeatable?: boolean
  headersTimeoutMs?: number
}

type Scheme = 'https' | 'http'

export class Connection {
  readonly host: string
  readonly counts: RequestCounts = { requests: 0, bytesIn: 0, bytesOut: 0 }
  readonly limits: Limits
  readonly #http: Http
  readonly #auth: Authenticator
  readonly #options: ConnectionOptions
  /** In the order to try; one is left once the host has answered. */
  #schemes: readonly Scheme[]

  constructor(registry: Registry, options: ConnectionOptions) {
    this.host = registry.host
    this.limits = options.limits
    this.#options = options
    const { hostname } = new URL(`https://${registry.host}`)
    this.#schemes = !registry.insecure ? ['https'] : isNear(hostname) ? ['http', 'https'] : ['https', 'http']
    this.#http = new Http({
      limits: options.limits,
      ...(registry.allowPrivate && { allowPrivate: true }),
      ...(registry.insecure && { insecure: true, insecureHost: hostname }),
      ...(options.resolver && { resolver: options.resolver }),
    })
    this.#auth = new Authenticator(registry.host, {
      credentials: registry.credentials,
      ecrToken: options.ecrToken,
      http: this.#http,
      clock: options.clock,
      limits: options.limits,
    })
  }

  close(): void {
    this.#http.close()
  }

  /**
   * One protocol request with everything around it: authentication (one refresh), redirects of reads, retries with
   * jitter, a short 429 waited for. The answer's status is one of `expect`; its body must be read or discarded.
   */
  async request(request: RegistryRequest, options: CallOptions = {}): Promise<FollowedAnswer> {
    const { limits, clock, random } = this.#options
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#attempt(request, options)
      if (outcome.answer) return outcome.answer
      const { failure } = outcome
      if (options.signal?.aborted) throw abortReason(options.signal)
      const mayRepeat = request.repeatable ?? true
      if (!mayRepeat || !isRepeatable(failure) || attempt >= limits.registryRetriesMax) {
        // Throttled without a word for how long: everybody leaves it alone for a while.
        if (isThrottled(failure) && failure.retryAfterMs === undefined) await this.#options.budget?.throttled(undefined)
        throw failure
      }
      const askedMs = failure.retryAfterMs ?? 0
      // A long Retry-After is thrown with its time, so that the job is parked instead of a worker being held.
      if (askedMs > limits.registryThrottleWaitMs) throw failure
      await clock.sleep(Math.max(askedMs, backoffMs(attempt, limits, random)), options.signal)
      if (options.signal?.aborted) throw abortReason(options.signal)
    }
  }

  async #attempt(request: RegistryRequest, options: CallOptions): Promise<Outcome> {
    try {
      const answer = await this.#authorized(request, options)
      const reads = request.method === 'GET' || request.method === 'HEAD'
      const page = reads && answer.status < 500 && answer.status !== 429 && isWebPage(answer.headers)
      if (request.expect.includes(answer.status) && !page) return { answer }
      if (!page) return { failure: await this.#refused(request, answer) }
      await discard(answer.body)
      return { failure: webPage(this.host, answer.status) }
    } catch (failure) {
      return { failure }
    }
  }

  /** The status was not expected: say why. */
  async #refused(request: RegistryRequest, answer: HttpAnswer): Promise<LongshoreError> {
    const refusal = await this.refusal(answer)
    const { 'retry-after': asked, date } = answer.headers
    const after = retryAfterMs(asked, this.#options.clock.now(), this.limits, date)
    const details = after === undefined ? {} : { retryAfterMs: after }
    if (answer.status === 429 || refusal.code === 'TOOMANYREQUESTS') {
      if (after !== undefined) await this.#options.budget?.throttled(after)
      return new LongshoreError(
        'registry-throttled',
        `${this.host} limits requests (${answer.status}) and refused ${request.what}; it is asked again later`,
        details,
      )
    }
    const error = unexpected(this.host, request.what, answer.status, refusal)
    return new LongshoreError(error.code, error.message, details)
  }

  /** Sends with what we know of the authentication; on a 401 learns, and sends once more. */
  async #authorized(request: RegistryRequest, options: CallOptions): Promise<FollowedAnswer> {
    for (let refreshed = false; ; refreshed = true) {
      const authorization = await this.#auth.header(request.scopes, options.signal)
      const answer = await this.#learningScheme(request, authorization, options)
      if (answer.status !== 401) return answer
      // Only the registry itself may say where to log in; a host it redirected to may not.
      if (answer.redirected) return answer
      const challenge = answer.headers['www-authenticate']
      const origin = new URL(answer.url.origin)
      // A body that streams cannot be sent twice; the caller starts over with what was learned here.
      const again =
        this.#auth.challenged(origin, challenge, request.scopes, authorization) &&
        !refreshed &&
        !(request.body && 'stream' in request.body)
      if (!again) return answer
      await discard(answer.body)
    }
  }

  /** The first answered request settles whether the host speaks https or (insecure only) http. */
  async #learningScheme(request: RegistryRequest, authorization: string | undefined, options: CallOptions) {
    const [first, other] = this.#schemes
    if (!first || !other || typeof request.target !== 'string')
      return this.#send(request, first, authorization, options)
    // Whichever is tried first, nothing secret is in a request before the first answer: no challenge was seen yet.
    let failure: unknown
    let doubtful: FollowedAnswer | undefined
    try {
      const answer = await this.#send(request, first, authorization, options)
      if (first === 'http' && this.#speaksTls(answer)) {
        doubtful = answer
      } else {
        this.#schemes = [first]
        return answer
      }
    } catch (error) {
      if (options.signal?.aborted || !isConnectionTrouble(error)) throw error
      failure = error
    }
    try {
      const answer = await this.#send(request, other, authorization, options)
      this.#schemes = [other]
      if (doubtful) void discard(doubtful.body)
      return answer
    } catch (error) {
      if (!isConnectionTrouble(error)) throw error
      // Of two failures the second tells more (the first may only say that this is the other scheme), unless it is TLS
      // finding out that nobody there speaks TLS.
      if (!doubtful) throw isNotTls(error) ? failure : error
      // It was a plain 400 after all.
      this.#schemes = [first]
      return doubtful
    }
  }

  /** What was asked for by http: "Client sent an HTTP request to an HTTPS server" (Go, nginx), or the way to https (Harbor). */
  #speaksTls({ status, headers, redirected, url }: FollowedAnswer): boolean {
    if (redirected) return url.protocol === 'https:' && url.host === this.host
    return status === 400 && !headers['docker-distribution-api-version']
  }

  async #send(
    request: RegistryRequest,
    scheme: Scheme = 'https',
    authorization: string | undefined,
    options: CallOptions,
  ) {
    await this.#options.budget?.take(options.signal)
    const url =
      typeof request.target === 'string' ? new URL(request.target, `${scheme}://${this.host}`) : request.target
    const { body } = request
    const http: HttpRequest = {
      method: request.method,
      url,
      headers: { ...request.headers, ...(authorization !== undefined && { authorization }) },
      repeatable: request.repeatable ?? true,
      headersTimeoutMs: request.headersTimeoutMs ?? options.timeoutMs ?? this.limits.registryRequestTimeoutMs,
      ...(options.signal && { signal: options.signal }),
    }
    const count = (counts: RequestCounts, key: keyof RequestCounts, by: number) => {
      counts[key] += by
      if (options.counts) options.counts[key] += by
    }
    count(this.counts, 'requests', 1)
    if (body && 'stream' in body)
      http.body = {
        ...body,
        onBytes: (bytes) => {
          count(this.counts, 'bytesOut', bytes)
          body.onBytes?.(bytes)
        },
      }
    else if (body) {
      http.body = body
      count(this.counts, 'bytesOut', body.byteLength)
    }
    return sendFollowing(this.#http, http)
  }

  /** Waits before the given repetition; throws the caller's reason when it aborts meanwhile. */
  async backoff(attempt: number, signal: AbortSignal | undefined): Promise<void> {
    await this.#options.clock.sleep(backoffMs(attempt, this.limits, this.#options.random), signal)
    if (signal?.aborted) throw abortReason(signal)
  }

  /** Whether a URL from elsewhere (a checkpoint) is of this registry: its host, and a scheme it is spoken to by. */
  isOwn(url: URL): boolean {
    return this.#schemes.some((scheme) => new URL(`${scheme}://${this.host}`).origin === url.origin)
  }

  /** Why the registry refused, in its own words. */
  refusal(answer: HttpAnswer): Promise<Refusal> {
    return readRefusal(answer, (text) => this.#auth.clean(text))
  }

  /** Adds to the bytes read; kept by whoever reads a body. */
  countIn(bytes: number, options: CallOptions): void {
    this.counts.bytesIn += bytes
    if (options.counts) options.counts.bytesIn += bytes
  }
}

type Outcome = { answer: FollowedAnswer } | { answer?: undefined; failure: unknown }

/** Failures of the way, not of the request. */
const isConnectionTrouble = (error: unknown): error is LongshoreError =>
  error instanceof LongshoreError &&
  (error.code === 'registry-unavailable' || error.code === 'registry-timeout' || error.code === 'connection-cut')

const isNotTls = ({ cause }: LongshoreError): boolean =>
  cause instanceof Error && 'code' in cause && /^(ERR_SSL_|EPROTO)/.test(String(cause.code))

const isThrottled = (error: unknown): error is LongshoreError =>
  error instanceof LongshoreError && error.code === 'registry-throttled'

const isRepeatable = (error: unknown): error is LongshoreError => isConnectionTrouble(error) || isThrottled(error)

/** Loopback speaks http far more often than https, and refuses quickly. */
const isNear = (hostname: string): boolean => {
  const address = literalAddress(hostname)
  return hostname === 'localhost' || (address !== undefined && addressKind(address) === 'private')
}
