import {
  CancelMessageMoveTaskCommand,
  DeleteMessageCommand,
  ListDeadLetterSourceQueuesCommand,
  ListMessageMoveTasksCommand,
  SetQueueAttributesCommand,
  StartMessageMoveTaskCommand,
} from '@aws-sdk/client-sqs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { arnOf, attributesOf, bodies, errorOf, type Place, receive, send, type World } from './world.ts'

export function deadLetterTests(place: Place): void {
  describe(`dead letters on ${place.title}`, () => {
    let world: World
    beforeAll(async () => {
      world = await place.open()
    })
    afterAll(() => world.close())

    async function pair(maxReceiveCount: number) {
      const letters = await world.queue()
      const policy = { deadLetterTargetArn: await arnOf(world, letters), maxReceiveCount }
      const queue = await world.queue({ RedrivePolicy: JSON.stringify(policy) })
      return { queue, letters }
    }

    async function killed(queue: string, body: string): Promise<string> {
      const { MessageId } = await send(world, queue, body)
      await receive(world, queue, { VisibilityTimeout: 0 })
      await receive(world, queue)
      return MessageId!
    }

    it('a message received too often moves over, with its id and the ARN it came from', async () => {
      const { queue, letters } = await pair(2)
      const sent = await send(world, queue, 'poison')
      for (const _ of [1, 2]) expect(bodies(await receive(world, queue, { VisibilityTimeout: 0 }))).toEqual(['poison'])
      expect(await receive(world, queue)).toEqual([])
      const [letter] = await receive(world, letters)

      expect(letter).toMatchObject({ MessageId: sent.MessageId, Body: 'poison' })
      expect(letter!.Attributes!.DeadLetterQueueSourceArn).toBe(await arnOf(world, queue))
      expect(letter!.Attributes!.ApproximateReceiveCount).toBe('3')
    })

    it('one poisoned message does not hold up the others of a receive', async () => {
      const { queue, letters } = await pair(1)
      await send(world, queue, 'poison')
      await receive(world, queue, { VisibilityTimeout: 0 })
      await send(world, queue, 'healthy')
      expect(bodies(await receive(world, queue))).toEqual(['healthy'])
      expect(bodies(await receive(world, letters))).toEqual(['poison'])
    })

    it('a message that dies while its receiver waits wakes who waits for dead letters', async () => {
      const { queue, letters } = await pair(1)
      await send(world, queue, 'poison')
      await receive(world, queue, { VisibilityTimeout: 1 })
      const waiting = receive(world, letters, { WaitTimeSeconds: 10 })
      await world.parked()
      await world.pass(1)
      expect(await receive(world, queue)).toEqual([])
      expect(bodies(await waiting)).toEqual(['poison'])
    })

    it('a dead-letter queue knows its sources', async () => {
      const { queue, letters } = await pair(2)
      const { queueUrls } = await world.client.send(new ListDeadLetterSourceQueuesCommand({ QueueUrl: letters }))
      expect(queueUrls).toEqual([queue])
    })

    it('a redrive policy names a queue that exists and a count of at least 1', async () => {
      const { queue, letters } = await pair(2)
      const arn = await arnOf(world, letters)
      for (const policy of [
        { deadLetterTargetArn: `${arn}-absent`, maxReceiveCount: 2 },
        { deadLetterTargetArn: arn, maxReceiveCount: 0 },
        { deadLetterTargetArn: arn },
        { maxReceiveCount: 2 },
      ]) {
        const Attributes = { RedrivePolicy: JSON.stringify(policy) }
        const call = world.client.send(new SetQueueAttributesCommand({ QueueUrl: queue, Attributes }))
        expect(await errorOf(call)).toMatch(/^InvalidParameterValue/)
      }
    })

    it('an empty redrive policy takes the dead letters away', async () => {
      const { queue } = await pair(1)
      await world.client.send(new SetQueueAttributesCommand({ QueueUrl: queue, Attributes: { RedrivePolicy: '' } }))
      await send(world, queue, 'x')
      for (const _ of [1, 2, 3]) expect(await receive(world, queue, { VisibilityTimeout: 0 })).toHaveLength(1)
      expect((await attributesOf(world, queue)).RedrivePolicy).toBeUndefined()
    })

    it('a move task brings dead letters home as new messages', async () => {
      const { queue, letters } = await pair(1)
      const id = await killed(queue, 'try again')
      const SourceArn = await arnOf(world, letters)
      await world.client.send(new StartMessageMoveTaskCommand({ SourceArn }))
      const [back] = await receive(world, queue, { WaitTimeSeconds: 5 })

      expect(back!.Body).toBe('try again')
      expect(back!.MessageId).not.toBe(id)
      expect(back!.Attributes!.ApproximateReceiveCount).toBe('1')
      expect(back!.Attributes!.DeadLetterQueueSourceArn).toBeUndefined()
      const { Results } = await world.client.send(new ListMessageMoveTasksCommand({ SourceArn }))
      expect(Results).toMatchObject([{ Status: 'COMPLETED', ApproximateNumberOfMessagesMoved: 1 }])
    })

    it('a move task keeps its rate, is the only one of its source and can be cancelled', async () => {
      const { queue, letters } = await pair(1)
      for (const body of ['a', 'b', 'c', 'd']) await killed(queue, body)
      const other = await world.queue()
      const SourceArn = await arnOf(world, letters)
      const start = () =>
        world.client.send(
          new StartMessageMoveTaskCommand({
            SourceArn,
            DestinationArn: destination,
            MaxNumberOfMessagesPerSecond: 1,
          }),
        )
      const destination = await arnOf(world, other)
      const { TaskHandle } = await start()
      expect(await errorOf(start())).toBe('UnsupportedOperation')
      await world.pass(1)
      const cancel = new CancelMessageMoveTaskCommand({ TaskHandle })
      const { ApproximateNumberOfMessagesMoved: moved } = await world.client.send(cancel)
      await world.pass(1)

      expect(await receive(world, other)).toHaveLength(moved!)
      if (place.virtual) expect(moved).toBe(2)
      expect(await errorOf(world.client.send(cancel))).toBe('ResourceNotFoundException')
    })

    it('a move task starts from a dead-letter queue only', async () => {
      const queue = await world.queue()
      const start = async (SourceArn: string) =>
        errorOf(world.client.send(new StartMessageMoveTaskCommand({ SourceArn })))
      expect(await start(await arnOf(world, queue))).toMatch(/^InvalidParameterValue/)
      expect(await start(`${await arnOf(world, queue)}-absent`)).toBe('ResourceNotFoundException')
    })

    it('a move task without a way home leaves the letters where they are', async () => {
      const { queue, letters } = await pair(1)
      const never = await send(world, letters, 'sent here by hand')
      const SourceArn = await arnOf(world, letters)
      await world.client.send(new StartMessageMoveTaskCommand({ SourceArn }))
      await world.pass(1)
      const [still] = await receive(world, letters)
      expect(still!.MessageId).toBe(never.MessageId)
      const { Results } = await world.client.send(new ListMessageMoveTasksCommand({ SourceArn }))
      expect(Results![0]!.Status).toBe('FAILED')
      await world.client.send(new DeleteMessageCommand({ QueueUrl: letters, ReceiptHandle: still!.ReceiptHandle }))
      expect(await receive(world, queue)).toEqual([])
    })
  })
}
