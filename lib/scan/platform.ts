/** Which image of a multi-platform index is scanned. */
import { LongshoreError } from '../errors.ts'
import type { Descriptor, Platform } from '../oci/types.ts'
import { shownValue } from '../shown-value.ts'

/** What most servers run; what `docker pull` on them would take. */
export const DEFAULT_PLATFORM: Platform = { os: 'linux', architecture: 'amd64' }

/** `os/architecture[/variant]`, as in `docker --platform`. */
export const PLATFORM_PATTERN = /^[a-z0-9._-]{1,32}\/[a-z0-9._-]{1,32}(?:\/[a-z0-9._-]{1,32})?$/

/** The sentence for what does not match it. */
export const notAPlatform = {
  error: ({ input }: { input?: unknown }) =>
    `${shownValue(input)} is not a platform; write os/architecture[/variant], e.g. linux/amd64`,
}

/** Platforms named in the message when none fits. */
const LISTED_MAX = 20

export function parsePlatform(text: string): Platform {
  const [os = '', architecture = '', variant] = text.split('/')
  return variant === undefined ? { os, architecture } : { os, architecture, variant }
}

export const formatPlatform = ({ os, architecture, variant }: Platform): string =>
  variant ? `${os}/${architecture}/${variant}` : `${os}/${architecture}`

/** 64-bit ARM has one variant in practice, and plain `arm` means v7, as containerd decides. */
function variantOf(platform: Platform): string {
  if (platform.architecture === 'arm64') return platform.variant === 'v8' ? '' : (platform.variant ?? '')
  if (platform.architecture === 'arm') return platform.variant ?? 'v7'
  return platform.variant ?? ''
}

/** Whether an image of the platform `there` is one of `asked`: a variant counts only when it was asked for. */
export function fits(there: Platform, asked: Platform): boolean {
  if (there.os !== asked.os || there.architecture !== asked.architecture) return false
  return asked.variant === undefined || variantOf(there) === variantOf(asked)
}

/** BuildKit stores provenance and SBOMs as images of no platform beside the real ones. */
export const isAttestation = (child: Descriptor): boolean =>
  child.platform?.os === 'unknown' || child.annotations?.['vnd.docker.reference.type'] !== undefined

/**
 * The children of an index that may hold the platform, best first: of the platform, with the default variant before
 * others; else those that do not tell and have to be looked into.
 *
 * @throws LongshoreError `platform-not-found` that lists what is there
 */
export function choosePlatform(children: readonly Descriptor[], asked: Platform, what: string): Descriptor[] {
  const images = children.filter((child) => !isAttestation(child))
  const matching = images.filter((child) => child.platform && fits(child.platform, asked))
  if (matching.length > 0) {
    const exact = matching.find((child) => child.platform && variantOf(child.platform) === variantOf(asked))
    return [exact ?? matching[0]!]
  }
  const silent = images.filter((child) => !child.platform)
  if (silent.length > 0) return silent
  throw platformNotFound(
    images.flatMap((child) => (child.platform ? [formatPlatform(child.platform)] : [])),
    asked,
    what,
  )
}

export function platformNotFound(there: readonly string[], asked: Platform, what: string): LongshoreError {
  const listed = [...new Set(there)]
  const more = listed.length > LISTED_MAX ? ` and ${listed.length - LISTED_MAX} more` : ''
  const list = listed.length > 0 ? listed.slice(0, LISTED_MAX).join(', ') + more : 'none'
  return new LongshoreError(
    'platform-not-found',
    `${what} has no image for ${formatPlatform(asked)}; it has: ${list}. Name one of them as "platform"`,
  )
}
