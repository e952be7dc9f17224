/** Basic and bearer authentication, the latter with its token endpoint at `/token`. */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { type Answer, jsonAnswer, RegistryProblem } from './answer.ts'

export interface RegistryCredentials {
  username: string
  password: string
  /** `bearer`: the registry challenges for a token of its own `/token` endpoint. Default `basic`. */
  scheme?: 'basic' | 'bearer'
  /** Life of a token; the distribution token specification takes 60 s when nothing is said. */
  tokenSeconds?: number
}

export interface AuthRequest {
  method: string
  url: URL
  authorization: string | undefined
  /** Body of a POST to the token endpoint. */
  form?: URLSearchParams
}

export interface Auth {
  /** Throws UNAUTHORIZED with a challenge unless the request may do `scopes`. */
  check(request: AuthRequest, scopes: readonly string[]): void
  /** Whether the request may also do this; for the second scope of a mount. */
  allows(request: AuthRequest, scope: string): boolean
  token(request: AuthRequest): Answer
}

const TOKENS_MAX = 10_000

/** `undefined` credentials: everybody may do everything. */
export function authOf(credentials: RegistryCredentials | undefined, now: () => number): Auth {
  if (!credentials)
    return {
      check: () => undefined,
      allows: () => true,
      token: () => {
        throw new RegistryProblem('UNSUPPORTED', 'this registry has no token endpoint', { status: 404 })
      },
    }
  const tokens = new Map<string, { scopes: Set<string>; until: number }>()
  const refreshTokens = new Set<string>()
  const tokenSeconds = credentials.tokenSeconds ?? 60

  const isUser = (username: string, password: string) =>
    equal(username, credentials.username) && equal(password, credentials.password)
  const isBasic = (authorization: string | undefined) => {
    const match = /^basic ([A-Za-z0-9+/=]+)$/i.exec(authorization ?? '')
    const [username = '', ...rest] = Buffer.from(match?.[1] ?? '', 'base64')
      .toString()
      .split(':')
    return match !== null && isUser(username, rest.join(':'))
  }
  const holds = (authorization: string | undefined, scope: string) => {
    if (credentials.scheme !== 'bearer') return isBasic(authorization)
    const token = tokens.get(/^bearer (.+)$/i.exec(authorization ?? '')?.[1] ?? '')
    return token !== undefined && now() < token.until && (scope === '' || token.scopes.has(scope))
  }

  return {
    check(request, scopes) {
      if (scopes.length === 0 ? holds(request.authorization, '') : scopes.every((s) => holds(request.authorization, s)))
        return
      throw new RegistryProblem('UNAUTHORIZED', 'authentication required', {
        headers: { 'www-authenticate': challenge(credentials, request.url, scopes) },
      })
    },
    allows: (request, scope) => holds(request.authorization, scope),
    token(request) {
      if (credentials.scheme !== 'bearer')
        throw new RegistryProblem('UNSUPPORTED', 'this registry has no token endpoint', { status: 404 })
      const form = request.form ?? request.url.searchParams
      const byGrant =
        form.get('grant_type') === 'refresh_token'
          ? refreshTokens.has(form.get('refresh_token') ?? '')
          : isUser(form.get('username') ?? '', form.get('password') ?? '')
      if (!(request.form ? byGrant : isBasic(request.authorization)))
        throw new RegistryProblem('UNAUTHORIZED', 'wrong user name or password')
      const token = randomBytes(32).toString('base64url')
      if (tokens.size >= TOKENS_MAX) tokens.delete(tokens.keys().next().value ?? '')
      tokens.set(token, { scopes: scopesOf(form.getAll('scope')), until: now() + tokenSeconds * 1_000 })
      const refreshToken = randomBytes(32).toString('base64url')
      const wantsRefresh = form.get('access_type') === 'offline' || form.get('offline_token') === 'true'
      if (wantsRefresh && refreshTokens.size < TOKENS_MAX) refreshTokens.add(refreshToken)
      return jsonAnswer(200, {
        token,
        access_token: token,
        expires_in: tokenSeconds,
        issued_at: new Date(now()).toISOString(),
        ...(wantsRefresh ? { refresh_token: refreshToken } : {}),
      })
    },
  }
}

/** `repository:a/b:pull,push` (several, space-separated) as single `repository:a/b:pull` permissions. */
function scopesOf(texts: string[]): Set<string> {
  const scopes = new Set<string>()
  for (const text of texts.join(' ').split(' ')) {
    const [type, ...rest] = text.split(':')
    const actions = rest.pop() ?? ''
    for (const action of actions === '*' ? ['*', 'pull', 'push', 'delete'] : actions.split(','))
      scopes.add(`${type}:${rest.join(':')}:${action}`)
  }
  return scopes
}

function challenge(credentials: RegistryCredentials, url: URL, scopes: readonly string[]): string {
  if (credentials.scheme !== 'bearer') return 'Basic realm="demo registry", charset="UTF-8"'
  const actions = scopes.map((scope) => scope.slice(scope.lastIndexOf(':') + 1)).join(',')
  const first = scopes[0]
  const scope = first ? `,scope="${first.slice(0, first.lastIndexOf(':'))}:${actions}"` : ''
  return `Bearer realm="${url.origin}/token",service="${url.host}"${scope}`
}

function equal(given: string, expected: string): boolean {
  const a = Buffer.from(given)
  const b = Buffer.from(expected)
  return a.length === b.length && timingSafeEqual(a, b)
}
