/**
 * What a job costs, counted with the AWS twins of store and queue behind the handlers of the functions: SDK calls, writes
 * and write units of the control plane. What the event source itself does (receive, delete) is not ours to pay for.
 */

import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { CreateQueueCommand, SQSClient } from '@aws-sdk/client-sqs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { consume, invocationOf } from '../../lib/consume.ts'
import type { JobResult, JobType } from '../../lib/job/define.ts'
import type { Environment } from '../../lib/job/environment.ts'
import { handOverEvents } from '../../lib/job/event-cursor.ts'
import { createExecution, stopExecution } from '../../lib/job/execution.ts'
import { countChildren } from '../../lib/job/execution-counts.ts'
import { retryExecution } from '../../lib/job/execution-retry.ts'
import { sweepExecutions } from '../../lib/job/execution-sweep.ts'
import { fanOut } from '../../lib/job/fan-out.ts'
import { newId } from '../../lib/job/id.ts'
import { submit } from '../../lib/job/submit.ts'
import { typesOf } from '../../lib/job/types.ts'
import { work } from '../../lib/job/work.ts'
import { createTable, startDynamo } from '../../lib/local/dynamo.ts'
import { startSqs } from '../../lib/local/sqs/server.ts'
import type { QueueConsumer } from '../../lib/queue/port.ts'
import { sqsQueue } from '../../lib/queue/sqs.ts'
import { replicate } from '../../lib/replicate/job.ts'
import { scan } from '../../lib/scan/job.ts'
import { dynamoStore } from '../../lib/store/dynamo.ts'
import { type Bill, totalOf, watchBill } from './billing.ts'
import { createWorld, DIGEST, TENANT, tagRegistry, type World } from './world.ts'

const ORDINARY = { host: 'registry.example.com', repository: 'payments/backend', tag: '2026.11.22' }
/** As long as names are in a company: an ECR host and a build's tag. */
const LONG = {
  host: '123456789012.dkr.ecr.eu-central-1.amazonaws.com',
  repository: 'platform/payments/backend-api',
  tag: '2026.11.22-build.47110',
}
const nameOf = ({ host, repository, tag }: typeof LONG, folder = '') => `${host}/${folder}${repository}:${tag}`

/** What the scan of a large image says, and a large replication. */
const SCANNED: JobResult = {
  result: {
    digest: DIGEST,
    platform: 'linux/amd64',
    revision: '20261122-c872af8c16852c76',
    coverage: 'full',
    severity: 'Critical',
    summary: { Critical: 112, High: 1_345, Medium: 2_345, Low: 3_456, Negligible: 4_567, Unknown: 123 },
    fixable: 5_678,
    packages: 2_345,
    layers: { total: 27, reused: 13 },
  },
  reportKey: `reports/${'f'.repeat(64)}.json`,
}
const REPLICATED: JobResult = {
  result: {
    digest: DIGEST,
    target: { registry: LONG.host, repository: `mirror/${LONG.repository}`, tag: LONG.tag, digest: DIGEST },
    blobs: { copied: 27, mounted: 13, present: 99 },
    bytes: { copied: 12_345_678_901, skipped: 12_345_678_901 },
    requests: { source: 123, target: 456 },
  },
}

/** The real type with all its rules, whose run has this result. */
const ran = <Params>(type: JobType<Params>, result: JobResult): JobType<Params> => ({
  ...type,
  run: async () => result,
})

interface Paid {
  env: Environment
  world: World
  queue: QueueConsumer
  bill: { take(): Bill }
  /** One invocation per batch of ten, as the bulk lane's event source is set; returns how many messages there were. */
  invoke(queue: string, handle: 'work' | 'fan-out'): Promise<number>
}

let paid: Paid
let close: () => Promise<void>

