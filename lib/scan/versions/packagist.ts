/** Packagist: PHP's version_compare, after the leading `v` that Composer drops. */
import { type Comparator, isNumeric, type Order, order, orderDigits } from './order.ts'

/** By prefix, as PHP looks them up; `#` stands for any number. A word it does not know is below them all. */
const FORMS: [prefix: string, weight: number][] = [
  ['dev', 0],
  ['a', 1],
  ['b', 2],
  ['RC', 3],
  ['rc', 3],
  ['#', 4],
  ['p', 5],
]
const NUMBER = 4

const weight = (word: string): number => FORMS.find(([prefix]) => word.startsWith(prefix))?.[1] ?? -1

const parts = (text: string): string[] =>
  text
    .replace(/^[vV]/, '')
    .replace(/[-_+]/g, '.')
    .replace(/([^0-9.])(?=[0-9])/g, '$1.')
    .replace(/([0-9])(?=[^0-9.])/g, '$1.')
    .split('.')
    .filter((part) => part !== '')

function orderParts(a: string, b: string): Order {
  const left = isNumeric(a)
  const right = isNumeric(b)
  if (left && right) return orderDigits(a, b)
  return order(left ? NUMBER : weight(a), right ? NUMBER : weight(b))
}

/** One more number makes a version newer; one more word is judged as if it stood against a number. */
const extra = (part: string): Order => (isNumeric(part) ? 1 : order(weight(part), NUMBER))

export const comparePackagist: Comparator = (a, b) => {
  const left = parts(a)
  const right = parts(b)
  const shared = Math.min(left.length, right.length)
  for (let i = 0; i < shared; i++) {
    const result = orderParts(left[i]!, right[i]!)
    if (result !== 0) return result
  }
  // After a `#` that equals the missing number the next part decides.
  for (let i = shared; i < Math.max(left.length, right.length); i++) {
    const longer = left.length > right.length
    const result = extra((longer ? left : right)[i]!)
    if (result !== 0) return longer ? result : (-result as Order)
  }
  return 0
}
