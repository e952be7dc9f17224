/**
 * The one table, as data: the local plugin and the tests create it from this, and a test compares serverless.yml with
 * it. Both indexes are declared at creation (dynalite cannot add one later) and hold keys only: a list re-reads items.
 */
import type { CreateTableCommandInput } from '@aws-sdk/client-dynamodb'
import { INDEXES } from './port.ts'

/** Seconds since the epoch. DynamoDB deletes within days after it, so readers must judge expiry themselves. */
export const TTL_ATTRIBUTE = 'expires'

const keySchema = (pk: string, sk: string) => [
  { AttributeName: pk, KeyType: 'HASH' as const },
  { AttributeName: sk, KeyType: 'RANGE' as const },
]

export const TABLE = {
  AttributeDefinitions: ['pk', 'sk', ...Object.values(INDEXES).flatMap(({ pk, sk }) => [pk, sk])].map(
    (AttributeName) => ({ AttributeName, AttributeType: 'S' as const }),
  ),
  KeySchema: keySchema('pk', 'sk'),
  GlobalSecondaryIndexes: Object.values(INDEXES).map(({ name, pk, sk }) => ({
    IndexName: name,
    KeySchema: keySchema(pk, sk),
    Projection: { ProjectionType: 'KEYS_ONLY' as const },
  })),
  BillingMode: 'PAY_PER_REQUEST',
} satisfies Omit<CreateTableCommandInput, 'TableName'>
