/** What DynamoDB and the way to it can answer, in our words: failed condition, throttled, unavailable, or our own mistake. */
import { DynamoDBServiceException } from '@aws-sdk/client-dynamodb'
import { LongshoreError } from '../errors.ts'
import { itemTooLarge } from './item.ts'
import { ConditionFailed, type Key } from './port.ts'

const THROTTLED = new Set(['ProvisionedThroughputExceededException', 'ThrottlingException', 'RequestLimitExceeded'])
/** The request itself is wrong: another attempt would say the same, and somebody has to read it. */
const OUR_MISTAKE = new Set(['ValidationException', 'SerializationException', 'UnknownOperationException'])

/** A rejection handler for one call. Throws `ConditionFailed`, `store-throttled`, `store-unavailable`, `item-too-large` or `internal`. */
export const storeError =
  (operation: string, key: Key) =>
  (thrown: unknown): never => {
    const item = `${key.pk} ${key.sk}`
    const name = thrown instanceof Error ? thrown.name : ''
    const message = thrown instanceof Error ? thrown.message : String(thrown)
    if (name === 'ConditionalCheckFailedException') throw new ConditionFailed(key)
    if (THROTTLED.has(name))
      throw new LongshoreError(
        'store-throttled',
        `the ${operation} of ${item} was throttled (${name}); try again later`,
        {
          cause: thrown,
        },
      )
    if (name === 'ValidationException' && /item size/i.test(message)) throw itemTooLarge(key, 'too many bytes', thrown)
    if (OUR_MISTAKE.has(name) || (!(thrown instanceof DynamoDBServiceException) && isProgrammingError(thrown)))
      throw new LongshoreError('internal', `the ${operation} of ${item} was refused: ${message}`, { cause: thrown })
    throw new LongshoreError(
      'store-unavailable',
      `the ${operation} of ${item} failed (${name}: ${message}); whether it was applied is not known`,
      { cause: thrown },
    )
  }

/** Network errors carry a code (ECONNREFUSED ...); a bare TypeError is a bug on this side of the wire. */
function isProgrammingError(thrown: unknown): boolean {
  return (
    (thrown instanceof TypeError || thrown instanceof RangeError || thrown instanceof ReferenceError) &&
    !('code' in thrown)
  )
}
