/**
 * Who may set a tag at a target. One item per tag tells the newest accepted job that came as far as setting it, the digest
 * it sets, and until when anybody may still have a request under way that sets another. The protocol on it is
 * `lib/replicate/tag-order.ts`; here is only how it is kept: every write names the one it saw.
 */
import type { Limits } from '../config.ts'
import { absent, eq } from '../store/condition.ts'
import { ConditionFailed, type Item, type Key, type Store } from '../store/port.ts'
import { stamp } from './keys.ts'

export interface TagClaim {
  /** Of the newest job that claimed: `acceptanceOf`. */
  sequence: string
  digest: string
  /** Milliseconds since the epoch: until when a run that may set the tag to `digest` can be alive. */
  until: number
  /** The same for every other digest that was claimed before. */
  othersUntil: number
  /** Rises with every write. */
  turn: number
}

export interface TagClaims {
  /** `tag` is `registry/repository:tag`. Strongly consistent. */
  get(tag: string): Promise<TagClaim | undefined>
  /** False: somebody else wrote since `seen` was read (or an answer was lost and it was this call): read again. */
  put(tag: string, claim: Omit<TagClaim, 'turn'>, seen: TagClaim | undefined): Promise<boolean>
}

/** The place of a job in the order of acceptance: its time, and its id where two were accepted in one millisecond. */
export const acceptanceOf = (job: { createdAt: number; id: string }): string => `${stamp(job.createdAt)}#${job.id}`

/** The id in an acceptance. */
export const jobOfAcceptance = (sequence: string): string => sequence.slice(sequence.indexOf('#') + 1)

const tagKey = (tenant: string, tag: string): Key => ({ pk: `G#${tenant}#${tag}`, sk: '#' })

export function tagClaims(store: Store, tenant: string, limits: Limits): TagClaims {
  return {
    async get(tag) {
      const item = await store.get(tagKey(tenant, tag))
      return item && claimOfItem(item)
    },
    async put(tag, { sequence, digest, until, othersUntil }, seen) {
      // Kept as long as the record of a job that could still ask for it.
      const expires = Math.ceil(until / 1000) + limits.historyDays * 86_400
      const change = { set: { sequence, digest, until, othersUntil, expires }, add: { turn: 1 } }
      try {
        await store.update(tagKey(tenant, tag), change, seen ? eq('turn', seen.turn) : absent('turn'))
        return true
      } catch (thrown) {
        if (thrown instanceof ConditionFailed) return false
        throw thrown
      }
    },
  }
}

/** An expired item that is still there is as right as before: it is read like any other. */
const claimOfItem = ({ sequence, digest, until, othersUntil, turn }: Item): TagClaim =>
  ({ sequence, digest, until, othersUntil, turn }) as TagClaim
