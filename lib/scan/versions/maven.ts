/** Maven: the version order specification of maven.apache.org/pom.html, with what its implementation adds. */
import { type Comparator, isNumeric, type Order, order, orderDigits, orderText } from './order.ts'

interface Token {
  separator: '' | '.' | '-'
  value: string
  /** Stands in for a token the shorter version lacks. */
  padding?: boolean
}

/** Known qualifiers in order; the empty one is the release itself, unknown ones come after all of them. */
const QUALIFIERS = ['alpha', 'beta', 'milestone', 'rc', 'snapshot', '', 'sp']
const ALIASES: Record<string, string> = { cr: 'rc', ga: '', final: '', release: '' }
/** Only directly before a number: `1a1` is `1-alpha-1`, `1a` is not. */
const SHORT: Record<string, string> = { a: 'alpha', b: 'beta', m: 'milestone' }

function normalise(raw: string, beforeNumber: boolean): string {
  const word = raw.toLowerCase()
  if (word === '') return '0'
  if (isNumeric(word)) return word.replace(/^0+(?=.)/, '')
  if (Object.hasOwn(ALIASES, word)) return ALIASES[word]!
  return beforeNumber && Object.hasOwn(SHORT, word) ? SHORT[word]! : word
}

/** Splits at dots, hyphens and every change between digits and anything else, which counts as a hyphen. */
function tokens(text: string): Token[] {
  const found: Token[] = []
  let separator: Token['separator'] = ''
  for (const piece of text.split(/([.-])/)) {
    if (piece === '.' || piece === '-') {
      separator = piece
      continue
    }
    const runs = piece.match(/[0-9]+|[^0-9]+/g) ?? ['']
    for (const [i, run] of runs.entries())
      found.push({ separator: i === 0 ? separator : '-', value: normalise(run, i < runs.length - 1) })
  }
  return found
}

/** Trailing zeros and releases say nothing, at the end and before every hyphen. */
function trim(all: Token[]): Token[] {
  const kept = [...all]
  let at = kept.length - 1
  while (at > 0) {
    if (kept[at]!.value === '0' || kept[at]!.value === '') {
      kept.splice(at, 1)
      at--
      continue
    }
    while (at >= 0 && kept[at]!.separator !== '-') at--
    at--
  }
  return kept
}

const pad = (other: Token): Token => ({
  separator: other.separator,
  // `sp` alone is above the empty qualifier and must meet it as a qualifier, not as a number.
  value: other.separator === '.' && other.value !== 'sp' ? '0' : '',
  padding: true,
})

/** `.qualifier` < `-qualifier` < `-number` < `.number` */
function kind(token: Token): number {
  const number = isNumeric(token.value)
  return token.separator === '-' ? (number ? 2 : 1) : number ? 3 : 0
}

function orderTokens(a: Token, b: Token): Order {
  if (a.separator !== b.separator) return order(kind(a), kind(b))
  const left = isNumeric(a.value)
  const right = isNumeric(b.value)
  if (left && right) return orderDigits(a.value, b.value)
  if (left && !a.padding) return 1
  if (right && !b.padding) return -1
  const known = QUALIFIERS.length
  const leftRank = QUALIFIERS.indexOf(a.value)
  const rightRank = QUALIFIERS.indexOf(b.value)
  if (leftRank < 0 && rightRank < 0) return orderText(a.value, b.value)
  return order(leftRank < 0 ? known : leftRank, rightRank < 0 ? known : rightRank)
}

export const compareMaven: Comparator = (a, b) => {
  const left = trim(tokens(a))
  const right = trim(tokens(b))
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const x = left[i] ?? pad(right[i]!)
    const y = right[i] ?? pad(left[i]!)
    const result = orderTokens(x, y)
    if (result !== 0) return result
  }
  return 0
}
