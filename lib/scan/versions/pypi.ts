/** Python: PEP 440, and below all of it the versions from before it, ordered as setuptools once did. */
import { type Comparator, isDigit, isNumeric, type Order, order, orderDigits, orderLists, orderText } from './order.ts'

interface Pep440 {
  epoch: string
  release: string[]
  /** `rank` orders the phases; absent parts are ranked so that the order of PEP 440 falls out. */
  pre: { rank: number; number: string }
  post: string | undefined
  dev: string | undefined
  local: string[] | undefined
}

// PEP 440 appendix B, in our own arrangement: epoch, release, pre, post (implicit or named), dev, local.
const PATTERN = new RegExp(
  [
    /^\s*v?(?:([0-9]+)!)?([0-9]+(?:\.[0-9]+)*)/,
    /(?:[-_.]?(alpha|beta|preview|pre|rc|a|b|c)[-_.]?([0-9]*))?/,
    /(?:-([0-9]+)|[-_.]?(post|rev|r)[-_.]?([0-9]*))?/,
    /(?:[-_.]?(dev)[-_.]?([0-9]*))?/,
    /(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?\s*$/,
  ]
    .map((part) => part.source)
    .join(''),
)

const PHASE: Record<string, number> = { a: 1, alpha: 1, b: 2, beta: 2, c: 3, rc: 3, pre: 3, preview: 3 }

function parse(text: string): Pep440 | undefined {
  const match = PATTERN.exec(text)
  if (!match) return undefined
  const [, epoch, release, phase, phaseNumber, implicitPost, post, postNumber, dev, devNumber, local] = match
  const postValue = implicitPost ?? (post === undefined ? undefined : postNumber || '0')
  const devValue = dev === undefined ? undefined : devNumber || '0'
  // A bare development release comes before every pre-release; a release comes after them.
  const absent = postValue === undefined && devValue !== undefined ? 0 : 4
  return {
    epoch: epoch ?? '0',
    release: release!.split('.'),
    pre: phase === undefined ? { rank: absent, number: '0' } : { rank: PHASE[phase]!, number: phaseNumber || '0' },
    post: postValue,
    dev: devValue,
    local: local?.split(/[-_.]/),
  }
}

/** Where an absent part stands: before all numbers (`post`) or after them (`dev`). */
const orderOptional = (a: string | undefined, b: string | undefined, absent: -1 | 1): Order => {
  if (a !== undefined && b !== undefined) return orderDigits(a, b)
  return order(a === undefined ? absent : 0, b === undefined ? absent : 0)
}

function orderLocal(a: string[] | undefined, b: string[] | undefined): Order {
  return orderLists<string>(a ?? [], b ?? [], '', (x, y) => {
    if (x === '' || y === '') return order(x === '' ? 0 : 1, y === '' ? 0 : 1)
    const left = isNumeric(x)
    const right = isNumeric(y)
    if (left && right) return orderDigits(x, y)
    if (left !== right) return left ? 1 : -1
    return orderText(x, y)
  })
}

const LEGACY_WORDS: Record<string, string> = { pre: 'c', preview: 'c', rc: 'c', '-': 'final-', dev: '@' }

/**
 * Words get a star and numbers are padded, so that plain text order of the parts does the rest; trailing zeros do not
 * count. What stands between words and numbers is a part too.
 */
function legacyKey(text: string): string[] {
  const parts: string[] = []
  for (const token of [...text.split(/([0-9]+|[a-z]+|\.|-)/), 'final']) {
    if (token === '' || token === '.') continue
    if (isDigit(token.charCodeAt(0))) {
      parts.push(token.padStart(8, '0'))
      continue
    }
    const word = `*${Object.hasOwn(LEGACY_WORDS, token) ? LEGACY_WORDS[token] : token}`
    if (word < '*final') while (parts.at(-1) === '*final-') parts.pop()
    while (parts.at(-1) === '00000000') parts.pop()
    parts.push(word)
  }
  return parts
}

export const comparePypi: Comparator = (a, b) => {
  const x = a.toLowerCase()
  const y = b.toLowerCase()
  const left = parse(x)
  const right = parse(y)
  if (!left || !right) return left || right ? (left ? 1 : -1) : orderLists(legacyKey(x), legacyKey(y), '', orderText)
  return (
    orderDigits(left.epoch, right.epoch) ||
    orderLists(left.release, right.release, '0', orderDigits) ||
    order(left.pre.rank, right.pre.rank) ||
    orderDigits(left.pre.number, right.pre.number) ||
    orderOptional(left.post, right.post, -1) ||
    orderOptional(left.dev, right.dev, 1) ||
    orderLocal(left.local, right.local)
  )
}
