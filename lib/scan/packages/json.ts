/** JSON written by others: parsed at the border, and only a value's own fields are looked at. */
import { Unreadable } from './analyzer.ts'

/** Throws Unreadable when it is not JSON, also for JSON nested deeper than the parser goes. */
export function readJson(content: Buffer): unknown {
  try {
    // Windows tools, and npm's users, begin files with a byte order mark.
    return JSON.parse(content.toString('utf8').replace(/^\ufeff/, ''))
  } catch {
    throw new Unreadable('is not JSON')
  }
}

/** A field of an object; undefined when the value is no object or only inherits the field. */
export const own = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined
