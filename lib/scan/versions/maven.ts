/**
 * Maven: the order of ComparableVersion, which is what Maven does; maven.apache.org/pom.html tells it less exactly. A
 * version is a list of numbers and qualifiers, and a hyphen or a change between digits and letters opens a list inside
 * it. A list ends with the one inside it, so that a version is a row of lists here, each one level deeper.
 */
import { type Comparator, isDigit, isNumeric, type Order, order, orderDigits, orderText } from './order.ts'

/** Digits, or a qualifier in lower case. */
type Level = string[]

/** Known qualifiers in order; the empty one is the release itself, unknown ones come after all of them. */
const QUALIFIERS = ['alpha', 'beta', 'milestone', 'rc', 'snapshot', '', 'sp']
const RELEASE = QUALIFIERS.indexOf('')
const ALIASES: Record<string, string> = { cr: 'rc', ga: '', final: '', release: '' }
/** Only directly before a number: `1a1` is `1-alpha-1`, `1a` is not. */
const SHORT: Record<string, string> = { a: 'alpha', b: 'beta', m: 'milestone' }

function qualifier(word: string, beforeNumber: boolean): string {
  if (beforeNumber && Object.hasOwn(SHORT, word)) return SHORT[word]!
  return Object.hasOwn(ALIASES, word) ? ALIASES[word]! : word
}

/** The levels as they are written. */
function split(text: string): Level[] {
  const version = text.toLowerCase()
  const levels: Level[] = [[]]
  const open = () => levels.push([])
  const add = (item: string) => levels.at(-1)!.push(item)
  /** `.X1` is as `-X1` for every word X. */
  const addWord = (word: string, beforeNumber: boolean) => {
    if (levels.at(-1)!.length > 0) open()
    add(qualifier(word, beforeNumber))
  }
  const addRun = (start: number, end: number, digits: boolean) =>
    add(start === end ? '0' : digits ? version.slice(start, end) : qualifier(version.slice(start, end), false))
  let start = 0
  let digits = false
  for (let i = 0; i < version.length; i++) {
    const code = version.charCodeAt(i)
    if (code === 46 || code === 45) {
      addRun(start, i, digits)
      if (code === 45) open()
      start = i + 1
    } else if (isDigit(code)) {
      if (!digits && i > start) {
        addWord(version.slice(start, i), true)
        open()
        start = i
      }
      digits = true
    } else {
      if (digits && i > start) {
        addRun(start, i, true)
        open()
        start = i
      }
      digits = false
    }
  }
  if (start < version.length) {
    if (digits) addRun(start, version.length, true)
    else addWord(version.slice(start), false)
  }
  return levels
}

const ZEROS = /^0+$/
const saysNothing = (item: string): boolean => item === '' || ZEROS.test(item)

/** Zeros and releases at the end of each level say nothing, nor does a level that has nothing and opens nothing. */
function parse(text: string): Level[] {
  const kept: Level[] = []
  const levels = split(text)
  for (const [i, level] of [...levels.entries()].reverse()) {
    let end = level.length
    while (end > 0 && saysNothing(level[end - 1]!)) end--
    if (end === 0 && kept.length === 0) continue
    // `1-ga-1` is `1-1`, as Maven's own documents have it; its code makes a level of nothing of the `ga`.
    const release = level.length > 0 && level.every((item) => item === '')
    if (release && isNumeric(kept.at(-1)?.[0] ?? '') && levels[i - 1]?.some((item) => !saysNothing(item))) continue
    kept.push(level.slice(0, end))
  }
  return kept.reverse()
}

const rank = (word: string): number => {
  const known = QUALIFIERS.indexOf(word)
  return known < 0 ? QUALIFIERS.length : known
}

/** An item against nothing at its place. */
const orderAlone = (item: string): Order => (isNumeric(item) ? (ZEROS.test(item) ? 0 : 1) : order(rank(item), RELEASE))

function orderItems(a: string, b: string): Order {
  const [left, right] = [isNumeric(a), isNumeric(b)]
  if (left && right) return orderDigits(a, b)
  if (left !== right) return left ? 1 : -1
  const [x, y] = [rank(a), rank(b)]
  return order(x, y) || (x === QUALIFIERS.length ? orderText(a, b) : 0)
}

/** All that the levels from `depth` on hold, against nothing: the first item that says something decides. */
function orderRest(levels: Level[], depth: number): Order {
  for (const level of levels.slice(depth))
    for (const item of level) {
      const result = orderAlone(item)
      if (result !== 0) return result
    }
  return 0
}

/** A level where the other version has an item: below numbers, above qualifiers. */
const levelAgainst = (item: string): Order => (isNumeric(item) ? -1 : 1)

export const compareMaven: Comparator = (a, b) => {
  const [left, right] = [parse(a), parse(b)]
  for (let depth = 0; depth < Math.max(left.length, right.length); depth++) {
    const [x, y] = [left[depth] ?? [], right[depth] ?? []]
    for (let i = 0; i < Math.max(x.length, y.length); i++) {
      const [one, two] = [x[i], y[i]]
      let result: Order
      if (one !== undefined && two !== undefined) result = orderItems(one, two)
      else if (one === undefined) {
        // The level below stands where its own level ends; beyond it there is nothing.
        const opens = i === x.length && depth + 1 < left.length
        result = opens ? levelAgainst(two!) : (-orderAlone(two!) as Order)
      } else {
        const opens = i === y.length && depth + 1 < right.length
        result = opens ? (-levelAgainst(one) as Order) : orderAlone(one)
      }
      if (result !== 0) return result
    }
    const [more, other] = [depth + 1 < left.length, depth + 1 < right.length]
    if (x.length === y.length && more && other) continue
    // Levels at different places do not meet: the longer list had its say above, what is left stands against nothing.
    if (x.length === y.length || x.length > y.length) {
      if (more) return orderRest(left, depth + 1)
      if (other && x.length === y.length) return -orderRest(right, depth + 1) as Order
    } else if (other) return -orderRest(right, depth + 1) as Order
    return 0
  }
  return 0
}
