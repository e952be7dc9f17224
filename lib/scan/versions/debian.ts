/** Debian and Ubuntu: deb-version(7), `[epoch:]upstream[-revision]`. */
import { type Comparator, isDigit, type Order, order, orderDigits } from './order.ts'

/** Tilde before the end, the end (and a digit) before letters, letters before everything else. */
const weight = (code: number): number => {
  if (code === 126) return -1
  if (Number.isNaN(code) || isDigit(code)) return 0
  const letter = (code >= 65 && code <= 90) || (code >= 97 && code <= 122)
  return letter ? code : code + 256
}

function digitsEnd(text: string, from: number): number {
  let at = from
  while (isDigit(text.charCodeAt(at))) at++
  return at
}

/** Alternates a run of non-digits by weight and a run of digits by value, as the manual page tells it. */
function orderPart(a: string, b: string): Order {
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a.charCodeAt(i))) || (j < b.length && !isDigit(b.charCodeAt(j)))) {
      const result = order(weight(a.charCodeAt(i)), weight(b.charCodeAt(j)))
      if (result !== 0) return result
      i++
      j++
    }
    const iEnd = digitsEnd(a, i)
    const jEnd = digitsEnd(b, j)
    const result = orderDigits(a.slice(i, iEnd) || '0', b.slice(j, jEnd) || '0')
    if (result !== 0) return result
    i = iEnd
    j = jEnd
  }
  return 0
}

const EPOCH = /^([0-9]+):/

function split(text: string): { epoch: string; upstream: string; revision: string } {
  const version = text.trim()
  const epoch = EPOCH.exec(version)
  const rest = epoch ? version.slice(epoch[0].length) : version
  const dash = rest.lastIndexOf('-')
  return {
    epoch: epoch?.[1] ?? '0',
    upstream: dash < 0 ? rest : rest.slice(0, dash),
    revision: dash < 0 ? '' : rest.slice(dash + 1),
  }
}

/** Agrees with `dpkg --compare-versions` (test/lab/dpkg-versions.lab.test.ts asks it thousands of pairs). */
export const compareDebian: Comparator = (a, b) => {
  const left = split(a)
  const right = split(b)
  return (
    orderDigits(left.epoch, right.epoch) ||
    orderPart(left.upstream, right.upstream) ||
    orderPart(left.revision, right.revision)
  )
}
