/** Fields of JSON that others wrote: only what an object owns is looked at, so that `__proto__` is a key like others. */
import { own } from '../packages/json.ts'

export { own }

/** A text field; undefined when it is none or empty. */
export function textOf(value: unknown, key: string): string | undefined {
  const text = own(value, key)
  return typeof text === 'string' && text !== '' ? text : undefined
}

/** A list field; empty when it is none. */
export function listOf(value: unknown, key: string): unknown[] {
  const list = own(value, key)
  return Array.isArray(list) ? list : []
}

/** `[{name, value}]` as a map; of a name that is there twice the first counts. */
export function propertiesOf(value: unknown): Map<string, string> {
  const properties = new Map<string, string>()
  for (const property of listOf(value, 'properties')) {
    const name = textOf(property, 'name')
    const text = textOf(property, 'value')
    if (name !== undefined && text !== undefined && !properties.has(name)) properties.set(name, text)
  }
  return properties
}
