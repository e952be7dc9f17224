/** RubyGems: the order of Gem::Version. */
import { type Comparator, isNumeric, orderDigits, orderLists, orderText } from './order.ts'

function trimZeros(segments: string[]): string[] {
  let end = segments.length
  while (end > 0 && /^0+$/.test(segments[end - 1]!)) end--
  return segments.slice(0, end)
}

/** Runs of digits and of letters; a hyphen means a prerelease; zeros at the end of either half do not count. */
function segments(text: string): string[] {
  const all = text.replaceAll('-', '.pre.').match(/[0-9]+|[a-z]+/gi) ?? []
  const word = all.findIndex((segment) => !isNumeric(segment))
  if (word < 0) return trimZeros(all)
  return [...trimZeros(all.slice(0, word)), ...trimZeros(all.slice(word))]
}

/** A word is lower than a number, so `1.0.rc1 < 1.0`. */
export const compareRubygems: Comparator = (a, b) =>
  orderLists(segments(a), segments(b), '0', (x, y) => {
    const left = isNumeric(x)
    const right = isNumeric(y)
    if (left && right) return orderDigits(x, y)
    if (left !== right) return left ? 1 : -1
    return orderText(x, y)
  })
