/**
 * The store of the simulator: the semantics of lib/store/memory.ts (the same conformance suite runs on it) made for
 * speed, with two things a memory twin does not need: its indexes may lag behind the table, each item by its own time,
 * as DynamoDB's do, and every write can be watched together with what was there before.
 *
 * All work is done synchronously: one call is one atomic step.
 */

import { LongshoreError } from '../../lib/errors.ts'
import type { Json } from '../../lib/glossary.ts'
import { compareStrings, holds } from '../../lib/store/condition.ts'
import { assertChange, assertItem, assertKey, assertSize, copyItem, copyJson } from '../../lib/store/item.ts'
import { assertLimit, boundsOf, type Position, readCursor } from '../../lib/store/page.ts'
import {
  type Change,
  type Condition,
  ConditionFailed,
  type IndexName,
  type Item,
  type Key,
  type Page,
  type Query,
  type Store,
} from '../../lib/store/port.ts'

export interface SimulatedStoreOptions {
  now: () => number
  /** Milliseconds until the indexes show the write that is being made. */
  lagMs: () => number
  /**
   * What is read is what is stored, not a copy: readers must not change it. The protocol's code copies by itself; the
   * conformance suite runs with copies.
   */
  shared: boolean
}

/** An item where an index shows it. */
interface Shown {
  members: Position | undefined
  open: Position | undefined
}

interface Pending {
  at: number
  name: string
  item: Item | undefined
}

const NOTHING: Page = { items: [] }

const nameOf = (key: Key): string => `${key.pk}\n${key.sk}`

export class SimulatedStore {
  readonly #table = new Map<string, Item[]>()
  readonly #indexes = { members: new Map<string, Position[]>(), open: new Map<string, Position[]>() }
  readonly #shown = new Map<string, Shown>()
  /** Writes the indexes do not show yet, by the time at which they will. */
  #pending: Pending[] = []
  readonly #options: SimulatedStoreOptions

  constructor(options: SimulatedStoreOptions) {
    this.#options = options
  }

  read(key: Key): Item | undefined {
    const items = this.#table.get(key.pk)
    if (items) for (const item of items) if (item.sk === key.sk) return item
    return undefined
  }

