/**
 * What may be stored: the rules DynamoDB has for items, keys and changes, checked before a write by every twin, so
 * that a record the cloud would refuse is refused on the laptop and in the simulator too (dynalite lets an empty
 * index key pass).
 */
import { LongshoreError } from '../errors.ts'
import type { Json } from '../glossary.ts'
import { type Change, INDEXES, type Item, type Key } from './port.ts'

/** DynamoDB's limit of one item, attribute names included. */
export const ITEM_BYTES_MAX = 409_600
/** DynamoDB's limits of a partition key and of a sort key, of the table and of indexes alike. */
const PARTITION_KEY_BYTES_MAX = 2_048
const SORT_KEY_BYTES_MAX = 1_024

const KEY_ATTRIBUTES: readonly [attribute: string, bytesMax: number][] = [
  [INDEXES.members.pk, PARTITION_KEY_BYTES_MAX],
  [INDEXES.members.sk, SORT_KEY_BYTES_MAX],
  [INDEXES.open.pk, PARTITION_KEY_BYTES_MAX],
  [INDEXES.open.sk, SORT_KEY_BYTES_MAX],
]

/** Throws `internal` unless the item can be addressed. */
export function assertKey(key: Key): void {
  assertKeyAttribute('pk', key.pk, PARTITION_KEY_BYTES_MAX)
  assertKeyAttribute('sk', key.sk, SORT_KEY_BYTES_MAX)
}

/** Throws `internal` when the key or an index key cannot be one. Absent index keys are fine: indexes are sparse. */
export function assertItem(item: Item): void {
  assertKey(item)
  assertIndexKeys(item)
}

function assertIndexKeys(attributes: { [attribute: string]: Json | undefined }): void {
  for (const [attribute, bytesMax] of KEY_ATTRIBUTES) {
    const value = attributes[attribute]
    if (value !== undefined) assertKeyAttribute(attribute, value, bytesMax)
  }
}

function assertKeyAttribute(attribute: string, value: Json | undefined, bytesMax: number): void {
  if (typeof value !== 'string' || value === '')
    throw new LongshoreError(
      'internal',
      `the key attribute ${attribute} must be a string that is not empty; remove it instead`,
    )
  if (value.length * 3 > bytesMax && Buffer.byteLength(value) > bytesMax)
    throw new LongshoreError(
      'internal',
      `the key attribute ${attribute} is longer than ${bytesMax} bytes: ${value.slice(0, 40)}...`,
    )
}

/** Throws `internal` when an attribute is changed twice, a key of the table is changed, or a sum would not be exact. */
export function assertChange(key: Key, change: Change): void {
  assertKey(key)
  const seen = new Set<string>(['pk', 'sk'])
  const once = (attribute: string) => {
    if (seen.has(attribute))
      throw new LongshoreError(
        'internal',
        `the change of ${key.pk} names ${attribute} twice or changes a key of the table`,
      )
    seen.add(attribute)
  }
  for (const set of [change.set, change.setOnce]) {
    if (!set) continue
    assertIndexKeys(set)
    for (const attribute in set) if (set[attribute] !== undefined) once(attribute)
  }
  for (const attribute in change.add) {
    once(attribute)
    // DynamoDB adds decimals, JavaScript adds doubles: only whole numbers give the same sum everywhere.
    if (!Number.isSafeInteger(change.add[attribute]))
      throw new LongshoreError(
        'internal',
        `the change of ${key.pk} adds ${change.add[attribute]} to ${attribute}; only whole numbers can be added`,
      )
  }
  for (const attribute of change.remove ?? []) once(attribute)
}

/** A deep copy without `undefined` (and without keys named `__proto__`, which would not be data). Throws `internal` on a number that DynamoDB cannot hold. */
export function copyItem(item: Item): Item {
  const copy: Item = { ...item }
  for (const attribute in item) {
    const value = item[attribute]
    if (value === undefined || attribute === '__proto__') delete copy[attribute]
    else copy[attribute] = copyJson(value)
  }
  return copy
}

export function copyJson(value: Json): Json {
  if (typeof value === 'number') return storable(value)
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(copyJson)
  const copy: { [key: string]: Json } = {}
  for (const key in value) {
    const child = value[key]
    if (child !== undefined && key !== '__proto__') copy[key] = copyJson(child)
  }
  return copy
}

/** DynamoDB numbers reach from 1e-130 to 9.99e125 and know no negative zero. */
export function storable(value: number): number {
  const size = Math.abs(value)
  if (size < 1e126 && (size >= 1e-130 || size === 0)) return value + 0
  throw new LongshoreError('internal', `the number ${value} cannot be stored`)
}

/** Throws `item-too-large` when the item would exceed 400 KB, counted as DynamoDB does. */
export function assertSize(item: Item): void {
  // Three bytes per UTF-16 unit is the most UTF-8 needs: almost every item is known to be small without encoding it.
  if (sizeOf(item, (text) => text.length * 3) <= ITEM_BYTES_MAX) return
  const bytes = sizeOf(item, (text) => Buffer.byteLength(text))
  if (bytes > ITEM_BYTES_MAX) throw itemTooLarge(item, `${bytes} bytes`)
}

export const itemTooLarge = (key: Key, size: string, cause?: unknown): LongshoreError =>
  new LongshoreError(
    'item-too-large',
    `the item ${key.pk} ${key.sk} would be ${size} large; the store takes ${ITEM_BYTES_MAX} bytes, put the content into a blob`,
    { cause },
  )

function sizeOf(item: Item, bytesOf: (text: string) => number): number {
  let bytes = 0
  for (const attribute in item) {
    const value = item[attribute]
    if (value !== undefined) bytes += bytesOf(attribute) + sizeOfValue(value, bytesOf)
  }
  return bytes
}

/** Sizes as in "DynamoDB item sizes and formats": a container costs 3 bytes and 1 per element, a number about half its digits. */
function sizeOfValue(value: Json, bytesOf: (text: string) => number): number {
  if (typeof value === 'string') return bytesOf(value)
  if (typeof value === 'number') return 2 + String(value).length / 2
  if (value === null || typeof value === 'boolean') return 1
  let bytes = 3
  if (Array.isArray(value)) {
    for (const child of value) bytes += 1 + sizeOfValue(child, bytesOf)
    return bytes
  }
  for (const key in value) {
    const child = value[key]
    if (child !== undefined) bytes += 1 + bytesOf(key) + sizeOfValue(child, bytesOf)
  }
  return bytes
}
