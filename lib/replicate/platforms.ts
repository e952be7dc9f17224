/** The platform filter: the one place where manifest bytes change, and only because somebody asked for it. */
import { LongshoreError } from '../errors.ts'
import { sha256 } from '../oci/digest.ts'
import type { Descriptor, Manifest, Platform } from '../oci/types.ts'

const PART = /^[a-z0-9][a-z0-9._-]{0,31}$/

/** Reads `linux/amd64` or `linux/arm64/v8`; undefined when it is neither. */
export function parsePlatform(text: string): Platform | undefined {
  const [os, architecture, variant, ...rest] = text.split('/')
  if (!os || !architecture || rest.length > 0 || variant === '') return undefined
  if (![os, architecture, variant ?? 'v1'].every((part) => PART.test(part))) return undefined
  return { os, architecture, ...(variant !== undefined && { variant }) }
}

export const formatPlatform = (platform: Platform): string =>
  [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/')

/** A wish without a variant takes every variant. */
export const platformMatches = (wish: Platform, found: Platform): boolean =>
  wish.os === found.os &&
  wish.architecture === found.architecture &&
  (wish.variant === undefined || wish.variant === found.variant)

/** BuildKit's attestations name the manifest they speak of; they go where it goes. */
const ATTESTED = 'vnd.docker.reference.digest'

/**
 * The index with only the children of these platforms and their attestations. The same index when nothing is left out;
 * otherwise other bytes and another digest. Throws `platform-not-found` naming what there is.
 */
export function filterIndex(index: Manifest, platforms: readonly Platform[], what: string): Manifest {
  const children = index.manifests ?? []
  for (const wish of platforms)
    if (!children.some((child) => child.platform && platformMatches(wish, child.platform)))
      throw new LongshoreError(
        'platform-not-found',
        `${what} has no ${formatPlatform(wish)}; it has ${available(children) || 'no platforms'}`,
        { side: 'source' },
      )
  const chosen = new Set(
    children
      .filter((child) => platforms.some((wish) => child.platform && platformMatches(wish, child.platform)))
      .map((child) => child.digest),
  )
  const keep = (child: { digest: string; annotations?: Record<string, string> }) =>
    chosen.has(child.digest) || chosen.has(child.annotations?.[ATTESTED] ?? '')
  const manifests = children.filter(keep)
  if (manifests.length === children.length) return index
  // From the bytes, not from our descriptors, so that fields we do not know stay.
  const fields = JSON.parse(new TextDecoder().decode(index.bytes)) as { manifests: Descriptor[] }
  fields.manifests = fields.manifests.filter(keep)
  const bytes = new TextEncoder().encode(JSON.stringify(fields))
  return { ...index, digest: sha256(bytes), size: bytes.byteLength, bytes, manifests }
}

const available = (children: readonly Descriptor[]): string =>
  children
    .flatMap((child) => (child.platform && child.platform.os !== 'unknown' ? [formatPlatform(child.platform)] : []))
    .slice(0, 20)
    .join(', ')