  get(key: Key): Item | undefined {
    if (!this.#options.shared) assertKey(key)
    const item = this.read(key)
    return item && this.#options.shared ? item : item && copyItem(item)
  }

  getMany(keys: Key[]): Item[] {
    const found = new Set<Item>()
    for (const key of keys) {
      if (!this.#options.shared) assertKey(key)
      const item = this.read(key)
      if (item) found.add(item)
    }
    return this.#options.shared ? [...found] : Array.from(found, copyItem)
  }

  put(item: Item, condition?: Condition): Item {
    assertItem(item)
    return this.#write(item, condition, () => copyItem(item))!
  }

  update(key: Key, change: Change, condition?: Condition): Item {
    assertChange(key, change)
    const item = this.#write(key, condition, (before) => changed(key, before, change))!
    return this.#options.shared ? item : copyItem(item)
  }

  delete(key: Key, condition?: Condition): void {
    assertKey(key)
    this.#write(key, condition, () => undefined)
  }

  query(query: Query): Page {
    assertLimit(query.limit)
    if (query.index) this.#show()
    const list = query.index ? this.#indexes[query.index].get(query.pk) : this.#table.get(query.pk)
    if (!list && query.cursor === undefined) return NOTHING
    const bounds = boundsOf(query)
    const after = readCursor(query.cursor, query, bounds)
    if (!list || bounds.empty) return NOTHING
    const skName = bounds.skName
    const within = (list as Item[]).filter((item) => {
      const sk = item[skName] as string
      if (bounds.from !== undefined && compareStrings(sk, bounds.from) < 0) return false
      if (bounds.to !== undefined && compareStrings(sk, bounds.to) > 0) return false
      if (!after) return true
      const order = inOrder(item, after, skName)
      return query.reverse ? order < 0 : order > 0
    })
    if (query.reverse) within.reverse()
    const page = within.slice(0, query.limit)
    const items = this.#options.shared ? page : page.map((item) => copyItem(item))
    if (page.length < query.limit) return { items }
    return { items, cursor: keysOf(page.at(-1)!, query.index) }
  }

  count(query: Omit<Query, 'reverse' | 'cursor'>): number {
    if (query.index) this.#show()
    const list = query.index ? this.#indexes[query.index].get(query.pk) : this.#table.get(query.pk)
    if (!list) return 0
    const bounds = boundsOf(query)
    if (bounds.empty) return 0
    let count = 0
    for (const item of list as Item[]) {
      const sk = item[bounds.skName] as string
      if (bounds.from !== undefined && compareStrings(sk, bounds.from) < 0) continue
      if (bounds.to !== undefined && compareStrings(sk, bounds.to) > 0) continue
      count++
    }
    return Math.min(count, query.limit)
  }

  #write(key: Key, condition: Condition | undefined, next: (before: Item | undefined) => Item | undefined) {
    const before = this.read(key)
    if (condition && !holds(condition, before)) throw new ConditionFailed(key)
    const after = next(before)
    if (after && !this.#options.shared) assertSize(after)
    place(this.#table, key.pk, before, after, 'sk')
    this.#index(key, before, after)
    return after
  }

  #index(key: Key, before: Item | undefined, after: Item | undefined): void {
    if (
      before?.m_pk === after?.m_pk &&
      before?.m_sk === after?.m_sk &&
      before?.o_pk === after?.o_pk &&
      before?.o_sk === after?.o_sk
    )
      return
    const name = nameOf(key)
    const lagMs = this.#options.lagMs()
    // Writes of one item are shown in their order, those of different items in any.
    const earlier = this.#pending.findLast((pending) => pending.name === name)
    if (lagMs <= 0 && !earlier) {
      this.#apply(name, after)
      return
    }
    const at = Math.max(this.#options.now() + lagMs, earlier?.at ?? 0)
    const index = this.#pending.findLastIndex((pending) => pending.at <= at)
    this.#pending.splice(index + 1, 0, { at, name, item: after })
  }

  #show(): void {
    if (this.#pending.length === 0) return
    const now = this.#options.now()
    let due = 0
    while (due < this.#pending.length && this.#pending[due]!.at <= now) {
      this.#apply(this.#pending[due]!.name, this.#pending[due]!.item)
      due++
    }
    if (due > 0) this.#pending = this.#pending.slice(due)
  }

  #apply(name: string, item: Item | undefined): void {
    const was = this.#shown.get(name)
    const members = item?.m_pk !== undefined && item.m_sk !== undefined ? keysOf(item, 'members') : undefined
    const open = item?.o_pk !== undefined && item.o_sk !== undefined ? keysOf(item, 'open') : undefined
    this.#shown.set(name, {
      members: move(this.#indexes.members, was?.members, members, 'm_pk', 'm_sk'),
      open: move(this.#indexes.open, was?.open, open, 'o_pk', 'o_sk'),
    })
  }
}

/** The same as a port, for the conformance suite. */
export function asPort(store: SimulatedStore): Store {
  return {
    get: async (key) => store.get(key),
    getMany: async (keys) => store.getMany(keys),
    put: async (item, condition) => void store.put(item, condition),
    update: async (key, change, condition) => store.update(key, change, condition),
    delete: async (key, condition) => store.delete(key, condition),
    query: async (query) => store.query(query),
    count: async (query) => store.count(query),
  }
}

function keysOf(item: Item, index: IndexName | undefined): Position {
  if (index === 'members') return { pk: item.pk, sk: item.sk, m_pk: item.m_pk as string, m_sk: item.m_sk as string }
  if (index === 'open') return { pk: item.pk, sk: item.sk, o_pk: item.o_pk as string, o_sk: item.o_sk as string }
  return { pk: item.pk, sk: item.sk }
}

/** Returns the entry that stands in the index now: the one before when its keys are the same. */
function move(
  index: Map<string, Position[]>,
  was: Position | undefined,
  is: Position | undefined,
  pkName: string,
  skName: string,
): Position | undefined {
  if (was && is && was[pkName] === is[pkName]) {
    if (was[skName] === is[skName]) return was
    place(index, is[pkName]!, was, is, skName)
    return is
  }
  if (was) place(index, was[pkName]!, was, undefined, skName)
  if (is) place(index, is[pkName]!, undefined, is, skName)
  return is
}

/** Partitions are short here: a scan beats a bisection. */
function place<T extends Item>(
  partitions: Map<string, T[]>,
  pk: string,
  before: T | undefined,
  after: T | undefined,
  skName: string,
): void {
  const items = partitions.get(pk)
  if (!items) {
    if (after) partitions.set(pk, [after])
    return
  }
  if (before) {
    const at = items.indexOf(before)
    if (after && before[skName] === after[skName]) {
      items[at] = after
      return
    }
    if (at >= 0) items.splice(at, 1)
  }
  if (after) {
    let at = items.length
    while (at > 0 && inOrder(items[at - 1]!, after, skName) > 0) at--
    items.splice(at, 0, after)
  }
  if (items.length === 0) partitions.delete(pk)
}

function inOrder(a: Item, b: Item, skName: string): number {
  return (
    compareStrings(a[skName] as string, b[skName] as string) || compareStrings(a.pk, b.pk) || compareStrings(a.sk, b.sk)
  )
}

/**
 * Made of spreads: a record that is given its attributes one by one, or loses one by `delete`, is a dictionary to V8, which
 * is copied and read at a quarter of the speed.
 */
function changed(key: Key, before: Item | undefined, { set, setOnce, add, remove }: Change): Item {
  const kept = before ? without(before, remove) : { pk: key.pk, sk: key.sk }
  const after: Item = set ? { ...kept, ...(copyJson(set as Json) as Item) } : { ...kept }
  for (const attribute in setOnce) {
    const value: Json | undefined = setOnce[attribute]
    if (value !== undefined && after[attribute] === undefined) after[attribute] = copyJson(value)
  }
  for (const attribute in add) {
    const old = after[attribute] === undefined ? 0 : after[attribute]
    if (typeof old !== 'number')
      throw new LongshoreError('internal', `the change of ${key.pk} adds to ${attribute}, which is not a number`)
    after[attribute] = old + add[attribute]!
  }
  return after
}

function without(item: Item, attributes: readonly string[] | undefined): Item {
  let rest = item
  for (const attribute of attributes ?? [])
    if (rest[attribute] !== undefined) {
      const { [attribute]: _, ...others } = rest
      rest = others as Item
    }
  return rest
}
