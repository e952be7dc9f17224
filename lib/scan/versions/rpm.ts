/** The RPM families (Red Hat, Rocky, Alma, SUSE, ...): rpm-version(7), `[epoch:]version[-release]`. */
import { type Comparator, isDigit, type Order, order, orderDigits, orderText } from './order.ts'

const isLetter = (code: number): boolean => (code >= 65 && code <= 90) || (code >= 97 && code <= 122)
const TILDE = 126
const CARET = 94

function runEnd(text: string, from: number, belongs: (code: number) => boolean): number {
  let at = from
  while (at < text.length && belongs(text.charCodeAt(at))) at++
  return at
}

const separator = (code: number): boolean => !isDigit(code) && !isLetter(code) && code !== TILDE && code !== CARET

/** What a string goes on with, in rising order: tilde, end, caret, letters, digits. */
function nextRank(text: string, at: number): number {
  const code = text.charCodeAt(at)
  if (code === TILDE) return 0
  if (at >= text.length) return 1
  if (code === CARET) return 2
  return isLetter(code) ? 3 : 4
}

/** One part the way of rpmvercmp: runs of letters or digits, anything else only separates them. */
function orderPart(a: string, b: string): Order {
  let i = 0
  let j = 0
  for (;;) {
    i = runEnd(a, i, separator)
    j = runEnd(b, j, separator)
    const rank = nextRank(a, i)
    const result = order(rank, nextRank(b, j))
    if (result !== 0 || rank === 1) return result
    if (rank === 0 || rank === 2) {
      i++
      j++
      continue
    }
    const belongs = rank === 4 ? isDigit : isLetter
    const iEnd = runEnd(a, i, belongs)
    const jEnd = runEnd(b, j, belongs)
    const left = a.slice(i, iEnd)
    const right = b.slice(j, jEnd)
    const runs = rank === 4 ? orderDigits(left, right) : orderText(left, right)
    if (runs !== 0) return runs
    i = iEnd
    j = jEnd
  }
}

const EPOCH = /^([0-9]*):/

function split(text: string): { epoch: string; version: string; release: string | undefined } {
  const epoch = EPOCH.exec(text)
  const rest = epoch ? text.slice(epoch[0].length) : text
  const dash = rest.lastIndexOf('-')
  return {
    epoch: epoch?.[1] || '0',
    version: dash < 0 ? rest : rest.slice(0, dash),
    release: dash < 0 ? undefined : rest.slice(dash + 1),
  }
}

/** A version without a release is lower than the same one with any. */
export const compareRpm: Comparator = (a, b) => {
  const left = split(a)
  const right = split(b)
  const result = orderDigits(left.epoch, right.epoch) || orderPart(left.version, right.version)
  if (result !== 0) return result
  if (left.release === undefined || right.release === undefined)
    return order(left.release === undefined ? 0 : 1, right.release === undefined ? 0 : 1)
  return orderPart(left.release, right.release)
}
