/** What belongs to the embedded server alone: the wire, the journal, the faults, the end. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DeleteMessageCommand, PurgeQueueCommand, TagQueueCommand } from '@aws-sdk/client-sqs'
import { afterEach, describe, expect, it } from 'vitest'
import type { SqsOptions } from '../../lib/local/sqs/server.ts'
import {
  arnOf,
  attributesOf,
  bodies,
  type EmbeddedWorld,
  embeddedWorld,
  errorOf,
  receive,
  send,
} from '../queue/sqs-protocol/world.ts'

const worlds: EmbeddedWorld[] = []
const folders: string[] = []

async function open(options: SqsOptions = {}): Promise<EmbeddedWorld> {
  const world = await embeddedWorld(options)
  worlds.push(world)
  return world
}

afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close()
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true })
})

describe('the wire of the embedded SQS server', () => {
  const post = (world: EmbeddedWorld, target: string | undefined, body: string) =>
    fetch(world.server.endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/x-amz-json-1.0', ...(target ? { 'x-amz-target': target } : {}) },
      body,
    })

  it('tells errors by shape, status and header', async () => {
    const world = await open()
    const answer = await post(world, 'AmazonSQS.GetQueueUrl', '{"QueueName":"absent"}')
    expect(answer.status).toBe(400)
    expect(answer.headers.get('x-amzn-query-error')).toBe('AWS.SimpleQueueService.NonExistentQueue;Sender')
    expect(answer.headers.get('content-type')).toBe('application/x-amz-json-1.0')
    expect(answer.headers.get('x-amzn-requestid')).toMatch(/^[0-9a-f-]{36}$/)
    expect(await answer.json()).toEqual({
      __type: 'com.amazonaws.sqs#QueueDoesNotExist',
      message: 'The specified queue does not exist.',
    })
  })

  it.each([
    ['AmazonSQS.AddPermission', '{}', 'com.amazonaws.sqs#UnsupportedOperation'],
    ['AmazonSQS.constructor', '{}', 'com.amazonaws.sqs#UnsupportedOperation'],
    ['AmazonSNS.Publish', '{}', 'com.amazonaws.sqs#UnsupportedOperation'],
    [undefined, 'Action=ListQueues', 'com.amazonaws.sqs#UnsupportedOperation'],
    ['AmazonSQS.ListQueues', '{not json', 'com.amazon.coral.service#SerializationException'],
    ['AmazonSQS.ListQueues', '[]', 'com.amazon.coral.service#SerializationException'],
    ['AmazonSQS.ListQueues', '{"MaxResults":"2"}', 'com.amazon.coral.service#InvalidParameterValueException'],
    [
      'AmazonSQS.CreateQueue',
      '{"QueueName":"a","Attributes":{"constructor":"1"}}',
      'com.amazonaws.sqs#InvalidAttributeName',
    ],
    ['AmazonSQS.SendMessage', '{}', 'com.amazon.coral.service#MissingRequiredParameterException'],
    [
      'AmazonSQS.CreateQueue',
      '{"QueueName":"a","Attributes":{"DelaySeconds":1}}',
      'com.amazon.coral.service#InvalidParameterValueException',
    ],
  ])('answers %s with %s by %s', async (target, body, type) => {
    const answer = await post(await open(), target, body)
    expect(answer.status).toBe(400)
    expect(((await answer.json()) as { __type: string }).__type).toBe(type)
  })
})

describe('the journal of the embedded SQS server', () => {
  async function journal(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'longshore-sqs-'))
    folders.push(folder)
    return join(folder, 'queues.jsonl')
  }
  /** The same queue at the port of the next server. */
  const at = (world: EmbeddedWorld, queue: string) => world.server.queueUrlPrefix + queue.split('/').at(-1)
  async function restarted(world: EmbeddedWorld, path: string): Promise<EmbeddedWorld> {
    worlds.splice(worlds.indexOf(world), 1)
    await world.close()
    return open({ journal: path })
  }

  it('keeps queues, tags, attributes and messages; what was in flight comes back visible', async () => {
    const path = await journal()
    const first = await open({ journal: path })
    const queue = await first.queue({ VisibilityTimeout: '77' })
    await first.client.send(new TagQueueCommand({ QueueUrl: queue, Tags: { a: 'b' } }))
    const attribute = { n: { DataType: 'Binary', BinaryValue: new Uint8Array([1, 2, 255]) } }
    const held = await send(first, queue, 'held', { MessageGroupId: 'g', MessageAttributes: attribute })
    const [message] = await receive(first, queue)
    await send(first, queue, 'waiting')
    await send(first, queue, 'removed')
    await send(first, queue, 'later', { DelaySeconds: 60 })
    const removed = (await receive(first, queue)).find((m) => m.Body === 'removed')
    const ReceiptHandle = removed!.ReceiptHandle
    await first.client.send(new DeleteMessageCommand({ QueueUrl: queue, ReceiptHandle }))

    const second = await restarted(first, path)
    expect(await attributesOf(second, at(second, queue))).toMatchObject({
      VisibilityTimeout: '77',
      ApproximateNumberOfMessages: '2',
      ApproximateNumberOfMessagesDelayed: '1',
    })
    const messages = await receive(second, at(second, queue), { MessageAttributeNames: ['All'] })
    expect(bodies(messages).sort()).toEqual(['held', 'waiting'])
    const again = messages.find((m) => m.Body === 'held')!
    expect(again).toMatchObject({ MessageId: held.MessageId, MessageAttributes: attribute })
    expect(again.Attributes).toMatchObject({ ApproximateReceiveCount: '2', MessageGroupId: 'g' })
    // The handle of the life before is stale, not unknown.
    const late = new DeleteMessageCommand({ QueueUrl: at(second, queue), ReceiptHandle: message!.ReceiptHandle })
    expect(await errorOf(second.client.send(late))).toBe('none')
    expect(await attributesOf(second, at(second, queue))).toMatchObject({ ApproximateNumberOfMessagesNotVisible: '2' })
  })

  it('counts receives across restarts, so that a message which kills the process becomes a dead letter', async () => {
    const path = await journal()
    let world = await open({ journal: path })
    const letters = await world.queue()
    const policy = JSON.stringify({ deadLetterTargetArn: await arnOf(world, letters), maxReceiveCount: 3 })
    const queue = await world.queue({ RedrivePolicy: policy })
    await send(world, queue, 'poison')
    for (let life = 0; life < 3; life++) {
      expect(await receive(world, at(world, queue))).toHaveLength(1)
      world = await restarted(world, path)
    }
    expect(await receive(world, at(world, queue))).toEqual([])
    world = await restarted(world, path)
    expect(bodies(await receive(world, at(world, letters)))).toEqual(['poison'])
  })

  it('forgets deleted queues and purged messages, and shrinks at the start', async () => {
    const path = await journal()
    const first = await open({ journal: path })
    const queue = await first.queue()
    for (let i = 0; i < 20; i++) await send(first, queue, 'x'.repeat(1000))
    await first.client.send(new PurgeQueueCommand({ QueueUrl: queue }))
    const before = (await stat(path)).size
    const second = await restarted(first, path)
    expect(await receive(second, at(second, queue))).toEqual([])
    expect((await stat(path)).size).toBeLessThan(before / 20)
  })

  it('is rewritten to what still matters while it runs, so that it does not grow for ever', async () => {
    const path = await journal()
    const world = await open({ journal: path })
    const queue = await world.queue()
    await send(world, queue, 'stays')
    const [stays] = await receive(world, queue, { VisibilityTimeout: 43_200 })
    for (let i = 0; i < 10; i++) {
      await send(world, queue, 'x'.repeat(1_000_000))
      const [message] = await receive(world, queue)
      const { ReceiptHandle } = message!
      await world.client.send(new DeleteMessageCommand({ QueueUrl: queue, ReceiptHandle }))
    }
    expect((await stat(path)).size).toBeLessThan(4_000_000)
    const second = await restarted(world, path)
    expect(await receive(second, at(second, queue))).toMatchObject([{ MessageId: stays!.MessageId, Body: 'stays' }])
  })

  it('starts from a journal whose last line was cut off, without that line', async () => {
    const path = await journal()
    const first = await open({ journal: path })
    const queue = await first.queue()
    await send(first, queue, 'whole')
    await send(first, queue, 'cut')
    worlds.splice(worlds.indexOf(first), 1)
    await first.close()
    const text = await readFile(path, 'utf8')
    await writeFile(path, text.slice(0, -5))
    const second = await open({ journal: path })
    expect(bodies(await receive(second, at(second, queue)))).toEqual(['whole'])
  })
})

