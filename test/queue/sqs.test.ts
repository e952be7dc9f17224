import { CreateQueueCommand, GetQueueAttributesCommand, type SQSClient } from '@aws-sdk/client-sqs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LongshoreError } from '../../lib/errors.ts'
import { startSqs } from '../../lib/local/sqs/server.ts'
import type { Queue, QueueConsumer } from '../../lib/queue/port.ts'
import { sqsQueue } from '../../lib/queue/sqs.ts'
import { type QueueWorld, queueConformance } from './conformance.ts'
import { clientFor } from './sqs-protocol/world.ts'
import { virtualClock } from './virtual-clock.ts'

async function open(): Promise<QueueWorld & { client: SQSClient }> {
  const clock = virtualClock()
  const server = await startSqs({ clock })
  const client = clientFor(server.endpoint)
  const make = (name: string, Attributes: Record<string, string>) =>
    client.send(new CreateQueueCommand({ QueueName: `longshore-test-${name}`, Attributes }))
  const { QueueUrl } = await make('scan-dlq', {})
  const { Attributes: a } = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }))
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: a!.QueueArn, maxReceiveCount: 5 })
  for (const name of ['scan', 'scan-bulk']) await make(name, { RedrivePolicy })
  return {
    client,
    clock,
    queue: sqsQueue({ client, prefix: `${server.queueUrlPrefix}longshore-test-` }),
    async close() {
      client.destroy()
      await server.close()
    },
  }
}

queueConformance('on SQS', open)

describe('the queue on SQS', () => {
  let world: Awaited<ReturnType<typeof open>>
  let calls: string[]
  let queue: Queue & QueueConsumer
  /** What the next SendMessageBatch answers instead of the server, by entry id. */
  let refusals: Set<string>[]

  beforeEach(async () => {
    world = await open()
    queue = world.queue
    calls = []
    refusals = []
    world.client.middlewareStack.add(
      (next, context) => async (args) => {
        calls.push(context.commandName!)
        const refused = context.commandName === 'SendMessageBatchCommand' ? refusals.shift() : undefined
        if (!refused) return next(args)
        const input = args.input as { Entries: { Id: string; MessageBody: string }[] }
        const kept = input.Entries.filter((entry) => !refused.has(entry.Id))
        const result =
          kept.length > 0 ? await next({ ...args, input: { ...args.input, Entries: kept } as never }) : undefined
        const Failed = [...refused].map((Id) => ({ Id, Code: 'ServiceUnavailable', SenderFault: false }))
        const output = { $metadata: {}, ...(result?.output as object), Failed }
        return { output, response: result?.response } as never
      },
      { step: 'initialize', name: 'counting' },
    )
  })
  afterEach(() => world.close())

  it('sends one message in one call, ten in one and 25 in three', async () => {
    await queue.send('scan', [{ body: 'x' }])
    expect(calls.splice(0)).toEqual(['SendMessageCommand'])
    await queue.send(
      'scan',
      Array.from({ length: 10 }, () => ({ body: 'x' })),
    )
    expect(calls.splice(0)).toEqual(['SendMessageBatchCommand'])
    await queue.send(
      'scan',
      Array.from({ length: 25 }, () => ({ body: 'x' })),
    )
    expect(calls).toEqual(Array(3).fill('SendMessageBatchCommand'))
    calls.length = 0
    await queue.depth('scan')
    await queue.receive('scan', { max: 10, waitSeconds: 0 })
    expect(calls).toHaveLength(2)
  })

  it('sends what was refused once more, and only that', async () => {
    refusals = [new Set(['1'])]
    await queue.send('scan', [{ body: 'a' }, { body: 'b' }, { body: 'c' }])
    expect(calls).toHaveLength(2)
    const received = await queue.receive('scan', { max: 10, waitSeconds: 0 })
    expect(received.map((m) => m.body).sort()).toEqual(['a', 'b', 'c'])
  })

  it('gives up after the second refusal and says how many', async () => {
    refusals = [new Set(['0', '1']), new Set(['1'])]
    const error = await queue.send('scan', [{ body: 'a' }, { body: 'b' }]).catch((e: unknown) => e)
    expect(error).toMatchObject({ code: 'queue-unavailable', retryable: true })
    expect((error as Error).message).toBe('the queue scan refused 1 messages: ServiceUnavailable')
    expect(calls).toHaveLength(2)
  })

  it('says which queue could not be reached and why, and nothing of the message', async () => {
    const absent = await queue.send('absent', [{ body: 'private' }]).catch((e: unknown) => e)
    expect(absent).toBeInstanceOf(LongshoreError)
    expect((absent as Error).message).toBe('could not send a message to the queue absent (QueueDoesNotExist)')
    await world.close()
    for (const call of [
      () => queue.send('scan', [{ body: 'private' }, { body: 'private' }]),
      () => queue.depth('scan'),
      () => queue.receive('scan', { max: 1, waitSeconds: 0 }),
      () => queue.remove('scan', 'r'),
      () => queue.giveBack('scan', 'r', 0),
    ]) {
      const error = await call().catch((e: unknown) => e)
      expect(error).toMatchObject({ code: 'queue-unavailable' })
      expect((error as Error).message).toMatch(/the queue scan \(ECONN/)
      expect((error as Error).message).not.toContain('private')
    }
  })
})
