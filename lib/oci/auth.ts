/**
 * Authentication against one registry: anonymous, basic, bearer (token service), ECR. A credential is only ever put
 * into a header here, for the registry's own origin or for a realm bound to it (`realm.ts`).
 */
import type { Clock } from '../clock.ts'
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { onAbort } from '../net/abort.ts'
import { discard, readBody } from '../net/body.ts'
import { abortReason } from '../net/failure.ts'
import type { Http } from '../net/http.ts'
import { Secret } from '../secrets/port.ts'
import { parseChallenges } from './challenge.ts'
import { checkRealm } from './realm.ts'
import type { Credentials } from './types.ts'

export type BasicCredentials = Extract<Credentials, { type: 'basic' }>

export interface AuthOptions {
  credentials?: Credentials | undefined
  /** A login for an ECR host by the function's own role (`ecr.ts`). */
  ecrToken: (host: string) => Promise<BasicCredentials>
  http: Http
  clock: Clock
  limits: Limits
}

/** Seconds; the token specification's default when `expires_in` is absent. */
const EXPIRES_DEFAULT = 60
/** Renewed this share of the life before its end, at most 30 s, so that a request never starts with a dying token. */
const SLACK_SHARE = 0.2
const SLACK_MS_MAX = 30_000
/** Milliseconds; ECR tokens live 12 h, Harbor keeps them 1 h. */
const ECR_KEEP_MS = 3_600_000
/** Entries; a fan-out over thousands of repositories must not keep every token. */
const TOKENS_MAX = 1_000

/** AWS account, region, partition, nothing else: `...amazonaws.com.evil.example` is not ECR (GO-2026-6225). */
export const ECR_HOST = /^\d{12}\.dkr\.ecr(-fips)?\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$/

interface Token {
  value: Secret
  usableUntil: number
}

/** What the registry asked for when it last refused a request. */
type Learned = { scheme: 'basic' } | { scheme: 'bearer'; realm: string; service: string | undefined }

export class Authenticator {
  readonly #options: AuthOptions
  readonly #host: string
  readonly #tokens = new Map<string, Token>()
  readonly #fetching = new Map<string, Promise<Token>>()
  #learned: Learned | undefined
  #origin: URL | undefined
  #ecr: { credentials: BasicCredentials; until: number } | undefined

  constructor(host: string, options: AuthOptions) {
    this.#host = host
    this.#options = options
  }

