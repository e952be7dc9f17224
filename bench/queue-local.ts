/**
 * How fast is the embedded SQS server through the real SDK, and what do 100,000 messages cost?
 * Run: npx esbuild bench/queue-local.ts --bundle --platform=node --format=esm --packages=external | node --expose-gc --input-type=module
 */
import { cpus } from 'node:os'
import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs'
import { startPollers } from '../lib/local/pollers/start.ts'
import { startSqs } from '../lib/local/sqs/server.ts'

const server = await startSqs()
const client = new SQSClient({
  endpoint: server.endpoint,
  region: server.region,
  credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' },
})
const body = JSON.stringify({ job: '01JDABCDEFGHJKMNPQRSTVWXYZ', fence: 1 })

const make = async (QueueName: string) => (await client.send(new CreateQueueCommand({ QueueName }))).QueueUrl!
const percentile = (values: number[], share: number) =>
  values.sort((a, b) => a - b)[Math.floor(values.length * share)]!.toFixed(2)

async function latency(): Promise<string> {
  const QueueUrl = await make('latency')
  const waits: number[] = []
  for (let i = 0; i < 600; i++) {
    const receive = client.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }))
    await new Promise((resolve) => setTimeout(resolve, 3))
    const sent = performance.now()
    const send = client.send(new SendMessageCommand({ QueueUrl, MessageBody: body }))
    const { Messages } = await receive
    if (i >= 100) waits.push(performance.now() - sent)
    await send
    await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: Messages![0]!.ReceiptHandle }))
  }
  return `p50 ${percentile(waits, 0.5)} ms, p95 ${percentile(waits, 0.95)} ms`
}

async function pollerLatency(): Promise<string> {
  const QueueUrl = await make('poller')
  const waits: number[] = []
  let arrived = () => {}
  const pollers = startPollers({
    client,
    queueUrlPrefix: server.queueUrlPrefix,
    mappings: [
      { queue: 'poller', functionName: 'f', batchSize: 10, maximumConcurrency: 4, reportBatchItemFailures: true },
    ],
    invoke: async () => arrived(),
    region: server.region,
    accountId: server.accountId,
  })
  for (let i = 0; i < 600; i++) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    const sent = performance.now()
    await Promise.all([
      new Promise<void>((resolve) => {
        arrived = resolve
      }),
      client.send(new SendMessageCommand({ QueueUrl, MessageBody: body })),
    ])
    if (i >= 100) waits.push(performance.now() - sent)
  }
  await pollers.stop(1_000)
  return `p50 ${percentile(waits, 0.5)} ms, p95 ${percentile(waits, 0.95)} ms`
}

async function throughput(count: number, parallel: number): Promise<string> {
  const QueueUrl = await make('throughput')
  let left = count
  const cpuBefore = process.cpuUsage()
  const start = performance.now()
  const worker = async () => {
    while (left-- > 0) {
      await client.send(new SendMessageCommand({ QueueUrl, MessageBody: body }))
      const { Messages = [] } = await client.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 5 }))
      for (const { ReceiptHandle } of Messages) await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }))
    }
  }
  await Promise.all(Array.from({ length: parallel }, worker))
  const seconds = (performance.now() - start) / 1000
  const cpu = process.cpuUsage(cpuBefore)
  const perCall = (cpu.user + cpu.system) / 1000 / (3 * count)
  return `${Math.round(count / seconds)} send+receive+delete/s, ${perCall.toFixed(2)} ms CPU per call with the client`
}

async function many(count: number): Promise<string> {
  const QueueUrl = await make('many')
  globalThis.gc?.()
  const before = process.memoryUsage()
  const entries = Array.from({ length: 10 }, (_, i) => ({ Id: `${i}`, MessageBody: body }))
  for (let sent = 0; sent < count; sent += 10)
    await client.send(new SendMessageBatchCommand({ QueueUrl, Entries: entries }))
  globalThis.gc?.()
  const after = process.memoryUsage()
  const mb = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`
  const times: number[] = []
  for (let i = 0; i < 300; i++) {
    const start = performance.now()
    const command = new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 })
    const { Messages = [] } = await client.send(command)
    times.push(performance.now() - start)
    const Entries = Messages.map((m, n) => ({ Id: `${n}`, ReceiptHandle: m.ReceiptHandle }))
    await client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }))
  }
  return `heap +${mb(after.heapUsed - before.heapUsed)}, RSS +${mb(after.rss - before.rss)}, a receive of 10 then p50 ${percentile(times, 0.5)} ms`
}

console.log(`node ${process.version}, ${cpus().length} x ${cpus()[0]?.model}; server and client in one process`)
console.log(`send to receive (long poll waits): ${await latency()}`)
console.log(`send to invoke (poller):           ${await pollerLatency()}`)
await throughput(500, 32)
for (const _ of [1, 2, 3]) console.log(`throughput at 32 parallel:         ${await throughput(3_000, 32)}`)
console.log(`100,000 messages of ${body.length} bytes:     ${await many(100_000)}`)
client.destroy()
await server.close()