beforeEach(async () => {
  const [dynamo, sqs] = await Promise.all([startDynamo(), startSqs()])
  const common = { region: 'us-east-1', credentials: { accessKeyId: 'local', secretAccessKey: 'local' } }
  const clients = {
    dynamo: new DynamoDBClient({ ...common, endpoint: dynamo.endpoint }),
    sqs: new SQSClient({ ...common, endpoint: sqs.endpoint }),
    // Lambda's pollers are not our code: their calls are on another client.
    eventSource: new SQSClient({ ...common, endpoint: sqs.endpoint }),
  }
  close = async () => {
    for (const client of Object.values(clients)) client.destroy()
    await Promise.all([dynamo.close(), sqs.close()])
  }
  await createTable(clients.dynamo, 'jobs')
  for (const name of ['scan', 'scan-bulk', 'replicate', 'fan-out'])
    await clients.eventSource.send(new CreateQueueCommand({ QueueName: name }))
  const prefix = sqs.queueUrlPrefix
  const queue = sqsQueue({ client: clients.eventSource, prefix })
  const tags = Object.fromEntries(
    Array.from({ length: 200 }, (_, n) => [`v${n}`, `sha256:${String(n).padStart(64, '0')}`]),
  )
  const world = createWorld()
  const env: Environment = {
    ...world.env,
    store: dynamoStore({ client: clients.dynamo, table: 'jobs' }),
    queue: sqsQueue({ client: clients.sqs, prefix }),
    types: typesOf([ran(scan, SCANNED), ran(replicate, REPLICATED)]),
    registries: () =>
      tagRegistry({
        [ORDINARY.repository]: { [ORDINARY.tag]: DIGEST },
        [LONG.repository]: { [LONG.tag]: DIGEST },
        'team/app': tags,
      }),
  }
  paid = {
    env,
    world,
    queue,
    bill: watchBill(clients.dynamo, clients.sqs),
    async invoke(name, handle) {
      let messages = 0
      for (let n = 0; ; n++) {
        const batch = await queue.receive(name, { max: 10, waitSeconds: 0 })
        if (batch.length === 0) return messages
        messages += batch.length
        const invocation = invocationOf({ awsRequestId: `${name}-${n}`, getRemainingTimeInMillis: () => 300_000 })
        const event = { Records: batch } as unknown as Parameters<typeof consume>[0]
        const { batchItemFailures } = await consume(event, (message) =>
          handle === 'work' ? work(message, env, invocation) : fanOut(message.body, env, invocation),
        )
        expect(batchItemFailures).toEqual([])
        for (const { receipt } of batch) await queue.remove(name, receipt)
      }
    },
  }
})
afterEach(() => close())

const HAPPY = { 'PutItem J': 1, SendMessage: 1, 'UpdateItem J': 2 }

describe('a job that just works costs', () => {
  it('four calls, three writes, nine write units and a record under 1 KB', async () => {
    const { job } = await submit({ tenant: TENANT, type: 'scan', params: { image: nameOf(ORDINARY) } }, paid.env)
    await paid.invoke('scan', 'work')
    const bill = paid.bill.take()
    expect(await paid.env.store.get({ pk: `J#${TENANT}#${job.id}`, sk: '#' })).toMatchObject({ status: 'success' })
    expect(bill.calls).toEqual(HAPPY)
    // Submit: the item and an entry in each index. Claim and finish: the item, and the entry in `open` moves.
    expect(bill).toMatchObject({ baseWrites: 3, writeUnits: 9 })
    expect(bill.itemBytesMax).toBeLessThanOrEqual(1_024)
  })

  it.each([
    ['scan', { image: nameOf(LONG) }],
    ['replicate', { source: nameOf(LONG), target: nameOf(LONG, 'mirror/') }],
  ])('for a %s with long names one write unit more, at the end', async (type, params) => {
    await submit({ tenant: TENANT, type, params }, paid.env)
    await paid.invoke(type, 'work')
    const bill = paid.bill.take()
    expect(bill.calls).toEqual(HAPPY)
    expect(bill).toMatchObject({ baseWrites: 3, writeUnits: 10 })
  })

  it('with an idempotency key one read more, which tells a repeated request from a new one', async () => {
    const again = () =>
      submit({ tenant: TENANT, type: 'scan', params: { image: nameOf(ORDINARY) }, idempotencyKey: 'nightly' }, paid.env)
    await again()
    await paid.invoke('scan', 'work')
    expect(paid.bill.take().calls).toEqual({ ...HAPPY, 'GetItem J': 1 })
    await again()
    expect(paid.bill.take().calls).toEqual({ 'GetItem J': 1 })
  })

  it('apart from that the hand-over of its event by the sweep: two batch reads, a write, and a query of each shard', async () => {
    await submit({ tenant: TENANT, type: 'scan', params: { image: nameOf(ORDINARY) } }, paid.env)
    await paid.invoke('scan', 'work')
    paid.bill.take()
    await paid.world.clock.advance(paid.env.limits.eventSettleSeconds * 1000 + 1)
    expect(await handOverEvents(paid.env)).toBe(1)
    expect(paid.bill.take()).toMatchObject({
      calls: { Query: 16, BatchGetItem: 2, 'UpdateItem C': 1 },
      writeUnits: 1,
    })
  })
})

