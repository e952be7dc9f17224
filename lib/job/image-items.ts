/**
 * What stays of an image when its jobs are forgotten: one item by its digest, whose fields are the affair of who writes
 * them. Here is how it is kept: every write names the one it saw, so that of two writers one begins anew; it is listed by
 * when it was first seen; an event goes into the outbox with the very write that makes it true.
 */
import type { Clock } from '../clock.ts'
import type { Limits } from '../config.ts'
import type { Json } from '../glossary.ts'
import type { Queue } from '../queue/port.ts'
import { absent, eq } from '../store/condition.ts'
import { ConditionFailed, type Item, type Key, type Store } from '../store/port.ts'
import { markImages, readFollowed } from './followed.ts'
import { eventCursorKey, imageKeys, imagePartition, OPEN_SHARDS, outboxPartition, retentionKey, stamp } from './keys.ts'
import { imagesMessages, RE_EVALUATE } from './message.ts'

export type ImageFields = { [name: string]: Json | undefined }

/** Something to tell the world about an image. Coalesced: what is not yet told is replaced by the next. */
export interface ImageEvent {
  type: string
  data: { [name: string]: Json | undefined }
}

export interface SeenImage {
  /** Absent when the item has expired. */
  fields?: ImageFields
  /** The data of its last event, as long as nobody was told. */
  untold?: ImageEvent['data']
  turn: number
}

export interface ImageItems {
  /** Strongly consistent. */
  get(digest: string): Promise<SeenImage | undefined>
  /** The same for many; those that are not there are left out. Untold events are not looked up. */
  getMany(digests: readonly string[]): Promise<Map<string, SeenImage>>
  /**
   * Replaces the fields. False: somebody else wrote since `seen` was read (or an answer was lost and it was this call):
   * read again. `expires` is in seconds since the epoch.
   */
  put(
    digest: string,
    fields: ImageFields,
    seen: SeenImage | undefined,
    more: { expires: number; event?: ImageEvent },
  ): Promise<boolean>
  /** The rules by which the images of the tenant are kept, as somebody put them; undefined: there are none. */
  retention(): Promise<Json | undefined>
  /** Asks that these images be matched anew. At least once, soon. */
  matchAgain(digests: readonly string[]): Promise<void>
  /**
   * After verdicts by this revision were written: makes sure that a pass that comes later begins there, or looks at these
   * images whatever has changed.
   */
  follow(digests: readonly string[], revision: string): Promise<void>
}

/** What the item holds beside the fields. */
const OWN = new Set(['pk', 'sk', 'm_pk', 'm_sk', 'o_pk', 'o_sk', 'turn', 'expires', 'event'])

export const imageItemKey = (tenant: string, digest: string): Key => ({ pk: imagePartition(tenant, digest), sk: '#' })

/** The digest in the key of an image's item. */
export const digestOfKey = ({ pk }: Key): string => pk.slice(pk.lastIndexOf('#') + 1)

export function seenImage(item: Item, now: number): SeenImage {
  const turn = typeof item.turn === 'number' ? item.turn : 0
  if (typeof item.expires === 'number' && item.expires * 1000 <= now) return { turn }
  return { turn, fields: Object.fromEntries(Object.entries(item).filter(([name]) => !OWN.has(name))) }
}

/** By the last digit of the digest, which is as good as random. */
export const shardOfDigest = (digest: string): number => (Number.parseInt(digest.at(-1) ?? '0', 16) || 0) % OPEN_SHARDS

export function imageItems(
  env: { store: Store; queue: Queue; clock: Pick<Clock, 'now'>; limits: Limits },
  tenant: string,
): ImageItems {
  const { store, queue, clock, limits } = env
  return {
    async get(digest) {
      const item = await store.get(imageItemKey(tenant, digest))
      if (!item) return undefined
      const seen = seenImage(item, clock.now())
      const event = item.event as unknown as ImageEvent | undefined
      if (!event || !seen.fields) return seen
      // Handed over is what the cursor of its shard has passed.
      const cursor = await store.get(eventCursorKey(shardOfDigest(digest)))
      const isTold = typeof cursor?.after === 'string' && cursor.after >= String(item.o_sk)
      return isTold ? seen : { ...seen, untold: event.data }
    },
    async getMany(digests) {
      const now = clock.now()
      const items = await store.getMany(digests.map((digest) => imageItemKey(tenant, digest)))
      return new Map(items.map((item) => [digestOfKey(item), seenImage(item, now)]))
    },
    async put(digest, fields, seen, { expires, event }) {
      const now = clock.now()
      const turn = (seen?.turn ?? 0) + 1
      const kept = { ...(seen?.fields ?? {}) }
      const gone = Object.keys(kept).filter((name) => fields[name] === undefined)
      const defined = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
      const told = event && {
        event: { ...event, id: `${digest}#${turn}`, subject: digest, sequence: turn, time: now, tenant } as Json,
        o_pk: outboxPartition(shardOfDigest(digest)),
        o_sk: `${stamp(now)}#${digest}`,
      }
      const set = { ...(defined as { [name: string]: Json }), ...told, expires }
      const setOnce = imageKeys(tenant, digest, shardOfDigest(digest), now)
      try {
        await store.update(
          imageItemKey(tenant, digest),
          { set, setOnce, add: { turn: 1 }, ...(gone.length > 0 ? { remove: gone } : {}) },
          seen ? eq('turn', seen.turn) : absent('turn'),
        )
        return true
      } catch (thrown) {
        if (thrown instanceof ConditionFailed) return false
        throw thrown
      }
    },
    async retention() {
      return (await store.get(retentionKey(tenant)))?.rules
    },
    async matchAgain(digests) {
      for (const messages of imagesMessages(tenant, digests, limits)) await queue.send(RE_EVALUATE, messages)
    },
    async follow(digests, revision) {
      if ((await readFollowed(store)).to !== revision) await markImages(store, tenant, digests)
    },
  }
}
