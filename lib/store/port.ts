/**
 * The job store in our words: items under (pk, sk), conditional single-item writes, and queries of one partition.
 * That is all the protocol needs, and all that dynalite and DynamoDB share (no transactions, streams or PartiQL).
 *
 * Conditions and changes are plain data, so that the transition table can be read, compared with the model and run
 * in memory by the simulator, while the DynamoDB twin compiles them to expressions.
 */
import type { Json } from '../glossary.ts'

export interface Key {
  pk: string
  sk: string
}

export type Item = Key & { [attribute: string]: Json | undefined }

/** Secondary indexes of the table, all KEYS_ONLY: `members` (lists, executions) and `open` (what the sweep looks at). */
export const INDEXES = {
  members: { name: 'members', pk: 'm_pk', sk: 'm_sk' },
  open: { name: 'open', pk: 'o_pk', sk: 'o_sk' },
} as const
export type IndexName = keyof typeof INDEXES

/**
 * A condition on the item as it is now. A comparison with an absent attribute or one of another type is false, also
 * `<>` (where raw DynamoDB says true; condition.ts says why).
 */
export type Condition =
  | { op: '=' | '<>' | '<' | '<=' | '>' | '>='; attribute: string; value: string | number | boolean }
  | { op: 'in'; attribute: string; values: (string | number)[] }
  | { op: 'exists' | 'absent'; attribute: string }
  | { op: 'and' | 'or'; conditions: Condition[] }
  | { op: 'not'; condition: Condition }

/** A change of one item. `add` takes numbers (absent counts as 0); an attribute stands in one of the four only. */
export interface Change {
  set?: { [attribute: string]: Json }
  /** Sets what is absent and leaves what is there (DynamoDB's if_not_exists). */
  setOnce?: { [attribute: string]: Json }
  add?: { [attribute: string]: number }
  remove?: string[]
}

/** A query of one partition in sort-key order. Bounds are inclusive; `cursor` is what the last page returned. */
export interface Query {
  index?: IndexName
  pk: string
  from?: string
  to?: string
  reverse?: boolean
  /** Items per page, at most 1,000. */
  limit: number
  cursor?: Json
}

/** The largest `limit` of a count, for those that must be whole: DynamoDB's Limit is an integer of 32 bits. */
export const COUNT_LIMIT_MAX = 2_147_483_647

export interface Page {
  /** Whole items from the table; from an index only the keys (`pk`, `sk` and the index's own). */
  items: Item[]
  /** Present when more may follow. */
  cursor?: Json
}

/** The condition of a write did not hold; nothing was written. Re-read to learn why. */
export class ConditionFailed extends Error {
  constructor(key: Key) {
    super(`the condition on ${key.pk} did not hold`)
    this.name = 'ConditionFailed'
  }
}

/**
 * Every write is one conditional write of one item. Throws `ConditionFailed`, or a LongshoreError
 * `store-throttled` | `store-unavailable` (then the write may or may not have been applied).
 */
export interface Store {
  /** Strongly consistent. */
  get(key: Key): Promise<Item | undefined>
  /** Strongly consistent; missing items are left out; any number of keys, any order back. */
  getMany(keys: Key[]): Promise<Item[]>
  put(item: Item, condition?: Condition): Promise<void>
  /** Returns the whole item after the change. Without a condition the item is made when absent. */
  update(key: Key, change: Change, condition?: Condition): Promise<Item>
  delete(key: Key, condition?: Condition): Promise<void>
  /** Queries of the table itself are strongly consistent, of an index eventually. */
  query(query: Query): Promise<Page>
  /** How many items the query would return in all pages, at most about `limit` (rounded up to a page). */
  count(query: Omit<Query, 'reverse' | 'cursor'>): Promise<number>
}
