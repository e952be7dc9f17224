/** Packagist: PHP's version_compare, after the leading `v` that Composer drops. */
import { type Comparator, isDigit, type Order, order, orderDigits } from './order.ts'

/** By prefix, in the order in which PHP looks them up; `#` stands for any number. An unknown word is below them all. */
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
const startsWithDigit = (part: string): boolean => isDigit(part.charCodeAt(0))

/** `#` too: it stands for any number in the published cases, though today's PHP drops it. */
const isKept = (char: string): boolean => /[0-9A-Za-z#]/.test(char)
const isSeparator = (char: string): boolean => char === '-' || char === '_' || char === '+'
const isDigitText = (char: string): boolean => char >= '0' && char <= '9'

/** Dots for separators and at every change between digits and words. The first character stays as it is. */
function canonical(text: string): string {
  let last = text[0] ?? ''
  let out = last
  for (const char of text.slice(1)) {
    const changes =
      (!isDigitText(last) && last !== '.' && isDigitText(char)) ||
      (isDigitText(last) && !isDigitText(char) && char !== '.' && !isSeparator(char))
    const dotted = out.endsWith('.')
    if (changes) out += dotted ? char : `.${char}`
    else if (isKept(char)) out += char
    else if (!dotted) out += '.'
    last = char
  }
  return out
}

/** A number of PHP ends at its first other character. */
const digits = (part: string): string => /^[0-9]+/.exec(part)![0]

function orderParts(a: string, b: string): Order {
  const [left, right] = [startsWithDigit(a), startsWithDigit(b)]
  if (left && right) return orderDigits(digits(a), digits(b))
  return order(left ? NUMBER : weight(a), right ? NUMBER : weight(b))
}

/** What the longer version has more: a number makes it newer, anything else is judged as if it stood against a number. */
function orderExtra(rest: string[]): Order {
  if (startsWithDigit(rest[0]!)) return 1
  return rest.length === 1 && rest[0] === '' ? -1 : orderCanonical(rest, ['#N#'])
}

function orderCanonical(a: string[], b: string[]): Order {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    // PHP ends where a part begins that has nothing in it, as after a dot at the end.
    if (i > 0 && ((a[i] === '' && i === a.length - 1) || (b[i] === '' && i === b.length - 1))) {
      if (a[i] === '' && i === a.length - 1 && b[i] === '' && i === b.length - 1) return orderExtra(a.slice(i))
      return a.length > i ? orderExtra(a.slice(i)) : 0
    }
    const result = orderParts(a[i]!, b[i]!)
    if (result !== 0) return result
  }
  if (a.length > shared) return orderExtra(a.slice(shared))
  return b.length > shared ? (-orderExtra(b.slice(shared)) as Order) : 0
}

const parse = (text: string): string[] => {
  const version = text.replace(/^[vV]/, '')
  return (version.startsWith('#') ? version : canonical(version)).split('.')
}

export const comparePackagist: Comparator = (a, b) => {
  const [left, right] = [parse(a), parse(b)]
  const [x, y] = [left.length === 1 && left[0] === '', right.length === 1 && right[0] === '']
  if (x || y) return order(x ? 0 : 1, y ? 0 : 1)
  return orderCanonical(left, right)
}
