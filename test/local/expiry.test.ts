/** What the cloud deletes by itself, the local run deletes too. */
import { mkdtemp, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { expect, onTestFinished, test } from 'vitest'
import { diskBlobs } from '../../lib/blobs/disk.ts'
import { createTable, startDynamo } from '../../lib/local/dynamo.ts'
import { expiry, lifecycleRules } from '../../lib/local/expiry.ts'
import { dynamoStore } from '../../lib/store/dynamo.ts'
import { virtualClock } from '../queue/virtual-clock.ts'

const DAY_MS = 86_400_000
const START = Date.UTC(2026, 10, 22, 12)

test('expired items and old blobs are deleted, a bounded number at a time, and nothing else', async () => {
  const dynamo = await startDynamo()
  const client = new DynamoDBClient({
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    endpoint: dynamo.endpoint,
  })
  const folder = await mkdtemp(join(tmpdir(), 'longshore-expiry-'))
  onTestFinished(async () => {
    client.destroy()
    await dynamo.close()
    await rm(folder, { recursive: true })
  })
  await createTable(client, 'jobs')
  const clock = virtualClock(START)
  const store = dynamoStore({ client, table: 'jobs' })
  const seconds = START / 1000
  for (let n = 0; n < 25; n++) await store.put({ pk: `J#old#${n}`, sk: '#', expires: seconds - n })
  await store.put({ pk: 'J#young', sk: '#', expires: seconds + 1 })
  await store.put({ pk: 'J#open', sk: '#', status: 'pending' })

  const blobs = diskBlobs(folder)
  const written = {
    'logs/main/old/1.log': 98,
    'logs/main/young/1.log': 96,
    'reports/old.json': 98,
    'inventories/x': 98,
  }
  for (const [key, days] of Object.entries(written)) {
    await blobs.put(key, 'x')
    const at = new Date(START - days * DAY_MS)
    const [name = '', ...folders] = key.split('/').reverse()
    await utimes(join(folder, ...folders.reverse().map((part) => `${part}+`), name), at, at)
  }
  const rules = [
    { prefix: 'logs/', days: 97 },
    { prefix: 'reports/', days: 97 },
  ]
  const tick = expiry({ client, table: 'jobs', folder, rules, clock, most: 10 })
  const done = { items: 0, blobs: 0 }
  for (let n = 0; n < 4; n++) {
    const { items, blobs: deleted } = await tick()
    expect(items).toBeLessThanOrEqual(10)
    done.items += items
    done.blobs += deleted
  }
  expect(done).toEqual({ items: 25, blobs: 2 })
  expect(await store.get({ pk: 'J#young', sk: '#' })).toBeDefined()
  expect(await store.get({ pk: 'J#open', sk: '#' })).toBeDefined()
  expect((await blobs.list('')).map(({ key }) => key)).toEqual(['inventories/x', 'logs/main/young/1.log'])

  // Round again: what expires later is found, too.
  await clock.advance(1_000)
  let items = 0
  for (let n = 0; n < 4; n++) items += (await tick()).items
  expect(items).toBe(1)
})

test('the rules are those of serverless.yml: whole blobs by prefix', () => {
  const rules = [
    { Id: 'logs', Status: 'Enabled', Prefix: 'logs/', ExpirationInDays: 97 },
    { Id: 'uploads', Status: 'Enabled', AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } },
  ]
  const bucket = { Type: 'AWS::S3::Bucket', Properties: { LifecycleConfiguration: { Rules: rules } } }
  const plain = { Type: 'AWS::S3::Bucket', Properties: {} }
  expect(lifecycleRules({ bucket, plain, queue: { Type: 'AWS::SQS::Queue', Properties: {} } })).toEqual([
    { prefix: 'logs/', days: 97 },
  ])
})
