/**
 * Conditions on one item: how to write them so that protocol code reads like the transition table, and whether they
 * hold. `holds` is the reference: the memory twin and the simulator run it, `expression.ts` compiles to the same truth.
 *
 * @example all(eq('status', 'running'), eq('fence', 3), absent('stop'))
 *
 * One rule differs from raw DynamoDB on purpose: there `<>` is true for an absent attribute or one of another type;
 * here every comparison with those is false, so that a missing item can never satisfy one by accident.
 */
import { LongshoreError } from '../errors.ts'
import type { Json } from '../glossary.ts'
import type { Condition, Item } from './port.ts'

type Scalar = string | number | boolean
type Ordered = string | number

export const eq = (attribute: string, value: Scalar): Condition => ({ op: '=', attribute, value })
export const ne = (attribute: string, value: Scalar): Condition => ({ op: '<>', attribute, value })
export const lt = (attribute: string, value: Ordered): Condition => ({ op: '<', attribute, value })
export const le = (attribute: string, value: Ordered): Condition => ({ op: '<=', attribute, value })
export const gt = (attribute: string, value: Ordered): Condition => ({ op: '>', attribute, value })
export const ge = (attribute: string, value: Ordered): Condition => ({ op: '>=', attribute, value })
export const oneOf = (attribute: string, values: readonly Ordered[]): Condition => ({
  op: 'in',
  attribute,
  values: [...values],
})
export const exists = (attribute: string): Condition => ({ op: 'exists', attribute })
export const absent = (attribute: string): Condition => ({ op: 'absent', attribute })
export const all = (...conditions: Condition[]): Condition => ({ op: 'and', conditions })
export const any = (...conditions: Condition[]): Condition => ({ op: 'or', conditions })
export const not = (condition: Condition): Condition => ({ op: 'not', condition })

/** Whether the condition holds for the item as it is now (`undefined`: there is none). Throws `internal` when DynamoDB would refuse the condition. */
export function holds(condition: Condition, item: Item | undefined): boolean {
  switch (condition.op) {
    case 'and':
      assertOperands(condition.conditions)
      return condition.conditions.every((part) => holds(part, item))
    case 'or':
      assertOperands(condition.conditions)
      return condition.conditions.some((part) => holds(part, item))
    case 'not':
      return !holds(condition.condition, item)
    case 'exists':
      return item?.[condition.attribute] !== undefined
    case 'absent':
      return item?.[condition.attribute] === undefined
    case 'in': {
      assertOperands(condition.values)
      const actual = item?.[condition.attribute]
      return condition.values.some((value) => value === actual)
    }
    default: {
      assertOrdered(condition.op, condition.value)
      const actual = item?.[condition.attribute]
      if (typeof actual !== typeof condition.value) return false
      return compares(condition.op, order(actual as Scalar, condition.value))
    }
  }
}

function compares(op: '=' | '<>' | '<' | '<=' | '>' | '>=', sign: number): boolean {
  switch (op) {
    case '=':
      return sign === 0
    case '<>':
      return sign !== 0
    case '<':
      return sign < 0
    case '<=':
      return sign <= 0
    case '>':
      return sign > 0
    case '>=':
      return sign >= 0
  }
}

function order(a: Scalar, b: Scalar): number {
  if (typeof a === 'string' && typeof b === 'string') return compareStrings(a, b)
  return a < b ? -1 : a > b ? 1 : 0
}

/** DynamoDB takes 1 to 100 operands in IN and at least one in a conjunction. */
const OPERANDS_MAX = 100

/** Throws `internal` on a list of operands that DynamoDB refuses. */
export function assertOperands(operands: readonly (Condition | Json)[]): void {
  if (operands.length === 0 || operands.length > OPERANDS_MAX)
    throw new LongshoreError('internal', `a condition lists ${operands.length} operands; DynamoDB takes 1 to 100`)
}

/** Throws `internal` when a boolean is asked to be less or greater, which DynamoDB refuses. */
export function assertOrdered(op: string, value: Scalar): void {
  if (typeof value === 'boolean' && op !== '=' && op !== '<>')
    throw new LongshoreError(
      'internal',
      `a condition compares a boolean with "${op}"; DynamoDB orders strings and numbers only`,
    )
}

/**
 * Order of strings by their UTF-8 bytes, as DynamoDB and S3 sort. JavaScript orders UTF-16 units, which differs only
 * where a surrogate (a character above U+FFFF) meets U+E000..U+FFFF.
 */
export function compareStrings(a: string, b: string): number {
  if (a === b) return 0
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x === y) continue
    if (x >= 0xd800 && y >= 0xd800) return aboveSurrogates(x) - aboveSurrogates(y)
    return x - y
  }
  return a.length - b.length
}

/** Moves surrogates behind U+FFFF, where their code points belong. */
const aboveSurrogates = (unit: number): number => (unit >= 0xe000 ? unit - 0x800 : unit + 0x2000)
