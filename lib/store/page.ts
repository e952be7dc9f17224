/**
 * The pure half of a query: bounds, page size and cursor, with DynamoDB's rules, shared by every twin. A cursor is the
 * whole key of the last item seen (`LastEvaluatedKey`), so it stays valid when that item is gone.
 */
import { LongshoreError } from '../errors.ts'
import type { Json } from '../glossary.ts'
import { compareStrings } from './condition.ts'
import { INDEXES, type Item, type Query } from './port.ts'

/** The port's limit; it keeps a page of index keys (at most about 1 KB each) under DynamoDB's 1 MB. */
export const PAGE_ITEMS_MAX = 1_000

/** Key attributes of an item in the table or in the index, the partition key of the queried order first. */
export type Position = { pk: string; sk: string } & { [attribute: string]: string }

export interface Bounds {
  /** Attribute names of the queried order. */
  pkName: string
  skName: string
  /** Inclusive; undefined where open. */
  from: string | undefined
  to: string | undefined
  /** No key can lie within: the answer is an empty page without asking (DynamoDB refuses such bounds). */
  empty: boolean
}

export function boundsOf(query: Pick<Query, 'index' | 'from' | 'to'>): Bounds {
  const { pk: pkName, sk: skName } = query.index ? INDEXES[query.index] : { pk: 'pk', sk: 'sk' }
  // Sort keys are never empty: an empty lower bound excludes nothing, an empty upper bound everything.
  const from = query.from === '' ? undefined : query.from
  const to = query.to
  const empty = to === '' || (from !== undefined && to !== undefined && compareStrings(from, to) > 0)
  return { pkName, skName, from, to, empty }
}

/** Throws `internal` unless the page size is a whole number from 1 to 1,000. */
export function assertLimit(limit: number): void {
  if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_ITEMS_MAX)
    throw new LongshoreError('internal', `a query asks for ${limit} items; a page has 1 to ${PAGE_ITEMS_MAX}`)
}

/** The key a page continues after. Cursors come back from users: throws `invalid-value` unless it belongs to this query. */
export function readCursor(cursor: Json | undefined, query: Query, bounds: Bounds): Position | undefined {
  if (cursor === undefined) return undefined
  const names = query.index ? ['pk', 'sk', bounds.pkName, bounds.skName] : ['pk', 'sk']
  if (typeof cursor !== 'object' || cursor === null || Array.isArray(cursor)) throw foreignCursor()
  if (Object.keys(cursor).length !== names.length) throw foreignCursor()
  const position: { [attribute: string]: string } = {}
  for (const name of names) {
    const value = cursor[name]
    if (typeof value !== 'string' || value === '') throw foreignCursor()
    position[name] = value
  }
  const sk = position[bounds.skName]!
  const outside =
    position[bounds.pkName] !== query.pk ||
    (bounds.from !== undefined && compareStrings(sk, bounds.from) < 0) ||
    (bounds.to !== undefined && compareStrings(sk, bounds.to) > 0)
  if (outside) throw foreignCursor()
  return position as Position
}

const foreignCursor = () =>
  new LongshoreError('invalid-value', 'the cursor does not belong to this list; start again without it')

/** The key attributes of an item in the queried order: what an index returns, and what a cursor is made of. */
export function positionOf(item: Item, query: Pick<Query, 'index'>): Position {
  const position: Position = { pk: item.pk, sk: item.sk }
  if (query.index) {
    const { pk, sk } = INDEXES[query.index]
    position[pk] = item[pk] as string
    position[sk] = item[sk] as string
  }
  return position
}
