/**
 * How long images are kept: rules of a tenant, of which the first that means a name decides, and `imageDays` where none
 * does. Pure; the rules lie in one item (`retentionKey` in lib/job/keys.ts) that a scan reads once.
 */
import type { Limits } from '../../config.ts'
import type { Json } from '../../glossary.ts'
import { matches } from '../../job/glob.ts'
import { formatReference, parseReference } from '../../oci/reference.ts'
import type { ImageRecord } from './record.ts'

export interface RetentionRule {
  /** `registry/repository` with `*` and `**`, with `:tag` when only some are meant. */
  image: string
  /** After the last scan under a name that is meant. */
  days: number
}

/** Rules as they were stored. What cannot be read is no rule: a mistake keeps an image, it does not lose one. */
export function readRetention(stored: Json | undefined): RetentionRule[] {
  if (!Array.isArray(stored)) return []
  return stored.flatMap((one) => {
    const { image, days } = (one ?? {}) as { image?: Json; days?: Json }
    return typeof image === 'string' && typeof days === 'number' ? [{ image, days }] : []
  })
}

/** Seconds since the epoch when an image is forgotten: when the last of its names lets it go, never after its reports. */
export function expiryOf(
  { names, scannedAt }: Pick<ImageRecord, 'names' | 'scannedAt'>,
  rules: readonly RetentionRule[],
  { imageDays, historyDays }: Pick<Limits, 'imageDays' | 'historyDays'>,
): number {
  const days = (name: string) => Math.min(ruleFor(name, rules)?.days ?? imageDays, historyDays)
  const ends = Object.entries(names).map(([name, at]) => end(at, days(name)))
  return ends.length > 0 ? Math.max(...ends) : end(scannedAt, imageDays)
}

const end = (at: number, days: number): number => Math.ceil(at / 1000) + days * 86_400

const ruleFor = (name: string, rules: readonly RetentionRule[]): RetentionRule | undefined =>
  rules.length === 0 ? undefined : rules.find(covering(name))

function covering(name: string): (rule: RetentionRule) => boolean {
  const { repository, tag } = partsOf(name)
  return ({ image }) => {
    const colon = image.lastIndexOf(':')
    const tagged = colon > image.lastIndexOf('/')
    if (tagged && (tag === undefined || !matches(image.slice(colon + 1), tag))) return false
    return matches(tagged ? image.slice(0, colon) : image, repository)
  }
}

/** In full, as `docker.io/library/alpine`; a name that is no reference, of a file say, as it is. */
function partsOf(name: string): { repository: string; tag?: string } {
  try {
    const { registry, repository, tag } = parseReference(name)
    return { repository: formatReference({ registry, repository }), ...(tag === undefined ? {} : { tag }) }
  } catch {
    return { repository: name }
  }
}
