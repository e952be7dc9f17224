/** What AWS would put on the bill: counts the SDK calls of a client, and computes write units as DynamoDB does. */
import type { AttributeValue, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import type { SQSClient } from '@aws-sdk/client-sqs'
import { INDEXES } from '../../lib/store/port.ts'

type Attributes = Record<string, AttributeValue>

export interface Bill {
  /** SDK calls by name and, for the table, by the kind of item: `PutItem J`, `SendMessage`. */
  calls: Record<string, number>
  /** Writes of items of the table itself. */
  baseWrites: number
  /** Write request units, of the table and of both indexes. */
  writeUnits: number
  /** The largest item written. */
  itemBytesMax: number
}

const emptyBill = (): Bill => ({ calls: {}, baseWrites: 0, writeUnits: 0, itemBytesMax: 0 })

export const totalOf = (calls: Bill['calls']): number => Object.values(calls).reduce((sum, count) => sum + count, 0)

/** Watches both clients from now on; `take` gives the bill since the last one. */
export function watchBill(dynamo: DynamoDBClient, sqs: SQSClient): { take(): Bill } {
  let bill = emptyBill()
  const items = new Map<string, Attributes>()
  const count = (name: string) => {
    bill.calls[name] = (bill.calls[name] ?? 0) + 1
  }
  const write = (after: Attributes) => {
    const key = `${after.pk?.S} ${after.sk?.S}`
    const before = items.get(key)
    items.set(key, after)
    bill.baseWrites += 1
    bill.writeUnits += unitsOf(Math.max(sizeOf(before ?? {}), sizeOf(after))) + indexUnits(before, after)
    bill.itemBytesMax = Math.max(bill.itemBytesMax, sizeOf(after))
  }
  dynamo.middlewareStack.add(
    (next, context) => async (args) => {
      const input = args.input as { Item?: Attributes; Key?: Attributes }
      const name = (context.commandName ?? '').replace('Command', '')
      const pk = (input.Item ?? input.Key)?.pk?.S
      count(pk ? `${name} ${pk.slice(0, pk.indexOf('#'))}` : name)
      const answer = await next(args)
      if (name === 'PutItem') write(input.Item!)
      if (name === 'UpdateItem') write((answer.output as { Attributes: Attributes }).Attributes)
      return answer
    },
    { step: 'initialize', name: 'bill' },
  )
  sqs.middlewareStack.add(
    (next, context) => async (args) => {
      count((context.commandName ?? '').replace('Command', ''))
      return next(args)
    },
    { step: 'initialize', name: 'bill' },
  )
  return {
    take() {
      const taken = bill
      bill = emptyBill()
      return taken
    },
  }
}

/** One write unit per 1 KB begun. */
const unitsOf = (bytes: number): number => Math.ceil(bytes / 1024)

/**
 * "Write operations for global secondary indexes": a new entry is one write, a changed key two (the old one is deleted),
 * an entry whose projected attributes stay is none. Both indexes hold keys only.
 */
function indexUnits(before: Attributes | undefined, after: Attributes): number {
  let units = 0
  for (const { pk, sk } of Object.values(INDEXES)) {
    const entry = (item: Attributes | undefined) =>
      item?.[pk]?.S && item[sk]?.S ? `${item[pk].S} ${item[sk].S}` : undefined
    const [old, fresh] = [entry(before), entry(after)]
    if (old !== fresh) units += (old ? 1 : 0) + (fresh ? 1 : 0)
  }
  return units
}

/** "DynamoDB item sizes and formats": names and strings in UTF-8, numbers by digits, 3 and 1 per element for containers. */
export function sizeOf(item: Attributes): number {
  return Object.entries(item).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + sizeOfValue(value), 0)
}

function sizeOfValue(value: AttributeValue): number {
  if (value.S !== undefined) return Buffer.byteLength(value.S)
  if (value.N !== undefined) return 1 + Math.ceil(value.N.replace(/[-.]/g, '').length / 2)
  if (value.L) return 3 + value.L.reduce((sum, child) => sum + 1 + sizeOfValue(child), 0)
  if (value.M) return 3 + Object.keys(value.M).length + sizeOf(value.M)
  return 1
}
