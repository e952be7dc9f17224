/**
 * The store on DynamoDB, on the plain client. Every method that touches one item is exactly one SDK call; the SDK
 * retries network errors and throttling by itself (three attempts).
 *
 * Such a retry may follow a write that was applied and whose answer was lost; a conditional write then fails on
 * itself. `ConditionFailed` therefore means "not written by this call, as far as anyone can tell": callers re-read and
 * look for their own token.
 */
import {
  BatchGetItemCommand,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  type QueryCommandInput,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb'
import { type Clock, systemClock } from '../clock.ts'
import { LongshoreError } from '../errors.ts'
import { type Attributes, keyAttributes, toAttributes, toItem } from './attributes.ts'
import { storeError } from './dynamo-error.ts'
import { conditionExpression, Placeholders, updateExpression } from './expression.ts'
import { assertChange, assertItem, assertKey, assertSize } from './item.ts'
import { assertLimit, type Bounds, boundsOf, readCursor } from './page.ts'
import { type Condition, INDEXES, type Item, type Query, type Store } from './port.ts'

/** The most keys one BatchGetItem takes. */
const BATCH_KEYS_MAX = 100
/** Unprocessed keys mean throttling or a full answer (16 MB); after so many answers in a row that brought nothing, the caller decides. */
const EMPTY_BATCHES_MAX = 5

export interface DynamoStoreOptions {
  client: DynamoDBClient
  table: string
  clock?: Clock
}

export function dynamoStore({ client, table, clock = systemClock }: DynamoStoreOptions): Store {
  /** The condition of a write, judged by DynamoDB in the same step. */
  const conditional = (condition: Condition | undefined, places: Placeholders) =>
    condition && { ConditionExpression: conditionExpression(condition, places) }

  const queryInput = (query: Omit<Query, 'limit'>, bounds: Bounds): QueryCommandInput => {
    const places = new Placeholders()
    const sk = () => places.name(bounds.skName)
    const bound = (value: string) => places.value({ S: value })
    const range =
      bounds.from !== undefined && bounds.to !== undefined
        ? ` AND ${sk()} BETWEEN ${bound(bounds.from)} AND ${bound(bounds.to)}`
        : bounds.from !== undefined
          ? ` AND ${sk()} >= ${bound(bounds.from)}`
          : bounds.to !== undefined
            ? ` AND ${sk()} <= ${bound(bounds.to)}`
            : ''
    const partition = `${places.name(bounds.pkName)} = ${places.value({ S: query.pk })}`
    return {
      TableName: table,
      ...(query.index ? { IndexName: INDEXES[query.index].name } : { ConsistentRead: true }),
      KeyConditionExpression: partition + range,
      ...places.fields(),
    }
  }

  return {
    async get(key) {
      assertKey(key)
      const input = { TableName: table, Key: keyAttributes(key), ConsistentRead: true }
      const { Item } = await client.send(new GetItemCommand(input)).catch(storeError('read', key))
      return Item && toItem(Item)
    },

    async getMany(keys) {
      for (const key of keys) assertKey(key)
      // BatchGetItem refuses a call that names a key twice.
      let pending = [...new Map(keys.map((key) => [JSON.stringify([key.pk, key.sk]), keyAttributes(key)])).values()]
      const items: Item[] = []
      let emptyBatches = 0
      while (pending.length > 0) {
        const Keys = pending.slice(0, BATCH_KEYS_MAX)
        const command = new BatchGetItemCommand({ RequestItems: { [table]: { Keys, ConsistentRead: true } } })
        const answer = await client.send(command).catch(storeError('read', keys[0]!))
        const found = answer.Responses?.[table] ?? []
        const unprocessed = answer.UnprocessedKeys?.[table]?.Keys ?? []
        for (const attributes of found) items.push(toItem(attributes))
        pending = [...unprocessed, ...pending.slice(BATCH_KEYS_MAX)]
        if (unprocessed.length < Keys.length) {
          emptyBatches = 0
          continue
        }
        emptyBatches += 1
        if (emptyBatches === EMPTY_BATCHES_MAX)
          throw new LongshoreError(
            'store-throttled',
            `the table ${table} leaves ${pending.length} of ${keys.length} keys unread; try again`,
          )
        await clock.sleep(50 * 2 ** emptyBatches)
      }
      return items
    },

    async put(item, condition) {
      assertItem(item)
      assertSize(item)
      const places = new Placeholders()
      const input = {
        TableName: table,
        Item: toAttributes(item),
        ...conditional(condition, places),
        ...places.fields(),
      }
      await client.send(new PutItemCommand(input)).catch(storeError('put', item))
    },

    async update(key, change, condition) {
      assertChange(key, change)
      const places = new Placeholders()
      const UpdateExpression = updateExpression(change, places)
      const command = new UpdateItemCommand({
        TableName: table,
        Key: keyAttributes(key),
        ...(UpdateExpression && { UpdateExpression }),
        ...conditional(condition, places),
        ...places.fields(),
        ReturnValues: 'ALL_NEW',
      })
      const { Attributes } = await client.send(command).catch(storeError('update', key))
      return toItem(Attributes!)
    },

    async delete(key, condition) {
      assertKey(key)
      const places = new Placeholders()
      const input = { TableName: table, Key: keyAttributes(key), ...conditional(condition, places), ...places.fields() }
      await client.send(new DeleteItemCommand(input)).catch(storeError('delete', key))
    },

    async query(query) {
      assertLimit(query.limit)
      const bounds = boundsOf(query)
      if (bounds.empty) return { items: [] }
      const after = readCursor(query.cursor, query, bounds)
      const command = new QueryCommand({
        ...queryInput(query, bounds),
        Limit: query.limit,
        ScanIndexForward: !query.reverse,
        ...(after && { ExclusiveStartKey: toAttributes(after) }),
      })
      const answer = await client.send(command).catch(storeError('query', { pk: query.pk, sk: '*' }))
      const items = (answer.Items ?? []).map(toItem)
      return answer.LastEvaluatedKey ? { items, cursor: toItem(answer.LastEvaluatedKey) } : { items }
    },

    async count(query) {
      const bounds = boundsOf(query)
      if (bounds.empty) return 0
      let counted = 0
      let after: Attributes | undefined
      do {
        const command = new QueryCommand({
          ...queryInput(query, bounds),
          Select: 'COUNT',
          Limit: query.limit - counted,
          ...(after && { ExclusiveStartKey: after }),
        })
        const answer = await client.send(command).catch(storeError('count', { pk: query.pk, sk: '*' }))
        counted += answer.Count ?? 0
        after = answer.LastEvaluatedKey
      } while (after && counted < query.limit)
      return counted
    },
  }
}