  /**
   * The Authorization header for a request that needs these scopes, as far as a challenge has told what is wanted;
   * before the first challenge nothing is sent. Throws `registry-unauthorized`.
   */
  async header(scopes: readonly string[], signal?: AbortSignal): Promise<string | undefined> {
    const learned = this.#learned
    if (!learned || !this.#origin) return undefined
    const credentials = await this.#basic()
    if (learned.scheme === 'basic') return credentials && basicHeader(credentials)
    const key = [...scopes].sort().join(' ')
    const held = this.#held(key)
    if (held) return `Bearer ${held.value.reveal()}`
    // One fetch for all who wait; a caller's abort ends only its own waiting.
    let fetching = this.#fetching.get(key)
    if (!fetching) {
      fetching = this.#fetchToken(learned, scopes, credentials, this.#origin).finally(() => this.#fetching.delete(key))
      this.#fetching.set(key, fetching)
      fetching.catch(() => {})
    }
    const token = await orAbort(fetching, signal)
    if (this.#tokens.size >= TOKENS_MAX) this.#tokens.clear()
    this.#tokens.set(key, token)
    return `Bearer ${token.value.reveal()}`
  }

  /**
   * Learns from a 401 and forgets the token that was refused. False: there is nothing more to try, so that a registry
   * that always says 401 is asked twice and not for ever.
   */
  challenged(origin: URL, header: string | undefined, scopes: readonly string[], sent: string | undefined): boolean {
    const challenges = parseChallenges(header ?? '')
    const find = (scheme: string) => challenges.find((challenge) => challenge.scheme === scheme)
    const bearer = find('bearer')
    const realm = bearer?.parameters.get('realm')
    this.#tokens.delete([...scopes].sort().join(' '))
    if (bearer && realm !== undefined) {
      this.#learned = { scheme: 'bearer', realm, service: bearer.parameters.get('service') }
      this.#origin = origin
      return true
    }
    const hadEcr = this.#ecr !== undefined
    this.#ecr = undefined
    if (!find('basic') || !this.#hasCredentials()) return false
    this.#learned = { scheme: 'basic' }
    this.#origin = origin
    // The same password again would be refused again; a new ECR token may be taken.
    return sent === undefined || hadEcr
  }

  /** A registry's own words without the secrets this host was given, in the forms they were sent in. */
  clean(text: string): string {
    const { credentials } = this.#options
    const known = [credentials?.type === 'basic' ? credentials : undefined, this.#ecr?.credentials]
    const secrets = [
      ...known.flatMap((one) => (one ? [basicHeader(one).slice('Basic '.length), one.password.reveal()] : [])),
      ...[...this.#tokens.values()].map(({ value }) => value.reveal()),
    ]
    const forms = secrets.flatMap((secret) => [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)])
    return forms.some((form) => form !== '' && text.includes(form))
      ? 'its words repeat the credentials and are left out'
      : text
  }

  #hasCredentials(): boolean {
    return this.#options.credentials !== undefined || ECR_HOST.test(this.#host)
  }

  async #basic(): Promise<BasicCredentials | undefined> {
    const { credentials, clock, ecrToken } = this.#options
    if (credentials?.type === 'basic') return credentials
    if (credentials === undefined && !ECR_HOST.test(this.#host)) return undefined
    if (!ECR_HOST.test(this.#host))
      throw new LongshoreError(
        'registry-unauthorized',
        `${this.#host} is not an ECR host (account.dkr.ecr.region.amazonaws.com), so the function's role is not used for it; configure a username and password`,
      )
    if (!this.#ecr || this.#ecr.until <= clock.now())
      this.#ecr = { credentials: await ecrToken(this.#host), until: clock.now() + ECR_KEEP_MS }
    return this.#ecr.credentials
  }

  /** A token held for these scopes, or for a superset of the actions on the same repository. */
  #held(key: string): Token | undefined {
    const usable = (token: Token | undefined) =>
      token && token.usableUntil > this.#options.clock.now() ? token : undefined
    return (
      usable(this.#tokens.get(key)) ?? (/^\S+:pull$/.test(key) ? usable(this.#tokens.get(`${key},push`)) : undefined)
    )
  }

  async #fetchToken(
    learned: Learned & { scheme: 'bearer' },
    scopes: readonly string[],
    credentials: BasicCredentials | undefined,
    origin: URL,
  ): Promise<Token> {
    const { http, limits, clock } = this.#options
    const { url, bound } = checkRealm(learned.realm, origin, credentials !== undefined)
    if (learned.service !== undefined) url.searchParams.set('service', learned.service)
    for (const scope of scopes) url.searchParams.append('scope', scope)
    const authorization = credentials && bound ? basicHeader(credentials) : undefined
    const answer = await http.send({
      method: 'GET',
      url,
      headers: { accept: 'application/json', ...(authorization && { authorization }) },
      // Private token services are only for registries whose owner runs both.
      allowPrivate: bound,
    })
    const where = `The token service ${url.host} of ${this.#host}`
    if (answer.status !== 200) {
      await discard(answer.body)
      throw tokenRefused(answer.status, where, authorization !== undefined)
    }
    const body = await readBody(answer.body, limits.tokenBytesMax, `the token of ${url.host}`)
    return readToken(body, where, clock.now())
  }
}

function tokenRefused(status: number, where: string, withCredentials: boolean): LongshoreError {
  if (status === 429) return new LongshoreError('registry-throttled', `${where} limits requests (429)`)
  if (status >= 500) return new LongshoreError('registry-unavailable', `${where} answered ${status}`)
  return new LongshoreError(
    'registry-unauthorized',
    withCredentials
      ? `${where} refused the configured credentials (${status}); check username and password`
      : `${where} gives no anonymous token (${status}); configure credentials for the registry`,
  )
}

/** `token` and `access_token` mean the same (token specification); no other field is trusted. */
function readToken(body: Buffer, where: string, now: number): Token {
  let fields: { token?: unknown; access_token?: unknown; expires_in?: unknown } | null
  try {
    fields = JSON.parse(body.toString('utf8'))
  } catch {
    fields = null
  }
  const value = fields?.token || fields?.access_token
  // Printable ASCII without spaces: anything else could split the header.
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value))
    throw new LongshoreError('registry-invalid', `${where} answered something that is not a token`)
  const told = fields?.expires_in
  const lifeMs = (typeof told === 'number' && told > 0 ? told : EXPIRES_DEFAULT) * 1_000
  return { value: new Secret(value), usableUntil: now + lifeMs - Math.min(lifeMs * SLACK_SHARE, SLACK_MS_MAX) }
}

const basicHeader = (credentials: BasicCredentials): string =>
  `Basic ${Buffer.from(`${credentials.username}:${credentials.password.reveal()}`).toString('base64')}`

function orAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise
  return new Promise((resolve, reject) => {
    const stopListening = onAbort(signal, () => reject(abortReason(signal)))
    promise.then(resolve, reject).finally(stopListening)
  })
}
