/** Semantic versions and their relatives: npm, Go, crates.io, Hex, Pub, NuGet; semver.org 2.0.0 section 11. */
import { type Comparator, isNumeric, type Order, order, orderDigits, orderLists, orderText } from './order.ts'

interface SemverLike {
  numbers: string[]
  /** Without the hyphen; undefined for a release. */
  prerelease: string[] | undefined
  build: string
}

const LIKE = /^\s*[vV=]*\s*((?:[0-9]+\.?)*)(.*?)\s*$/s

/** Loose as registries are: a leading `v`, fewer or more than three numbers, a prerelease without its hyphen. */
function parse(text: string): SemverLike {
  const match = LIKE.exec(text)
  const numbers = (match?.[1] ?? '').split('.').filter((part) => part !== '')
  const tail = match?.[2] ?? ''
  const plus = tail.indexOf('+')
  const before = plus < 0 ? tail : tail.slice(0, plus)
  const prerelease = before.startsWith('-') ? before.slice(1) : before
  return {
    numbers,
    prerelease: prerelease === '' ? undefined : prerelease.split('.'),
    build: plus < 0 ? '' : tail.slice(plus + 1),
  }
}

/** Numbers by value and before words; words by ASCII. */
function orderIdentifiers(a: string, b: string): Order {
  const left = isNumeric(a)
  const right = isNumeric(b)
  if (left && right) return orderDigits(a, b)
  if (left !== right) return left ? -1 : 1
  return orderText(a, b)
}

function orderPrereleases(a: string[] | undefined, b: string[] | undefined): Order {
  if (a === undefined || b === undefined) return order(a === undefined ? 1 : 0, b === undefined ? 1 : 0)
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const result = orderIdentifiers(a[i]!, b[i]!)
    if (result !== 0) return result
  }
  return order(a.length, b.length)
}

const orderParsed = (a: SemverLike, b: SemverLike): Order =>
  orderLists(a.numbers, b.numbers, '0', orderDigits) || orderPrereleases(a.prerelease, b.prerelease)

/** Build metadata does not count. */
export const compareSemver: Comparator = (a, b) => orderParsed(parse(a), parse(b))

/** Identifier by identifier; none at all is the lowest. */
function orderBuilds(a: string, b: string): Order {
  if (a === '' || b === '') return order(a === '' ? 0 : 1, b === '' ? 0 : 1)
  return orderPrereleases(a.split('.'), b.split('.'))
}

/** Dart's Pub orders by build metadata too, after everything else. */
export const comparePub: Comparator = (a, b) => {
  const left = parse(a)
  const right = parse(b)
  return orderParsed(left, right) || orderBuilds(left.build, right.build)
}

/** NuGet: four numbers, and prereleases without regard to case. */
export const compareNuget: Comparator = (a, b) => compareSemver(a.toLowerCase(), b.toLowerCase())
