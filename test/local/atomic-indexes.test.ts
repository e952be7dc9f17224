import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DynamoDBClient, PutItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb'
import { ClassicLevel } from 'classic-level'
import db from 'dynalite/db/index.js'
import { afterEach, expect, test } from 'vitest'
import { updateIndexes } from '../../lib/local/atomic-indexes.ts'
import { createTable, startDynamo } from '../../lib/local/dynamo.ts'

const closes: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closes.splice(0).reverse()) await close()
})

// Found by test/kills: a SIGKILL between the entry and the item left a job that no sweep ever met.
test('an item and its index entries are one write of the embedded DynamoDB', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'longshore-atomic-'))
  closes.push(() => rm(folder, { recursive: true, force: true }))
  const dynamo = await startDynamo({ dataDir: folder })
  const client = new DynamoDBClient({
    endpoint: dynamo.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  })
  await createTable(client, 'jobs')
  const key = { pk: { S: 'J#main#1' }, sk: { S: '#' } }
  await client.send(
    new PutItemCommand({ TableName: 'jobs', Item: { ...key, o_pk: { S: 'O#scan#1' }, o_sk: { S: '1#1' } } }),
  )
  // What a request has written when its process is killed right after the indexes were done.
  const after = { ...key, o_pk: { S: 'O#scan#1' }, o_sk: { S: '2#1' } }
  const replaced = db.updateIndexes
  expect(replaced).toBe(updateIndexes)
  const update = new UpdateItemCommand({
    TableName: 'jobs',
    Key: key,
    UpdateExpression: 'SET o_sk = :o',
    ExpressionAttributeValues: { ':o': { S: '2#1' } },
  })
  const gone = new AbortController()
  await new Promise((written) => {
    db.updateIndexes = (store, table, before, item) => updateIndexes(store, table, before, item, written)
    client.send(update, { abortSignal: gone.signal }).catch(() => undefined)
  })
  gone.abort()
  db.updateIndexes = replaced
  client.destroy()
  await dynamo.close()

  const level = new ClassicLevel<string, Record<string, unknown>>(folder, { valueEncoding: 'json' })
  const entries = await level.iterator().all()
  await level.close()
  const inIndex = entries.filter(([name]) => name.startsWith('index-global~jobs~')).map(([, item]) => item.o_sk)
  const items = entries.filter(([name]) => name.startsWith('item-jobs~')).map(([, item]) => item)
  expect(items).toEqual([after])
  expect(inIndex).toEqual([{ S: '2#1' }])
})
