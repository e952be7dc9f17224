/**
 * Where a token may be fetched, and whether credentials may go there. The realm is chosen by whoever answers for the
 * registry, and five clients of 2026 sent their password wherever it said (reference/reliability-performance.md B.1).
 *
 * Decision: with credentials, an unbound realm is refused, not asked anonymously: an anonymous token would turn a
 * misconfiguration into a puzzling "denied" later. Without credentials there is nothing to lose and the realm only has
 * to pass the egress guard, as public addresses do.
 */
import { isIP } from 'node:net'
import { LongshoreError } from '../errors.ts'
import { literalAddress } from '../net/guard.ts'

/** Registries whose token service lives under another domain. Docker Hub is listed though the domain rule covers it. */
const KNOWN_REALMS: Record<string, readonly string[] | undefined> = {
  'registry-1.docker.io': ['auth.docker.io'],
}

/** Domains under which strangers rent names: sharing them means nothing, only the same host does. */
const SHARED_SUFFIXES = [
  'amazonaws.com',
  'appspot.com',
  'azurecontainer.io',
  'azurecr.io',
  'azurefd.net',
  'azurewebsites.net',
  'cloudapp.azure.com',
  'cloudapp.net',
  'cloudfront.net',
  'duckdns.org',
  'firebaseapp.com',
  'fly.dev',
  'github.io',
  'gitlab.io',
  'herokuapp.com',
  'jfrog.io',
  'netlify.app',
  'ngrok-free.app',
  'ngrok.io',
  'nip.io',
  'on.aws',
  'ondigitalocean.app',
  'onrender.com',
  'pages.dev',
  'pkg.dev',
  'r2.dev',
  'run.app',
  'scw.cloud',
  'sslip.io',
  'trycloudflare.com',
  'ts.net',
  'uk.com',
  'vercel.app',
  'web.app',
  'workers.dev',
]

/** Second-level labels under which country registries sell names (co.uk, com.br): three labels are needed there. */
const REGISTRY_LABELS = new Set([
  'ac',
  'co',
  'com',
  'edu',
  'go',
  'gob',
  'gov',
  'gv',
  'ltd',
  'me',
  'mil',
  'ne',
  'net',
  'nom',
  'or',
  'org',
  'plc',
  'sch',
])

/** The part of a name that one owner holds, by a conservative rule; undefined when we cannot tell. */
function ownedDomain(host: string): string | undefined {
  const labels = host.split('.')
  const top = labels.at(-1) ?? ''
  const needed = top.length === 2 && REGISTRY_LABELS.has(labels.at(-2) ?? '') ? 3 : 2
  if (labels.length < needed || SHARED_SUFFIXES.some((suffix) => host === suffix || host.endsWith(`.${suffix}`)))
    return undefined
  return labels.slice(-needed).join('.')
}

/** Whether the credentials of `registry` are bound to `realm` as well. Both are host names without a port. */
export function isBound(registry: string, realm: string): boolean {
  if (registry === realm) return true
  if (Object.hasOwn(KNOWN_REALMS, registry) && KNOWN_REALMS[registry]?.includes(realm)) return true
  if (isIP(realm) || isIP(registry) || literalAddress(realm) || literalAddress(registry)) return false
  const domain = ownedDomain(registry)
  return domain !== undefined && domain === ownedDomain(realm)
}

/**
 * The realm as a URL that may be asked. `registry` is the origin of the request that was challenged. Throws
 * `registry-unauthorized` for a realm that must not be asked.
 */
export function checkRealm(text: string, registry: URL, hasCredentials: boolean): { url: URL; bound: boolean } {
  const refuse = (why: string) =>
    new LongshoreError('registry-unauthorized', `${registry.host} asks for a token from ${why}; this is not done`)
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw refuse('something that is not a URL')
  }
  url.hash = ''
  if (url.username || url.password) throw refuse(`${url.host} with credentials in the URL`)
  const bound = isBound(registry.hostname, url.hostname)
  // Over plain http only where the registry itself is: its owner said "insecure", and only for this host.
  const plain = url.protocol === 'http:' && registry.protocol === 'http:' && url.hostname === registry.hostname
  if (url.protocol !== 'https:' && !plain) throw refuse(`${url.host} over ${url.protocol.slice(0, -1)}`)
  if (hasCredentials && !bound)
    throw refuse(`${url.host}, which is neither the same host nor the same domain, while credentials are configured`)
  return { url, bound }
}