describe('the faults of the embedded SQS server', () => {
  const run = async (seed: number) => {
    const world = await open({ faults: { duplicates: 0.5, reorder: true, seed } })
    const queue = await world.queue()
    for (let i = 0; i < 20; i++) await send(world, queue, `${i}`)
    const seen: (string | undefined)[] = []
    for (let round = await receive(world, queue); round.length > 0; round = await receive(world, queue)) {
      for (const { Body, ReceiptHandle } of round) {
        seen.push(Body)
        await world.client.send(new DeleteMessageCommand({ QueueUrl: queue, ReceiptHandle }))
      }
    }
    return seen
  }

  it('doubles and shuffles, loses nothing, and does the same for the same seed', async () => {
    const [one, same, other] = [await run(1), await run(1), await run(2)]
    expect(new Set(one).size).toBe(20)
    expect(one.length).toBeGreaterThan(23)
    expect(one.length).toBeLessThan(38)
    expect([...new Set(one)]).not.toEqual([...new Set(one)].sort((a, b) => Number(a) - Number(b)))
    expect(same).toEqual(one)
    expect(other).not.toEqual(one)
  })
})

describe('the end of the embedded SQS server', () => {
  it('answers who waits at once with nothing, and is gone', async () => {
    const world = await open()
    const queue = await world.queue()
    const waiting = [1, 2, 3].map(() => receive(world, queue, { WaitTimeSeconds: 20 }))
    await world.parked()
    await world.server.close()
    const ends = await Promise.all(waiting.map((w) => w.catch((error: Error) => error.name)))
    expect(ends[0]).toEqual([])
    expect(world.clock.sleepers).toBe(0)
    expect(await errorOf(send(world, queue, 'x'))).not.toBe('none')
    worlds.splice(0)
    world.client.destroy()
  })
})
