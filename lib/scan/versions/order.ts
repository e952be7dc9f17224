/** The three answers of a comparator, and the comparisons every ecosystem shares. */

export type Order = -1 | 0 | 1

/** Compares two versions of one ecosystem. Pure, never throws: a malformed version gets a place too. */
export type Comparator = (a: string, b: string) => Order

export const order = (a: number, b: number): Order => (a < b ? -1 : a > b ? 1 : 0)

/** By UTF-16 unit, which for the ASCII of versions is the order of strcmp. */
export const orderText = (a: string, b: string): Order => (a < b ? -1 : a > b ? 1 : 0)

const firstSignificant = (digits: string): number => {
  let at = 0
  while (at < digits.length - 1 && digits.charCodeAt(at) === 48) at++
  return at
}

/** Compares two runs of ASCII digits of any length by value, without big integers: dates and hashes overflow numbers. */
export function orderDigits(a: string, b: string): Order {
  const from = firstSignificant(a)
  const to = firstSignificant(b)
  const length = order(a.length - from, b.length - to)
  if (length !== 0) return length
  return orderText(from === 0 ? a : a.slice(from), to === 0 ? b : b.slice(to))
}

export const isDigit = (code: number): boolean => code >= 48 && code <= 57

const DIGITS = /^[0-9]+$/
/** Whether the text is one run of ASCII digits. */
export const isNumeric = (text: string): boolean => DIGITS.test(text)

/** Compares lists item by item; `missing` stands for what the shorter one lacks. */
export function orderLists<T>(a: readonly T[], b: readonly T[], missing: T, compare: (a: T, b: T) => Order): Order {
  const length = Math.max(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const result = compare(a[i] ?? missing, b[i] ?? missing)
    if (result !== 0) return result
  }
  return 0
}
