import { createHash } from 'node:crypto'
import { CreateQueueCommand } from '@aws-sdk/client-sqs'
import type { SQSEvent } from 'aws-lambda'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { failedIds } from '../../lib/local/pollers/outcome.ts'
import { type Mapping, type PollerProblem, type Pollers, startPollers } from '../../lib/local/pollers/start.ts'
import { attributesOf, type EmbeddedWorld, embeddedWorld, receive, send } from '../queue/sqs-protocol/world.ts'

/** A promise to be kept by hand. */
function signal<T = void>() {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((r) => (resolve = r))
  return { promise, resolve }
}

const bodiesOf = (event: SQSEvent) => event.Records.map((record) => record.body)

describe('pollers', () => {
  let world: EmbeddedWorld
  let url: string
  let pollers: Pollers | undefined
  let problems: PollerProblem[]
  let deletes = 0
  const watching: (() => void)[] = []
  const calls: string[] = []

  /** Resolves once so many delete calls of the pollers were answered. */
  const deleted = (count: number): Promise<void> =>
    deletes >= count
      ? Promise.resolve()
      : new Promise<void>((resolve) => watching.push(resolve)).then(() => deleted(count))

  beforeEach(async () => {
    world = await embeddedWorld()
    const command = new CreateQueueCommand({ QueueName: 'app-scan', Attributes: { VisibilityTimeout: '30' } })
    url = (await world.client.send(command)).QueueUrl!
    problems = []
    calls.length = 0
    deletes = 0
    world.client.middlewareStack.add(
      (next, context) => async (args) => {
        calls.push(context.commandName!)
        const answer = await next(args)
        if (context.commandName === 'DeleteMessageBatchCommand') {
          deletes++
          for (const look of watching.splice(0)) look()
        }
        return answer
      },
      { step: 'initialize', name: 'counting' },
    )
  })
  afterEach(async () => {
    await pollers?.stop(0)
    pollers = undefined
    await world.close()
  })

  function start(invoke: (name: string, event: SQSEvent) => Promise<unknown>, mapping: Partial<Mapping> = {}): void {
    pollers = startPollers({
      client: world.client,
      queueUrlPrefix: `${world.server.queueUrlPrefix}app-`,
      mappings: [
        {
          queue: 'scan',
          functionName: 'app-scan-function',
          batchSize: 10,
          maximumConcurrency: 2,
          reportBatchItemFailures: true,
          ...mapping,
        },
      ],
      invoke,
      region: world.server.region,
      accountId: world.server.accountId,
      clock: world.clock,
      onProblem: (problem) => problems.push(problem),
    })
  }

  const inFlight = async () => (await attributesOf(world, url)).ApproximateNumberOfMessagesNotVisible
  /** The poller waits at the server. */
  const idle = () => world.parked()

  it('hands a function the event that Lambda builds', async () => {
    const got = signal<{ name: string; event: SQSEvent }>()
    start(async (name, event) => got.resolve({ name, event }))
    const sent = await send(world, url, '{"job":"1"}', {
      MessageGroupId: 'tenant',
      MessageAttributes: {
        text: { DataType: 'String', StringValue: 'a' },
        bytes: { DataType: 'Binary', BinaryValue: new Uint8Array([255]) },
      },
    })
    const { name, event } = await got.promise

    expect(name).toBe('app-scan-function')
    expect(event).toEqual({
      Records: [
        {
          messageId: sent.MessageId,
          receiptHandle: expect.stringMatching(/./),
          body: '{"job":"1"}',
          attributes: {
            ApproximateReceiveCount: '1',
            SentTimestamp: `${world.clock.now()}`,
            SenderId: expect.stringMatching(/^AIDA/),
            ApproximateFirstReceiveTimestamp: `${world.clock.now()}`,
            MessageGroupId: 'tenant',
          },
          messageAttributes: {
            text: { stringValue: 'a', stringListValues: [], binaryListValues: [], dataType: 'String' },
            bytes: { binaryValue: '/w==', stringListValues: [], binaryListValues: [], dataType: 'Binary' },
          },
          md5OfBody: createHash('md5').update('{"job":"1"}').digest('hex'),
          md5OfMessageAttributes: sent.MD5OfMessageAttributes,
          eventSource: 'aws:sqs',
          eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:app-scan',
          awsRegion: 'us-east-1',
        },
      ],
    })
  })

  it('deletes what succeeded and leaves what the function names as failed until its timeout', async () => {
    const rounds: string[][] = []
    let again = signal()
    for (const body of ['good', 'bad', 'fine']) await send(world, url, body)
    start(async (_, event) => {
      rounds.push(bodiesOf(event))
      const bad = event.Records.filter((r) => r.body === 'bad' && r.attributes.ApproximateReceiveCount === '1')
      again.resolve()
      return { batchItemFailures: bad.map((r) => ({ itemIdentifier: r.messageId })) }
    })
    await again.promise
    await deleted(1)
    again = signal()
    expect(await inFlight()).toBe('1')
    await idle()
    await world.pass(30)
    await again.promise
    await deleted(2)
    expect(rounds).toEqual([['good', 'bad', 'fine'], ['bad']])
    expect(await attributesOf(world, url)).toMatchObject({
      ApproximateNumberOfMessages: '0',
      ApproximateNumberOfMessagesNotVisible: '0',
    })
  })

  it('deletes nothing when the function throws, tells why, and brings all again after the timeout', async () => {
    const second = signal<string[]>()
    let rounds = 0
    await send(world, url, 'a')
    await send(world, url, 'b')
    const first = signal()
    start(async (_, event) => {
      if (++rounds === 1) {
        first.resolve()
        throw new Error('out of memory')
      }
      second.resolve(event.Records.map((r) => `${r.body}${r.attributes.ApproximateReceiveCount}`))
      return null
    })
    await first.promise
    await idle()
    expect(await inFlight()).toBe('2')
    expect(problems).toMatchObject([{ during: 'invoke', queue: 'scan', error: { message: 'out of memory' } }])
    await world.pass(30)
    expect((await second.promise).sort()).toEqual(['a2', 'b2'])
  })

  it('never runs more than the maximum at a time, and takes no message it cannot hand on', async () => {
    const releases: (() => void)[] = []
    let running = 0
    let most = 0
    let started = signal()
    start(
      async () => {
        most = Math.max(most, ++running)
        if (running === 2) started.resolve()
        await new Promise<void>((resolve) => releases.push(resolve))
        running--
      },
      { batchSize: 1, maximumConcurrency: 2 },
    )
    for (let i = 0; i < 6; i++) await send(world, url, `${i}`)
    for (let left = 4; left >= 0; left -= 2) {
      await started.promise
      expect(await attributesOf(world, url)).toMatchObject({
        ApproximateNumberOfMessages: `${left}`,
        ApproximateNumberOfMessagesNotVisible: '2',
      })
      started = signal()
      for (const release of releases.splice(0)) release()
    }
    await deleted(6)
    expect(most).toBe(2)
    expect(await inFlight()).toBe('0')
  })

  it('costs one request per wait while idle', async () => {
    start(async () => undefined)
    for (let wait = 1; wait <= 3; wait++) {
      await idle()
      expect(calls).toEqual(Array(wait).fill('ReceiveMessageCommand'))
      await world.pass(20)
    }
  })

  it('waits for a batch to fill within its window', async () => {
    const rounds: string[][] = []
    let done = signal()
    start(
      async (_, event) => {
        rounds.push(bodiesOf(event))
        done.resolve()
      },
      { batchSize: 12, batchingWindowSeconds: 5 },
    )
    await idle()
    for (let i = 0; i < 3; i++) await send(world, url, `${i}`)
    await idle()
    expect(rounds).toEqual([])
    await world.pass(5)
    await done.promise
    expect(rounds).toEqual([['0', '1', '2']])
    done = signal()
    await idle()
    for (let i = 0; i < 12; i++) await send(world, url, `${i}`)
    await done.promise
    expect(rounds[1]).toHaveLength(12)
  })

  it('stops at once, lets what runs end, and deletes what it did', async () => {
    const running = signal()
    const release = signal()
    start(async () => {
      running.resolve()
      await release.promise
    })
    await send(world, url, 'x')
    await running.promise
    await idle()
    const stopped = pollers!.stop(60_000)
    release.resolve()
    expect(await stopped).toEqual({ running: 0 })
    await world.unparked()
    await send(world, url, 'after the stop')
    expect(await attributesOf(world, url)).toMatchObject({
      ApproximateNumberOfMessages: '1',
      ApproximateNumberOfMessagesNotVisible: '0',
    })
  })

  it('waits no longer than the grace for what does not end', async () => {
    const running = signal()
    start(async () => {
      running.resolve()
      await new Promise(() => {})
    })
    await send(world, url, 'x')
    await running.promise
    await idle()
    const stopped = pollers!.stop(5_000)
    await world.clock.sleeping(1)
    await world.pass(5)
    expect(await stopped).toEqual({ running: 1 })
    pollers = undefined
  })

  it('goes on after the queue could not be reached', async () => {
    const got = signal<string[]>()
    start(async (_, event) => got.resolve(bodiesOf(event)), { queue: 'later' })
    await world.clock.sleeping(1)
    expect(problems).toMatchObject([{ during: 'receive', error: { name: 'QueueDoesNotExist' } }])
    const { QueueUrl } = await world.client.send(new CreateQueueCommand({ QueueName: 'app-later' }))
    await send(world, QueueUrl!, 'found')
    await world.pass(0.1)
    expect(await got.promise).toEqual(['found'])
    expect(await receive(world, QueueUrl!)).toEqual([])
  })
})

