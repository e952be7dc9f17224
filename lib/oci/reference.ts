/**
 * Image references: `registry/repository:tag@digest` with the short names of Docker Hub. The grammar is the one of
 * the OCI distribution specification, anchored, on text whose length was checked first.
 */
import { defaultLimits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { isDigest } from './digest.ts'
import type { Reference } from './types.ts'

const DOCKER_HUB = 'registry-1.docker.io'
const DOCKER_HUB_NAMES = new Set(['docker.io', 'index.docker.io', 'registry.hub.docker.com', DOCKER_HUB])

/** Characters; docker-registry refuses repository names above 255 (host not counted). */
const REPOSITORY_LENGTH_MAX = 255
const HOST =
  /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

/** Printable and short, for error messages. */
const shown = (text: string): string => {
  const plain = text.replace(/[^\x20-\x7e]/g, '?')
  return JSON.stringify(plain.length > 80 ? `${plain.slice(0, 77)}...` : plain)
}

const invalid = (message: string) => new LongshoreError('invalid-value', message)

export const isRepository = (text: string): boolean =>
  text.length <= REPOSITORY_LENGTH_MAX && text.split('/').every((component) => COMPONENT.test(component))

/**
 * A registry host in its one spelling: lower case, every name of Docker Hub as `registry-1.docker.io`.
 * Throws `invalid-value` for anything that is not `name[:port]`, `a.b.c.d[:port]` or `[v6][:port]`.
 */
export function normalizeHost(text: string): string {
  const host = text.toLowerCase()
  if (host.length > 260 || !HOST.test(host))
    throw invalid(`${shown(text)} is not a registry host; write it as name, name:port or [IPv6]:port, without a scheme`)
  let url: URL
  try {
    url = new URL(`http://${host}`)
  } catch {
    throw invalid(`${shown(text)} is not a registry host; the port must be 1 to 65535`)
  }
  // Addresses such as 0x7f.1 or 127.1 mean another host than they say; only the plain spelling is taken.
  const named = host.startsWith('[') ? host.slice(0, host.indexOf(']') + 1) : host.split(':')[0]
  if (url.hostname !== named || url.port === '0')
    throw invalid(`${shown(text)} is not a plain registry host; it means ${url.host}, so write that`)
  return DOCKER_HUB_NAMES.has(host) ? DOCKER_HUB : host
}

/**
 * Parses what a person writes. A missing tag is `latest` unless there is a digest. Throws `invalid-value` whose
 * message names the value and the way out.
 *
 * @example parseReference('alpine') // { registry: 'registry-1.docker.io', repository: 'library/alpine', tag: 'latest' }
 */
export function parseReference(text: string): Reference {
  if (text === '') throw invalid('The image reference is empty; write registry/repository:tag')
  if (text.length > defaultLimits.referenceBytesMax)
    throw invalid(
      `The image reference ${shown(text)} has ${text.length} characters; at most ${defaultLimits.referenceBytesMax} are read`,
    )
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text))
    throw invalid(`The image reference ${shown(text)} starts with a scheme; write registry/repository:tag without it`)

  const at = text.indexOf('@')
  const digest = at < 0 ? undefined : text.slice(at + 1)
  const named = at < 0 ? text : text.slice(0, at)
  // Not repeated: what stands before the "@" is a password.
  if (digest?.includes('/') && /^[^/]*:[^/]*$/.test(named))
    throw invalid(
      'The image reference begins with a user and a password; leave them out and give them to the registry object (PUT /v1/registries/{host})',
    )
  if (digest !== undefined && !isDigest(digest))
    throw invalid(
      `${shown(digest)} in ${shown(text)} is not a digest; write sha256: and 64 hexadecimal digits in lower case`,
    )

  const slash = named.indexOf('/')
  const first = slash < 0 ? '' : named.slice(0, slash)
  const hasHost = /[.:]/.test(first) || first.toLowerCase() === 'localhost'
  const registry = hasHost ? normalizeHost(first) : DOCKER_HUB
  const rest = hasHost ? named.slice(slash + 1) : named

  const colon = rest.lastIndexOf(':')
  const tag = colon < 0 ? undefined : rest.slice(colon + 1)
  let repository = colon < 0 ? rest : rest.slice(0, colon)
  if (tag !== undefined && !TAG.test(tag))
    throw invalid(
      `${shown(tag)} in ${shown(text)} is not a tag; tags are 1 to 128 letters, digits, "_", "." or "-" and do not start with "." or "-"`,
    )
  if (repository === '') throw invalid(`${shown(text)} names no repository; write registry/repository:tag`)
  if (repository !== repository.toLowerCase())
    throw invalid(`The repository ${shown(repository)} has capital letters; repository names are lower case`)
  if (registry === DOCKER_HUB && !repository.includes('/')) repository = `library/${repository}`
  if (repository.length > REPOSITORY_LENGTH_MAX)
    throw invalid(
      `The repository ${shown(repository)} has ${repository.length} characters; at most ${REPOSITORY_LENGTH_MAX} are allowed`,
    )
  if (!isRepository(repository))
    throw invalid(
      `${shown(repository)} is not a repository name; parts are lower-case letters and digits, separated by "/", ".", "_", "__" or "-"`,
    )
  return { registry, repository, ...withTag(tag, digest), ...(digest !== undefined && { digest }) }
}

const withTag = (tag: string | undefined, digest: string | undefined): { tag?: string } =>
  tag !== undefined ? { tag } : digest === undefined ? { tag: 'latest' } : {}

/** The reference as text that `parseReference` reads back to the same value; Docker Hub is `docker.io`. */
export function formatReference(reference: Reference): string {
  const registry = reference.registry === DOCKER_HUB ? 'docker.io' : reference.registry
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`
  return `${registry}/${reference.repository}${tag}${digest}`
}
