/**
 * Constraints on versions as package managers write them (`>= 1.0, < 1.2.3`, `^1.2`, `~> 2.1.1`, `1.2.x`), as plain
 * comparisons. What `^` and `~` mean differs by ecosystem; what is not known for sure is undefined, never guessed.
 */

/** `>=1.0`: an operator of `< <= > >= =`, and the version. All of a list hold together. */
export type Comparison = string

/** What stands directly below all releases and pre-releases of a version: a bound that leaves both out. */
const BELOW: Record<string, string> = {
  npm: '-0',
  'crates.io': '-0',
  RubyGems: '.a',
  PyPI: '.dev0',
  Packagist: '-dev',
}
/** Semantic versions have three numbers. */
const THREE = new Set(['npm', 'crates.io'])

const OPERATORS: Record<string, string> = { '': '=', '==': '=', '=>': '>=', '=<': '<=' }
const PART = /^(\^|~>|~=|~|>=|=>|<=|=<|==|=|>|<)?\s*([^\s<>=!,|^~()[\]]+)$/
const NUMBERS = /^[vV]?(\d+(?:\.\d+)*)/
/** `1.2.x`, `1.*`: any number from there on. */
const WILD = /^(?:[vV]?(\d+(?:\.\d+)*)\.)?[xX*](?:\.[xX*])*$/
const HYPHEN = /^\s*(\S+)\s+-\s+(\S+)\s*$/
/** Maven's and NuGet's: `[1.0,2.0)`, `(,1.0]`, `[1.0]`. */
const INTERVAL = /^\s*([[(])\s*([^,[\]()]*?)\s*(?:(,)\s*([^,[\]()]*?)\s*)?([\])])\s*$/

/** The first version above all that share the numbers up to this one. */
function above(ecosystem: string, numbers: readonly string[], last: number): string {
  const bumped = [...numbers.slice(0, last), String(Number(numbers[last]) + 1)]
  if (THREE.has(ecosystem)) while (bumped.length < 3) bumped.push('0')
  return bumped.join('.') + (BELOW[ecosystem] ?? '')
}

/** Which number of a version may not change. */
function heldBy(operator: string, ecosystem: string, numbers: readonly string[]): number {
  const last = numbers.length - 1
  if (operator === '^') {
    const significant = numbers.findIndex((number) => Number(number) !== 0)
    return significant < 0 ? last : significant
  }
  // npm takes `~>` for `~`; Composer's `~` lets the last number go up, as RubyGems' `~>` does.
  const pessimistic = ecosystem !== 'npm' && (operator !== '~' || ecosystem === 'Packagist')
  return pessimistic ? Math.max(0, last - 1) : Math.min(1, last)
}

function partOf(part: string, ecosystem: string): Comparison[] | undefined {
  const [, operator = '', version] = PART.exec(part) ?? []
  if (version === undefined) return undefined
  const wild = WILD.exec(version)
  if (wild) {
    const numbers = wild[1]?.split('.')
    const plain = OPERATORS[operator] ?? operator
    // Everything, or nothing at all, which nobody means.
    if (!numbers) return plain === '<' || plain === '>' ? undefined : []
    const from = numbers.join('.')
    const end = above(ecosystem, numbers, numbers.length - 1)
    if (plain === '>=' || plain === '<') return [`${plain}${from}`]
    if (plain === '<=') return [`<${end}`]
    if (plain === '>') return [`>=${end}`]
    return plain === '=' ? [`>=${from}`, `<${end}`] : partOf(`${operator}${from}`, ecosystem)
  }
  if (operator !== '^' && !operator.startsWith('~')) return [`${OPERATORS[operator] ?? operator}${version}`]
  const numbers = NUMBERS.exec(version)?.[1]?.split('.')
  if (!numbers || numbers.some((number) => number.length > 15)) return undefined
  return [`>=${version}`, `<${above(ecosystem, numbers, heldBy(operator, ecosystem, numbers))}`]
}

/** One alternative, without `||`. An empty one holds for every version; undefined for one of another kind. */
export function comparisonsOf(expression: string, ecosystem: string): Comparison[] | undefined {
  const interval = INTERVAL.exec(expression)
  if (interval) {
    const [, opens, from = '', comma, to = '', closes] = interval
    if (!comma) return opens === '[' && closes === ']' && from ? [`=${from}`] : undefined
    return [
      ...(from ? [`${opens === '[' ? '>=' : '>'}${from}`] : []),
      ...(to ? [`${closes === ']' ? '<=' : '<'}${to}`] : []),
    ]
  }
  const hyphen = HYPHEN.exec(expression)
  const text = hyphen ? `>=${hyphen[1]} <=${hyphen[2]}` : expression
  const found: Comparison[] = []
  for (const part of text.replace(/([<>=~^]+)\s+/g, '$1').split(/[\s,]+/)) {
    if (part === '') continue
    const comparisons = partOf(part, ecosystem)
    if (!comparisons) return undefined
    found.push(...comparisons)
  }
  return found
}

const COMPARISON = /^(<=?|>=?|=)(.+)$/s

/** A comparison taken apart; undefined when it is none. */
export function readComparison(text: string): { operator: '<' | '<=' | '>' | '>=' | '='; version: string } | undefined {
  const [, operator, version] = COMPARISON.exec(text) ?? []
  return version === undefined ? undefined : { operator: operator as '<', version }
}
