import { randomUUID } from 'node:crypto'
import { DeleteTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { createTable, startDynamo } from '../../lib/local/dynamo.ts'
import { dynamoStore } from '../../lib/store/dynamo.ts'
import { type StoreUnderTest, storeConformance } from './conformance.ts'

async function open(endpoint: string, stop: () => Promise<void>): Promise<StoreUnderTest> {
  const client = new DynamoDBClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  })
  const table = `conformance-${randomUUID()}`
  await createTable(client, table)
  return {
    store: dynamoStore({ client, table }),
    close: async () => {
      await client.send(new DeleteTableCommand({ TableName: table }))
      client.destroy()
      await stop()
    },
  }
}

storeConformance(
  'DynamoDB API on dynalite',
  async () => {
    const server = await startDynamo()
    return open(server.endpoint, server.close)
  },
  { conditionsByUtf16: true },
)

// CI points this at DynamoDB Local, the closest thing to the real service.
const given = process.env.AWS_ENDPOINT_URL_DYNAMODB
if (given) storeConformance(`DynamoDB API at ${given}`, () => open(given, async () => {}))
