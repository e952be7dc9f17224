/**
 * The store in memory: the twin the simulator and most tests run on. Every method does its work before the first
 * await, so that one call is one atomic step, as one item write is in DynamoDB.
 *
 * Items inside are never changed in place and never leave: what comes in and what goes out is copied. Partitions are
 * arrays kept in sort-key order, found by bisection.
 */
import { LongshoreError } from '../errors.ts'
import type { Json } from '../glossary.ts'
import { compareStrings, holds } from './condition.ts'
import { assertChange, assertItem, assertKey, assertSize, copyItem, copyJson } from './item.ts'
import { assertLimit, type Bounds, boundsOf, positionOf, readCursor } from './page.ts'
import {
  type Change,
  type Condition,
  ConditionFailed,
  INDEXES,
  type IndexName,
  type Item,
  type Key,
  type Query,
  type Store,
} from './port.ts'

const INDEX_NAMES = Object.keys(INDEXES) as IndexName[]

/** Partitions of the table or of an index, each in the order of its sort key, then of the table's key. */
type Partitions = Map<string, Item[]>

/** An empty store. Its indexes are consistent at once, where DynamoDB's may lag a moment. */
export function memoryStore(): Store {
  const table: Partitions = new Map()
  const indexes: { [name in IndexName]: Partitions } = { members: new Map(), open: new Map() }

  const read = (key: Key): Item | undefined => {
    const items = table.get(key.pk)
    if (!items) return undefined
    const item = items[firstAt(items, (other) => compareStrings(other.sk, key.sk) >= 0)]
    return item?.sk === key.sk ? item : undefined
  }

  const replace = (before: Item | undefined, after: Item | undefined): void => {
    const key = (before ?? after)!
    place(table, 'sk', key.pk, before, after)
    for (const name of INDEX_NAMES) {
      const { pk, sk } = INDEXES[name]
      const was = before && indexedIn(before, pk, sk) ? before : undefined
      const is = after && indexedIn(after, pk, sk) ? after : undefined
      if (was && is && was[pk] === is[pk]) place(indexes[name], sk, is[pk] as string, was, is)
      else {
        if (was) place(indexes[name], sk, was[pk] as string, was, undefined)
        if (is) place(indexes[name], sk, is[pk] as string, undefined, is)
      }
    }
  }

  /** The condition is judged and the item written with nothing in between. */
  const write = (key: Key, condition: Condition | undefined, next: (before: Item | undefined) => Item | undefined) => {
    const before = read(key)
    if (condition && !holds(condition, before)) throw new ConditionFailed(key)
    const after = next(before)
    if (after) assertSize(after)
    if (before || after) replace(before, after)
    return after
  }

  const select = (query: Omit<Query, 'limit'>, bounds: Bounds) => {
    const items = (query.index ? indexes[query.index] : table).get(query.pk) ?? []
    const { skName, from, to } = bounds
    const start = from === undefined ? 0 : firstAt(items, (item) => compareStrings(item[skName] as string, from) >= 0)
    const end =
      to === undefined ? items.length : firstAt(items, (item) => compareStrings(item[skName] as string, to) > 0)
    return { items, start, end }
  }

  return {
    async get(key) {
      assertKey(key)
      const item = read(key)
      return item && copyItem(item)
    },

    async getMany(keys) {
      const found = new Set<Item>()
      for (const key of keys) {
        assertKey(key)
        const item = read(key)
        if (item) found.add(item)
      }
      return Array.from(found, copyItem)
    },

    async put(item, condition) {
      assertItem(item)
      write(item, condition, () => copyItem(item))
    },

    async update(key, change, condition) {
      assertChange(key, change)
      return copyItem(write(key, condition, (before) => changed(key, before, change))!)
    },

    async delete(key, condition) {
      assertKey(key)
      write(key, condition, () => undefined)
    },

    async query(query) {
      assertLimit(query.limit)
      const bounds = boundsOf(query)
      if (bounds.empty) return { items: [] }
      const after = readCursor(query.cursor, query, bounds)
      let { items, start, end } = select(query, bounds)
      if (after && query.reverse)
        end = Math.min(
          end,
          firstAt(items, (item) => inOrder(item, after, bounds.skName) >= 0),
        )
      else if (after)
        start = Math.max(
          start,
          firstAt(items, (item) => inOrder(item, after, bounds.skName) > 0),
        )
      const from = query.reverse ? Math.max(start, end - query.limit) : start
      const page = items.slice(from, query.reverse ? end : Math.min(end, start + query.limit))
      if (query.reverse) page.reverse()
      const copies = page.map((item) => (query.index ? positionOf(item, query) : copyItem(item)))
      // A full page always has a cursor, even when nothing follows: so does DynamoDB, and callers must bear it.
      if (page.length < query.limit) return { items: copies }
      return { items: copies, cursor: positionOf(page.at(-1)!, query) }
    },

    async count(query) {
      const bounds = boundsOf(query)
      if (bounds.empty) return 0
      const { start, end } = select(query, bounds)
      return Math.min(Math.max(0, end - start), query.limit)
    },
  }
}

const indexedIn = (item: Item, pk: string, sk: string): boolean => item[pk] !== undefined && item[sk] !== undefined

/** The item after the change; the one before stays as it is. */
function changed(key: Key, before: Item | undefined, change: Change): Item {
  const after: Item = before ? { ...before } : { pk: key.pk, sk: key.sk }
  for (const attribute in change.set) {
    const value: Json | undefined = change.set[attribute]
    if (value !== undefined) after[attribute] = copyJson(value)
  }
  for (const attribute in change.setOnce) {
    const value: Json | undefined = change.setOnce[attribute]
    if (value !== undefined && after[attribute] === undefined) after[attribute] = copyJson(value)
  }
  for (const attribute in change.add) {
    const old = after[attribute] === undefined ? 0 : after[attribute]
    if (typeof old !== 'number')
      throw new LongshoreError('internal', `the change of ${key.pk} adds to ${attribute}, which is not a number`)
    after[attribute] = old + change.add[attribute]!
  }
  for (const attribute of change.remove ?? []) delete after[attribute]
  return after
}

/** Puts `after` where `before` was, or where it belongs; drops partitions that became empty. */
function place(
  partitions: Partitions,
  skName: string,
  pk: string,
  before: Item | undefined,
  after: Item | undefined,
): void {
  const items = partitions.get(pk) ?? []
  const at = (item: Item) => firstAt(items, (other) => inOrder(other, item, skName) >= 0)
  if (before && after && before[skName] === after[skName]) {
    items[at(before)] = after
    return
  }
  if (before) items.splice(at(before), 1)
  if (after) items.splice(at(after), 0, after)
  if (items.length === 0) partitions.delete(pk)
  else partitions.set(pk, items)
}

/** Order within a partition: the sort key, then (in an index, where it need not be unique) the table's key. */
function inOrder(a: Item, b: Item, skName: string): number {
  return (
    compareStrings(a[skName] as string, b[skName] as string) || compareStrings(a.pk, b.pk) || compareStrings(a.sk, b.sk)
  )
}

/** The first position whose item passes, in a list where all that pass come last; its length when none does. */
function firstAt(items: readonly Item[], passes: (item: Item) => boolean): number {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (passes(items[middle]!)) high = middle
    else low = middle + 1
  }
  return low
}
