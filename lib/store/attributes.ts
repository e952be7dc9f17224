/**
 * JSON as DynamoDB attribute values and back. Hand-written: the document client (`@aws-sdk/lib-dynamodb`) would be one
 * more runtime package and 10 KiB per function (325 -> 335 KiB minified) for sets, binaries and big numbers that
 * records do not have, and its numbers would not be checked against what memory holds.
 */
import type { AttributeValue } from '@aws-sdk/client-dynamodb'
import { LongshoreError } from '../errors.ts'
import type { Json } from '../glossary.ts'
import { storable } from './item.ts'
import type { Item, Key } from './port.ts'

export type Attributes = Record<string, AttributeValue>

/** The attributes of a key, an item or a nested object; `undefined` ones are left out. Throws `internal` on a number that cannot be stored. */
export function toAttributes(object: { [key: string]: Json | undefined }): Attributes {
  const attributes: Attributes = {}
  for (const key in object) {
    const value = object[key]
    if (value !== undefined && key !== '__proto__') attributes[key] = toAttribute(value)
  }
  return attributes
}

export const keyAttributes = (key: Key): Attributes => ({ pk: { S: key.pk }, sk: { S: key.sk } })

export function toAttribute(value: Json): AttributeValue {
  if (typeof value === 'string') return { S: value }
  if (typeof value === 'number') return { N: String(storable(value)) }
  if (typeof value === 'boolean') return { BOOL: value }
  if (value === null) return { NULL: true }
  if (Array.isArray(value)) return { L: value.map(toAttribute) }
  return { M: toAttributes(value) }
}

/** An item as it was stored. Throws `internal` on a type that Longshore never writes (a foreign item). */
export const toItem = (attributes: Attributes): Item => toObject(attributes) as Item

function toObject(attributes: Attributes): { [key: string]: Json } {
  const object: { [key: string]: Json } = {}
  for (const key in attributes) object[key] = toJson(attributes[key]!)
  return object
}

function toJson(value: AttributeValue): Json {
  if (value.S !== undefined) return value.S
  if (value.N !== undefined) return Number(value.N)
  if (value.BOOL !== undefined) return value.BOOL
  if (value.NULL !== undefined) return null
  if (value.L !== undefined) return value.L.map(toJson)
  if (value.M !== undefined) return toObject(value.M)
  throw new LongshoreError(
    'internal',
    `the table holds an attribute of type ${Object.keys(value)[0]}, which Longshore never writes`,
  )
}
