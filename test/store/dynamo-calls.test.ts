/** What the DynamoDB twin sends and how it reads errors: against a protocol double, because no emulator throttles. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { afterEach, expect, test } from 'vitest'
import type { Clock } from '../../lib/clock.ts'
import { absent, all, eq, ne, oneOf } from '../../lib/store/condition.ts'
import { dynamoStore } from '../../lib/store/dynamo.ts'
import type { Store } from '../../lib/store/port.ts'
import { AwsError, awsJsonDouble, doubleClient } from '../secrets/aws-json-double.ts'

interface Keys {
  RequestItems: { jobs: { Keys: { pk: { S: string } }[]; ConsistentRead: boolean } }
}

const closers: (() => Promise<void>)[] = []
afterEach(() => Promise.all(closers.splice(0).map((close) => close())))

async function open(answer: Parameters<typeof awsJsonDouble>[0], options: { maxAttempts?: number } = {}) {
  const requests: Record<string, unknown>[] = []
  const double = await awsJsonDouble((operation, input) => {
    requests.push(input)
    return answer(operation, input)
  })
  closers.push(double.close)
  const slept: number[] = []
  const clock: Clock = {
    now: () => 0,
    sleep: async (ms) => {
      slept.push(ms)
    },
  }
  const client = new DynamoDBClient({ ...doubleClient(double.endpoint), maxAttempts: options.maxAttempts ?? 1 })
  return { store: dynamoStore({ client, table: 'jobs', clock }), requests, calls: double.calls, slept }
}

const key = { pk: 'J#t#1', sk: '#' }
const OPERATIONS: [string, (store: Store) => Promise<unknown>][] = [
  ['GetItem', (store) => store.get(key)],
  ['PutItem', (store) => store.put({ ...key, a: 1 }, absent('pk'))],
  ['UpdateItem', (store) => store.update(key, { set: { a: 1 } }, eq('a', 0))],
  ['DeleteItem', (store) => store.delete(key, eq('a', 0))],
  ['Query', (store) => store.query({ pk: 'x', limit: 10 })],
  ['BatchGetItem', (store) => store.getMany([key])],
  ['Query', (store) => store.count({ pk: 'x', limit: 10 })],
]

test.each(OPERATIONS)('%s is exactly one call', async (operation, act) => {
  const { store, calls } = await open(() => ({ Attributes: {}, Items: [], Count: 0 }))
  await act(store)
  expect(calls).toEqual([operation])
})

test('a write compiles to one conditional request with every name and value behind a placeholder', async () => {
  const { store, requests } = await open(() => ({ Attributes: {} }))
  await store.update(
    key,
    { set: { status: 'running', lease: 9 }, setOnce: { startedAt: 5 }, add: { fence: 1 }, remove: ['dueAt'] },
    all(oneOf('status', ['pending', 'retrying']), ne('stop', true), absent('dueAt')),
  )
  expect(requests).toEqual([
    {
      TableName: 'jobs',
      Key: { pk: { S: 'J#t#1' }, sk: { S: '#' } },
      UpdateExpression: 'SET #n0 = :v0, #n1 = :v1, #n2 = if_not_exists(#n2, :v2) ADD #n3 :v3 REMOVE #n4',
      ConditionExpression:
        '#n0 IN (:v4, :v5) AND (attribute_type(#n5, :v7) AND #n5 <> :v6) AND attribute_not_exists(#n4)',
      ExpressionAttributeNames: {
        '#n0': 'status',
        '#n1': 'lease',
        '#n2': 'startedAt',
        '#n3': 'fence',
        '#n4': 'dueAt',
        '#n5': 'stop',
      },
      ExpressionAttributeValues: {
        ':v0': { S: 'running' },
        ':v1': { N: '9' },
        ':v2': { N: '5' },
        ':v3': { N: '1' },
        ':v4': { S: 'pending' },
        ':v5': { S: 'retrying' },
        ':v6': { BOOL: true },
        ':v7': { S: 'BOOL' },
      },
      ReturnValues: 'ALL_NEW',
    },
  ])
})

test('reads of the table are consistent, of an index they cannot be', async () => {
  const { store, requests } = await open(() => ({}))
  await store.get(key)
  await store.getMany([key])
  await store.query({ pk: 'x', limit: 1 })
  await store.query({ pk: 'x', index: 'open', limit: 1 })
  const consistent = requests.map(
    (request) => request.ConsistentRead ?? (request as unknown as Keys).RequestItems?.jobs.ConsistentRead,
  )
  expect(consistent).toEqual([true, true, true, undefined])
})

const ERRORS: [string, number, string][] = [
  ['ProvisionedThroughputExceededException', 400, 'store-throttled'],
  ['ThrottlingException', 400, 'store-throttled'],
  ['RequestLimitExceeded', 400, 'store-throttled'],
  ['InternalServerError', 500, 'store-unavailable'],
  ['ResourceNotFoundException', 400, 'store-unavailable'],
  ['AccessDeniedException', 400, 'store-unavailable'],
  ['ExpiredTokenException', 400, 'store-unavailable'],
  ['ValidationException', 400, 'internal'],
  ['SerializationException', 400, 'internal'],
]
test.each(ERRORS)('%s (%i) becomes %s on every operation, with its cause', async (name, status, code) => {
  const { store } = await open(() => {
    throw new AwsError(name, 'the message of the service', status)
  })
  for (const [, act] of OPERATIONS)
    await expect(act(store)).rejects.toMatchObject({
      name: 'LongshoreError',
      code,
      cause: expect.objectContaining({ name }),
    })
})

test('throttling and server errors are tried again by the SDK, a failed condition is not', async () => {
  let failures = 1
  const healing = await open(
    () => {
      if (failures-- > 0) throw new AwsError('InternalServerError', 'once', 500)
      return {}
    },
    { maxAttempts: 3 },
  )
  await healing.store.get(key)
  expect(healing.calls).toEqual(['GetItem', 'GetItem'])
  const failing = await open(
    () => {
      throw new AwsError('ConditionalCheckFailedException')
    },
    { maxAttempts: 3 },
  )
  await expect(failing.store.put({ ...key }, absent('pk'))).rejects.toMatchObject({ name: 'ConditionFailed' })
  expect(failing.calls).toHaveLength(1)
})

test('an endpoint nobody listens on is store-unavailable', async () => {
  const double = await awsJsonDouble(() => ({}))
  await double.close()
  const client = new DynamoDBClient({ ...doubleClient(double.endpoint), maxAttempts: 1 })
  const store = dynamoStore({ client, table: 'jobs' })
  await expect(store.get(key)).rejects.toMatchObject({
    code: 'store-unavailable',
    message: expect.stringContaining('ECONNREFUSED'),
  })
})

test('keys that a batch left unprocessed are asked for again until all are read', async () => {
  const { store, requests, slept } = await open((_, input) => {
    const keys = (input as unknown as Keys).RequestItems.jobs.Keys
    const taken = keys.slice(0, 40)
    const rest = keys.slice(40)
    return { Responses: { jobs: taken }, UnprocessedKeys: rest.length > 0 ? { jobs: { Keys: rest } } : {} }
  })
  const wanted = Array.from({ length: 130 }, (_, i) => ({ pk: `J#${i}`, sk: '#' }))
  const items = await store.getMany(wanted)
  expect(items.map((item) => item.pk).sort()).toEqual(wanted.map(({ pk }) => pk).sort())
  for (const request of requests)
    expect((request as unknown as Keys).RequestItems.jobs.Keys.length).toBeLessThanOrEqual(100)
  expect(requests).toHaveLength(4)
  expect(slept).toEqual([])
})

test('a batch that brings nothing five times is store-throttled, with growing pauses between', async () => {
  const { store, calls, slept } = await open((_, input) => ({
    Responses: {},
    UnprocessedKeys: { jobs: { Keys: (input as unknown as Keys).RequestItems.jobs.Keys } },
  }))
  await expect(store.getMany([key])).rejects.toMatchObject({ code: 'store-throttled' })
  expect(calls).toHaveLength(5)
  expect(slept).toEqual([100, 200, 400, 800])
})

test('a count goes on over pages until it has what was asked', async () => {
  const { store, requests } = await open(() => ({ Count: 4, LastEvaluatedKey: { pk: { S: 'x' }, sk: { S: 'y' } } }))
  expect(await store.count({ pk: 'x', limit: 10 })).toBe(12)
  expect(requests.map(({ Limit }) => Limit)).toEqual([10, 6, 2])
  expect(requests.map(({ ExclusiveStartKey }) => ExclusiveStartKey !== undefined)).toEqual([false, true, true])
})

test('a page that ends early at 1 MB keeps its cursor', async () => {
  const { store } = await open(() => ({
    Items: [{ pk: { S: 'x' }, sk: { S: 'a' } }],
    LastEvaluatedKey: { pk: { S: 'x' }, sk: { S: 'a' } },
  }))
  expect(await store.query({ pk: 'x', limit: 10 })).toEqual({
    items: [{ pk: 'x', sk: 'a' }],
    cursor: { pk: 'x', sk: 'a' },
  })
})