describe('the answer of a function', () => {
  const ids = ['a', 'b', 'c']
  const failed = (answer: unknown) => [...failedIds(answer, ids, true)]

  it.each([undefined, null, '', {}, { batchItemFailures: [] }, { batchItemFailures: null }])(
    'is success when it is %j',
    (answer) => expect(failed(answer)).toEqual([]),
  )

  it.each([
    { batchItemFailures: [{ itemIdentifier: '' }] },
    { batchItemFailures: [{ itemIdentifier: null }] },
    { batchItemFailures: [{ itemIdentifier: 'unknown' }] },
    { batchItemFailures: [{ itemIdentifier: 'a' }, { itemIdentifier: 'unknown' }] },
    { batchItemFailures: [{ id: 'a' }] },
    { batchItemFailures: ['a'] },
    { batchItemFailures: 'a' },
    'not an object',
  ])('is a failure of the whole batch when it is %j', (answer) => expect(failed(answer)).toEqual(ids))

  it('names those that failed', () => {
    expect(failed({ batchItemFailures: [{ itemIdentifier: 'b' }] })).toEqual(['b'])
  })

  it('does not matter without partial answers', () => {
    expect([...failedIds({ batchItemFailures: [{ itemIdentifier: 'b' }] }, ids, false)]).toEqual([])
  })
})
