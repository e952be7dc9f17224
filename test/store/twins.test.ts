/** The memory twin is what the simulator believes: random histories must look the same on it and on dynalite. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTable, type LocalDynamo, startDynamo } from '../../lib/local/dynamo.ts'
import { compareStrings, holds } from '../../lib/store/condition.ts'
import { dynamoStore } from '../../lib/store/dynamo.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import type { Change, Condition, Item, Query, Store } from '../../lib/store/port.ts'
import { doubleClient } from '../secrets/aws-json-double.ts'

let server: LocalDynamo
let client: DynamoDBClient
let dynamo: Store
beforeAll(async () => {
  server = await startDynamo()
  client = new DynamoDBClient(doubleClient(server.endpoint))
  await createTable(client, 'twins')
  dynamo = dynamoStore({ client, table: 'twins' })
})
afterAll(async () => {
  client.destroy()
  await server.close()
})

const attribute = fc.constantFrom('status', 'fence', 'stop')
const scalar = fc.constantFrom('pending', 'running', 0, 1, 2, true, false)
const ordered = fc.constantFrom('pending', 'running', 0, 1, 2)
const condition: fc.Arbitrary<Condition> = fc.letrec<{ condition: Condition }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 2 },
    fc.record({ op: fc.constantFrom('=', '<>'), attribute, value: scalar }),
    fc.record({ op: fc.constantFrom('<', '<=', '>', '>='), attribute, value: ordered }),
    fc.record({ op: fc.constant('in'), attribute, values: fc.array(ordered, { minLength: 1, maxLength: 3 }) }),
    fc.record({ op: fc.constantFrom('exists', 'absent'), attribute }),
    fc.record({
      op: fc.constantFrom('and', 'or'),
      conditions: fc.array(tie('condition'), { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ op: fc.constant('not'), condition: tie('condition') }),
  ) as fc.Arbitrary<Condition>,
})).condition

const indexKeys = {
  o_pk: fc.constantFrom('o1', 'o2'),
  o_sk: fc.constantFrom('1', '2', '3'),
  m_pk: fc.constant('m1'),
  m_sk: fc.constantFrom('1', '2'),
}
const attributes = fc.record({ status: scalar, fence: fc.constantFrom(0, 1), ...indexKeys }, { requiredKeys: [] })
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record(
    { set: attributes, add: fc.record({ count: fc.integer({ min: -2, max: 2 }) }, { requiredKeys: [] }) },
    { requiredKeys: [] },
  ),
  fc.record({ setOnce: attributes }),
  fc.record({ remove: fc.uniqueArray(fc.constantFrom('status', 'o_pk', 'o_sk', 'm_sk', 'count')) }),
)
const bounds = fc.record({ from: fc.constantFrom('1', '2'), to: fc.constantFrom('1', '2', '3') }, { requiredKeys: [] })

type Step =
  | { do: 'put'; pk: string; sk: string; attributes: Partial<Item>; condition: Condition | undefined }
  | { do: 'update'; pk: string; sk: string; change: Change; condition: Condition | undefined }
  | { do: 'delete'; pk: string; sk: string; condition: Condition | undefined }
const key = { pk: fc.constantFrom('a', 'b'), sk: fc.constantFrom('1', '2', '3') }
const optionalCondition = fc.option(condition, { nil: undefined, freq: 2 })
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('put' as const), ...key, attributes, condition: optionalCondition }),
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('update' as const), ...key, change, condition: optionalCondition }),
  },
  fc.record({ do: fc.constant('delete' as const), ...key, condition: optionalCondition }),
)

/** What the store answered: an item, nothing, or the name of the error. */
async function take(store: Store, prefix: string, one: Step): Promise<unknown> {
  // Index partitions get the prefix too: all histories share one table.
  const own = <T extends object>(object: T): T =>
    Object.fromEntries(
      Object.entries(object).map(([name, value]) => [name, name.endsWith('pk') ? prefix + value : value]),
    ) as T
  const target = { pk: prefix + one.pk, sk: one.sk }
  try {
    if (one.do === 'put') return await store.put({ ...own(one.attributes), ...target }, one.condition)
    if (one.do === 'delete') return await store.delete(target, one.condition)
    const { set, setOnce } = one.change
    return await store.update(
      target,
      { ...one.change, ...(set && { set: own(set) }), ...(setOnce && { setOnce: own(setOnce) }) },
      one.condition,
    )
  } catch (thrown) {
    return (thrown as Error).name
  }
}

async function everything(store: Store, prefix: string, range: Partial<Query>): Promise<unknown> {
  const seen: unknown[] = []
  for (const pk of ['a', 'b']) seen.push((await store.query({ ...range, pk: prefix + pk, limit: 10 })).items)
  for (const [index, pk] of [
    ['open', 'o1'],
    ['open', 'o2'],
    ['members', 'm1'],
  ] as const) {
    const { items } = await store.query({ ...range, index, pk: prefix + pk, limit: 10 })
    // Which of two equal index keys comes first is nobody's promise.
    seen.push(items.map((item) => JSON.stringify(Object.entries(item).sort())).sort())
  }
  return seen
}

test('random histories end alike on memory and dynalite', { timeout: 30_000 }, async () => {
  let history = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), bounds, async (steps, range) => {
      const prefix = `h${history++}#`
      const memory = memoryStore()
      for (const one of steps) expect(await take(dynamo, prefix, one)).toEqual(await take(memory, prefix, one))
      expect(await everything(dynamo, prefix, range)).toEqual(await everything(memory, prefix, range))
    }),
    { numRuns: 40, seed: 20261122 },
  )
})

test('strings are ordered as their UTF-8 bytes', () => {
  const text = fc.string({ unit: 'binary', maxLength: 8 })
  fc.assert(
    fc.property(text, text, text, (start, a, b) => {
      const expected = Math.sign(Buffer.compare(Buffer.from(start + a), Buffer.from(start + b)))
      expect(Math.sign(compareStrings(start + a, start + b))).toBe(expected)
    }),
    { numRuns: 500 },
  )
})

test('a condition or its negation holds, never both', () => {
  const item = fc.option(
    fc.record(
      { pk: fc.constant('a'), sk: fc.constant('b'), status: scalar, fence: scalar },
      { requiredKeys: ['pk', 'sk'] },
    ),
    { nil: undefined },
  )
  fc.assert(
    fc.property(condition, item, (one, of) => {
      expect(holds({ op: 'not', condition: one }, of)).toBe(!holds(one, of))
    }),
  )
})
