/**
 * Conditions and changes compiled to DynamoDB expressions, every name and value behind a placeholder, because half of
 * our attribute names (status, type, error) are among DynamoDB's 573 reserved words.
 */
import type { AttributeValue } from '@aws-sdk/client-dynamodb'
import { toAttribute } from './attributes.ts'
import { assertOperands, assertOrdered } from './condition.ts'
import type { Change, Condition } from './port.ts'

/** Collects the placeholders of one request. */
export class Placeholders {
  readonly #names = new Map<string, string>()
  readonly #values: Record<string, AttributeValue> = {}
  #count = 0

  name(attribute: string): string {
    const known = this.#names.get(attribute)
    if (known) return known
    const placeholder = `#n${this.#names.size}`
    this.#names.set(attribute, placeholder)
    return placeholder
  }

  value(value: AttributeValue): string {
    const placeholder = `:v${this.#count++}`
    this.#values[placeholder] = value
    return placeholder
  }

  /** The request fields; absent when there are none, because DynamoDB refuses empty ones. */
  fields(): {
    ExpressionAttributeNames?: Record<string, string>
    ExpressionAttributeValues?: Record<string, AttributeValue>
  } {
    return {
      ...(this.#names.size > 0 && {
        ExpressionAttributeNames: Object.fromEntries(
          Array.from(this.#names, ([name, placeholder]) => [placeholder, name]),
        ),
      }),
      ...(this.#count > 0 && { ExpressionAttributeValues: this.#values }),
    }
  }
}

/**
 * What an operand of AND and OR needs parentheses for. No others are written: dynalite's parser backtracks at each, and
 * with parentheses around every comparison reading a claim's condition took longer than all the rest of the claim.
 */
const isCompound = ({ op }: Condition): boolean => op === 'and' || op === 'or' || op === '<>'

/** A ConditionExpression that is true exactly when `holds` is. Throws `internal` when DynamoDB would refuse it. */
export function conditionExpression(condition: Condition, places: Placeholders): string {
  switch (condition.op) {
    case 'and':
    case 'or':
      assertOperands(condition.conditions)
      return condition.conditions
        .map((part) =>
          isCompound(part) ? `(${conditionExpression(part, places)})` : conditionExpression(part, places),
        )
        .join(condition.op === 'and' ? ' AND ' : ' OR ')
    case 'not':
      return `NOT (${conditionExpression(condition.condition, places)})`
    case 'exists':
      return `attribute_exists(${places.name(condition.attribute)})`
    case 'absent':
      return `attribute_not_exists(${places.name(condition.attribute)})`
    case 'in': {
      assertOperands(condition.values)
      const values = condition.values.map((value) => places.value(toAttribute(value)))
      return `${places.name(condition.attribute)} IN (${values.join(', ')})`
    }
    default: {
      assertOrdered(condition.op, condition.value)
      const name = places.name(condition.attribute)
      const value = toAttribute(condition.value)
      const comparison = `${name} ${condition.op} ${places.value(value)}`
      if (condition.op !== '<>') return comparison
      // Raw <> holds for an absent attribute and for one of another type; ours does not (see condition.ts).
      const type = places.value({ S: Object.keys(value)[0]! })
      return `attribute_type(${name}, ${type}) AND ${comparison}`
    }
  }
}

/** An UpdateExpression, or undefined when nothing changes (DynamoDB then only makes the item when it is absent). */
export function updateExpression(change: Change, places: Placeholders): string | undefined {
  const set: string[] = []
  for (const [attribute, value] of Object.entries(change.set ?? {})) {
    if (value !== undefined) set.push(`${places.name(attribute)} = ${places.value(toAttribute(value))}`)
  }
  for (const [attribute, value] of Object.entries(change.setOnce ?? {})) {
    const name = places.name(attribute)
    if (value !== undefined) set.push(`${name} = if_not_exists(${name}, ${places.value(toAttribute(value))})`)
  }
  const add = Object.entries(change.add ?? {}).map(
    ([attribute, value]) => `${places.name(attribute)} ${places.value(toAttribute(value))}`,
  )
  const remove = (change.remove ?? []).map((attribute) => places.name(attribute))
  const clause = (word: string, parts: string[]) => (parts.length > 0 ? [`${word} ${parts.join(', ')}`] : [])
  const clauses = [...clause('SET', set), ...clause('ADD', add), ...clause('REMOVE', remove)]
  return clauses.length > 0 ? clauses.join(' ') : undefined
}
