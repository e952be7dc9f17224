/**
 * Alpine, Wolfi, Chainguard: apk-package(5), `number{.number}...{letter}{_suffix{number}}...{~hash}{-r#}`.
 * Real data holds versions outside that grammar; they follow the valid version they begin with, lower than it.
 */
import { type Comparator, isNumeric, type Order, order, orderDigits, orderLists, orderText } from './order.ts'

/** In sorting order; the empty one is "no suffix". */
const SUFFIXES = ['alpha', 'beta', 'pre', 'rc', '', 'cvs', 'svn', 'git', 'hg', 'p']
const NO_LETTER = { letter: '', number: '' }
const NO_SUFFIX = { weight: SUFFIXES.indexOf(''), number: '' }

interface ApkVersion {
  numbers: string[]
  /** One letter, or letters with a number each, as upstreams write patch levels (`4.2.8p10`) and apk 2 took them. */
  letters: { letter: string; number: string }[]
  suffixes: { weight: number; number: string }[]
  hash: string
  revision: string
  /** Whether the revision was written: `1` and `1-r0` are told apart by nothing else. */
  built: boolean
  /** What the grammar does not take; empty for a valid version. */
  rest: string
}

/** A dot may be left over at the end, as in `1.18.-r2`: it counts as one more number, below all. */
const NUMBERS = /^\.*[0-9]+(?:\.+[0-9]+)*(?:\.(?=-r|$))?/
const LETTER = /^([a-z])([0-9]*)/
const SUFFIX = /^_(alpha|beta|pre|rc|cvs|svn|git|hg|p)([0-9]*)(?![a-z])/
const HASH = /^~[0-9a-f]+/
const REVISION = /^-r([0-9]*)/

function parse(text: string): ApkVersion {
  let rest = text
  const take = (pattern: RegExp): RegExpExecArray | null => {
    const match = pattern.exec(rest)
    if (match) rest = rest.slice(match[0].length)
    return match
  }
  const numbers = take(NUMBERS)?.[0].split('.') ?? []
  const letters: ApkVersion['letters'] = []
  for (let match = take(LETTER); match; match = match[2] ? take(LETTER) : null)
    letters.push({ letter: match[1]!, number: match[2]! })
  const suffixes: ApkVersion['suffixes'] = []
  for (let match = take(SUFFIX); match; match = take(SUFFIX))
    suffixes.push({ weight: SUFFIXES.indexOf(match[1]!), number: match[2]! })
  const hash = take(HASH)?.[0] ?? ''
  const revision = take(REVISION)?.[1]
  // A build part that cannot be read is broken in one way only: how it goes on is not looked at.
  const broken = rest.startsWith('-') || (revision !== undefined && rest !== '')
  return {
    numbers,
    letters,
    suffixes,
    hash,
    revision: revision || '0',
    built: revision !== undefined && !broken,
    rest: broken ? '-' : rest,
  }
}

/** As in Gentoo: after the first number a leading zero makes the comparison one of text, as of a decimal fraction. */
function orderNumbers(a: string[], b: string[]): Order {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const left = a[i]
    const right = b[i]
    if (left === undefined || right === undefined) return left === undefined ? -1 : 1
    const asText = left === '' || right === '' || (i > 0 && (left[0] === '0' || right[0] === '0'))
    const result = asText ? orderText(left, right) : orderDigits(left, right)
    if (result !== 0) return result
  }
  return 0
}

/** An absent number is lower than 0: `1_p < 1_p0`. */
const orderOptional = (a: string | undefined, b: string | undefined): Order =>
  a && b ? orderDigits(a, b) : order(a ? 1 : 0, b ? 1 : 0)

const RUNS = /[0-9]+|[^0-9]+/g

function orderRest(a: string, b: string): Order {
  if (a === '' || b === '') return order(a === '' ? 1 : 0, b === '' ? 1 : 0)
  if (isNumeric(a) && isNumeric(b)) return orderDigits(a, b)
  const digit = order(isNumeric(a) ? 0 : 1, isNumeric(b) ? 0 : 1)
  if (digit !== 0) return digit
  const [left, right] = [a.match(RUNS)!, b.match(RUNS)!]
  return orderLists(left, right, '', (x, y) => (isNumeric(x) && isNumeric(y) ? orderDigits(x, y) : orderText(x, y)))
}

/** Agrees with `apk version -t` of apk-tools 3 on valid versions. */
export const compareAlpine: Comparator = (a, b) => {
  const left = parse(a)
  const right = parse(b)
  return (
    orderNumbers(left.numbers, right.numbers) ||
    orderLists(
      left.letters,
      right.letters,
      NO_LETTER,
      (x, y) => orderText(x.letter, y.letter) || orderOptional(x.number, y.number),
    ) ||
    orderLists(
      left.suffixes,
      right.suffixes,
      NO_SUFFIX,
      (x, y) => order(x.weight, y.weight) || orderOptional(x.number, y.number),
    ) ||
    orderText(left.hash, right.hash) ||
    orderDigits(left.revision, right.revision) ||
    orderRest(left.rest, right.rest) ||
    order(left.built ? 1 : 0, right.built ? 1 : 0)
  )
}
