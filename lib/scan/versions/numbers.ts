/** Plain lists of numbers: CRAN (package_version: dots and hyphens alike) and Hackage (Haskell PVP). */
import { type Comparator, order, orderDigits } from './order.ts'

/** By value; where all shared numbers are equal the longer version is newer: `1.0 < 1.0.0`. */
export const compareNumbers: Comparator = (a, b) => {
  const left = a.match(/[0-9]+/g) ?? []
  const right = b.match(/[0-9]+/g) ?? []
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const result = orderDigits(left[i]!, right[i]!)
    if (result !== 0) return result
  }
  return order(left.length, right.length)
}
