/** Characters of a value that are repeated back. */
const SHOWN_MAX = 80

/** A value from outside, printable and short. Fields that hold secrets have a sentence of their own instead. */
export function shownValue(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  const plain = text.replace(/[^\x20-\x7e]/g, '?')
  return plain.length > SHOWN_MAX ? `${plain.slice(0, SHOWN_MAX - 4)}..."` : plain
}
