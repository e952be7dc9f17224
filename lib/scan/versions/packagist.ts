/** Packagist: PHP's version_compare, after the leading `v` that Composer drops. */
import { type Comparator, isDigit, order, orderDigits } from './order.ts'

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

/** Where a version ends: above all words before a release, below numbers and patches. */
const END = 3.5
/** A separator with nothing after it is below everything, its own end too. */
const NOTHING = -2

/** Of the part at a place; undefined where the version has ended. */
function rank(parts: readonly string[], i: number): number {
  const part = parts[i]
  if (part === undefined) return END
  if (part === '' && i === parts.length - 1) return NOTHING
  return startsWithDigit(part) ? NUMBER : weight(part)
}

const isAnyNumber = (part: string | undefined): boolean => part?.startsWith('#') === true

/**
 * Part by part; what the longer version has more stands against the end of the other. PHP's own answer depends on which
 * one is first when a version ends in a separator, so that `1.0.` is lower than itself: here it is lower than all others
 * that begin with 1.0, both ways round.
 */
export const comparePackagist: Comparator = (a, b) => {
  const [left, right] = [parse(a), parse(b)]
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const [x, y] = [left[i], right[i]]
    // Any number is also none.
    if ((x === undefined && isAnyNumber(y)) || (y === undefined && isAnyNumber(x))) continue
    const [one, other] = [rank(left, i), rank(right, i)]
    const numbers = one === NUMBER && other === NUMBER && !isAnyNumber(x) && !isAnyNumber(y)
    const result = numbers ? orderDigits(digits(x!), digits(y!)) : order(one, other)
    if (result !== 0) return result
  }
  return 0
}

const parse = (text: string): string[] => {
  const version = text.replace(/^[vV]/, '')
  return (version.startsWith('#') ? version : canonical(version)).split('.')
}
