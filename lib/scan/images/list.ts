/** Images as they are asked for: one by its digest, or a page of them, the newest first. */
import type { Clock } from '../../clock.ts'
import type { Limits } from '../../config.ts'
import { LongshoreError } from '../../errors.ts'
import type { Severity } from '../../glossary.ts'
import { digestOfKey, imageItemKey, seenImage } from '../../job/image-items.ts'
import { imageListPartition, MEMBER_SHARDS } from '../../job/keys.ts'
import type { Store } from '../../store/port.ts'
import { type ImageRecord, recordOf, worstOf } from './record.ts'

export interface KnownImage extends ImageRecord {
  digest: string
}

export interface ImageFilter {
  /** `registry/repository` of any name it was seen under. */
  repository?: string
  /** By the worst finding; `None`: without findings. */
  severities?: readonly (Severity | 'None')[]
}

interface Ports {
  store: Store
  clock: Pick<Clock, 'now'>
  limits: Limits
}

/** What a digest looks like in a path. */
export const DIGEST_PATTERN = /^sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})$/
/** What a cursor looks like: `<first seen>#<digest>`. */
export const IMAGE_CURSOR_PATTERN = /^\d{13}#sha\d{3}:[0-9a-f]{64,128}$/

/** Those of these images that are known, in the order of the digests. */
export async function getImages(tenant: string, digests: readonly string[], ports: Ports): Promise<KnownImage[]> {
  const now = ports.clock.now()
  const items = await ports.store.getMany(digests.map((digest) => imageItemKey(tenant, digest)))
  const known = new Map(items.map((item) => [digestOfKey(item), recordOf(seenImage(item, now).fields)]))
  return digests.flatMap((digest) => {
    const record = known.get(digest)
    return record ? [{ ...record, digest }] : []
  })
}

/** Throws `image-not-scanned`. */
export async function requireImage(tenant: string, digest: string, ports: Ports): Promise<KnownImage> {
  const [image] = DIGEST_PATTERN.test(digest) ? await getImages(tenant, [digest], ports) : []
  if (!image)
    throw new LongshoreError(
      'image-not-scanned',
      `no scan has seen an image ${digest.slice(0, 80).replace(/[^\x20-\x7e]/g, '?')}; the digest is the one in the result of a scan, GET /v1/images lists them`,
    )
  return image
}

/** Forgets the image: its verdict, names and history. What its jobs say stays with them. Throws `image-not-scanned`. */
export async function removeImage(tenant: string, digest: string, ports: Ports): Promise<void> {
  await requireImage(tenant, digest, ports)
  await ports.store.delete(imageItemKey(tenant, digest))
}

/** A page. `next` is given when more may follow: one request looks at `listKeysMax` images at most. */
export async function listImages(
  tenant: string,
  filter: ImageFilter,
  limit: number,
  after: string | undefined,
  ports: Ports,
): Promise<{ images: KnownImage[]; next?: string }> {
  const { store, limits } = ports
  const most = Math.min(1_000, limits.listKeysMax)
  const pages = await Promise.all(
    Array.from({ length: MEMBER_SHARDS }, (_, shard) =>
      store.query({
        index: 'members',
        pk: imageListPartition(tenant, shard),
        ...(after ? { to: after } : {}),
        reverse: true,
        limit: most,
      }),
    ),
  )
  const places = pages
    .flatMap(({ items }) => items.map((item) => String(item.m_sk)))
    .filter((place) => place !== after)
    .sort()
    .reverse()
    .slice(0, most)
  const images: KnownImage[] = []
  const step = Math.max(limit, 20)
  for (let from = 0; from < places.length; from += step) {
    const chunk = places.slice(from, from + step)
    const digestOf = (place: string) => place.slice(14)
    const found = new Map(
      (await getImages(tenant, chunk.map(digestOf), ports)).map((image) => [image.digest, image] as const),
    )
    for (const place of chunk) {
      const image = found.get(digestOf(place))
      if (!image || !fits(image, filter)) continue
      // One more than fits tells that there is a next page.
      if (images.length === limit) return { images, next: previous(places, place) }
      images.push(image)
    }
  }
  const last = places.at(-1)
  return places.length === most && last ? { images, next: last } : { images }
}

/** A page continues after the place before the one that did not fit. */
const previous = (places: readonly string[], place: string): string => places[places.indexOf(place) - 1] ?? place

function fits(image: ImageRecord, { repository, severities }: ImageFilter): boolean {
  if (severities && !severities.includes(worstOf(image.summary))) return false
  return !repository || Object.keys(image.names).some((name) => repositoryOf(name) === repository)
}

/** `registry/repository` of a reference as it was submitted. */
export const repositoryOf = (reference: string): string => reference.replace(/@.*$/, '').replace(/:[^:/]*$/, '')