describe('an execution of 200', () => {
  it('costs 3.2 calls a child over its whole path, and seven of its own', async () => {
    await createExecution(
      {
        id: newId(paid.env.clock, paid.env.random),
        tenant: TENANT,
        type: 'scan',
        trigger: 'request',
        spec: { images: [`${ORDINARY.host}/team/app:*`] },
      },
      paid.env,
    )
    await paid.invoke('fan-out', 'fan-out')
    expect(await paid.invoke('scan-bulk', 'work')).toBe(200)
    const { calls, baseWrites, writeUnits, itemBytesMax } = paid.bill.take()

    // Put, sent, read and claimed by the fan-out, the cursor after each of two pages, and its end.
    const own = { 'PutItem X': 1, SendMessage: 1, 'GetItem X': 1, 'UpdateItem X': 4 }
    expect(calls).toEqual({
      ...own,
      // Each batch of ten reads the stop flag once.
      'GetItem X': 1 + 20,
      'PutItem J': 200,
      SendMessageBatch: 20,
      'UpdateItem J': 400,
    })
    expect((totalOf(calls) - totalOf(own)) / 200).toBeLessThanOrEqual(3.2)
    expect(baseWrites).toBe(3 * 200 + 5)
    // A child's entry in `members` tells its status, so it moves at claim and finish: four units more than by hand, where
    // the entry in `open` moves as well. The record itself stays within 1 KB.
    expect(itemBytesMax).toBeLessThanOrEqual(1_024)
    expect(writeUnits / 200).toBeLessThanOrEqual(13.1)
  })

  it('that is retried costs two writes a child and, whatever their number, some calls of its own', async () => {
    const { env, world } = paid
    const id = newId(env.clock, env.random)
    const spec = { images: [`${ORDINARY.host}/team/app:v1?`] }
    await createExecution({ id, tenant: TENANT, type: 'scan', trigger: 'request', spec }, env)
    await paid.invoke('fan-out', 'fan-out')
    await stopExecution(TENANT, id, env)
    expect(await paid.invoke('scan-bulk', 'work')).toBe(10)
    await world.clock.advance(400_000)
    expect(await sweepExecutions(env)).toBe(1)
    await retryExecution(TENANT, id, 'unsuccessful', env)
    paid.bill.take()
    await paid.invoke('fan-out', 'fan-out')
    const { calls } = paid.bill.take()
    // The successor, and the old child that it stands for.
    expect(calls).toMatchObject({ 'PutItem J': 10, 'UpdateItem J': 10 })
    // Three statuses of four shards each: a query and the cursor; a read of the children and a send where there are some.
    const { 'PutItem J': _put, 'UpdateItem J': _update, ...own } = calls
    expect(totalOf(own)).toBeLessThanOrEqual(2 * 12 + 2 * 4 + 3)
    expect(await paid.invoke('scan-bulk', 'work')).toBe(10)
    expect(await countChildren({ tenant: TENANT, id }, env)).toMatchObject({ success: 10, total: 10 })
  })
})
