import { ChangeMessageVisibilityCommand, DeleteMessageCommand } from '@aws-sdk/client-sqs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bodies, errorOf, type Place, receive, send, type World } from './world.ts'

export function visibilityTests(place: Place): void {
  describe(`visibility on ${place.title}`, () => {
    let world: World
    beforeAll(async () => {
      world = await place.open()
    })
    afterAll(() => world.close())

    const change = (QueueUrl: string, ReceiptHandle: string | undefined, VisibilityTimeout: number) =>
      world.client.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout }))
    const remove = (QueueUrl: string, ReceiptHandle: string | undefined) =>
      world.client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }))

    it('a received message is hidden until its timeout and then comes with another handle and a higher count', async () => {
      const queue = await world.queue({ VisibilityTimeout: '1' })
      await send(world, queue, 'x')
      const [first] = await receive(world, queue)
      expect(await receive(world, queue)).toEqual([])
      await world.pass(1)
      const [second] = await receive(world, queue)

      expect(second!.MessageId).toBe(first!.MessageId)
      expect(second!.ReceiptHandle).not.toBe(first!.ReceiptHandle)
      expect(second!.Attributes!.ApproximateReceiveCount).toBe('2')
      expect(second!.Attributes!.ApproximateFirstReceiveTimestamp).toBe(
        first!.Attributes!.ApproximateFirstReceiveTimestamp,
      )
    })

    it('the timeout of a receive goes before the one of the queue', async () => {
      const queue = await world.queue({ VisibilityTimeout: '600' })
      await send(world, queue, 'x')
      expect(await receive(world, queue, { VisibilityTimeout: 1 })).toHaveLength(1)
      await world.pass(1)
      expect(await receive(world, queue, { VisibilityTimeout: 0 })).toHaveLength(1)
      expect(await receive(world, queue)).toHaveLength(1)
    })

    it('a stale handle deletes nothing and says nothing', async () => {
      const queue = await world.queue({ VisibilityTimeout: '1' })
      await send(world, queue, 'x')
      const [first] = await receive(world, queue)
      await world.pass(1)
      await receive(world, queue)
      await remove(queue, first!.ReceiptHandle)
      await world.pass(1)
      expect(bodies(await receive(world, queue))).toEqual(['x'])
    })

    it('the last handle still deletes a message that became visible again', async () => {
      const queue = await world.queue({ VisibilityTimeout: '1' })
      await send(world, queue, 'x')
      const [first] = await receive(world, queue)
      await world.pass(1)
      await remove(queue, first!.ReceiptHandle)
      expect(await receive(world, queue)).toEqual([])
    })

    it('a handle that was never given out is invalid, as is the one of another queue', async () => {
      const queue = await world.queue()
      const other = await world.queue()
      await send(world, other, 'x')
      const [message] = await receive(world, other)
      for (const handle of ['bogus', Buffer.from('1.1.x').toString('base64'), message!.ReceiptHandle]) {
        expect(await errorOf(remove(queue, handle))).toBe('ReceiptHandleIsInvalid')
        expect(await errorOf(change(queue, handle, 1))).toBe('ReceiptHandleIsInvalid')
      }
    })

    it('a change to 0 makes the message visible at once', async () => {
      const queue = await world.queue({ VisibilityTimeout: '600' })
      await send(world, queue, 'x')
      const [message] = await receive(world, queue)
      await change(queue, message!.ReceiptHandle, 0)
      expect(bodies(await receive(world, queue))).toEqual(['x'])
    })

    it('a change counts from now, both ways', async () => {
      const queue = await world.queue({ VisibilityTimeout: '2' })
      await send(world, queue, 'longer')
      const [longer] = await receive(world, queue)
      await world.pass(1)
      await change(queue, longer!.ReceiptHandle, 3)
      await world.pass(1)
      expect(await receive(world, queue)).toEqual([])
      await world.pass(2)
      const [again] = await receive(world, queue, { VisibilityTimeout: 600 })
      expect(again!.Body).toBe('longer')
      await change(queue, again!.ReceiptHandle, 1)
      await world.pass(1)
      expect(await receive(world, queue)).toHaveLength(1)
    })

    it('a message that is not in flight has no visibility to change', async () => {
      const queue = await world.queue({ VisibilityTimeout: '1' })
      await send(world, queue, 'x')
      const [message] = await receive(world, queue)
      await world.pass(1)
      expect(await errorOf(change(queue, message!.ReceiptHandle, 5))).toBe('MessageNotInflight')
      await remove(queue, message!.ReceiptHandle)
      expect(await errorOf(change(queue, message!.ReceiptHandle, 5))).toMatch(/^InvalidParameterValue/)
    })

    it.runIf(place.virtual)('no message is hidden for more than 12 hours after one receive', async () => {
      const queue = await world.queue()
      await send(world, queue, 'x')
      const [message] = await receive(world, queue, { VisibilityTimeout: 43_200 })
      await world.pass(10)
      expect(await errorOf(change(queue, message!.ReceiptHandle, 43_200))).toMatch(/^InvalidParameterValue/)
      expect(await errorOf(change(queue, message!.ReceiptHandle, 43_190))).toBe('none')
    })

    it('a delayed message waits, by its own delay or by that of the queue', async () => {
      const queue = await world.queue({ DelaySeconds: '1' })
      await send(world, queue, 'queue')
      await send(world, queue, 'none', { DelaySeconds: 0 })
      await send(world, queue, 'own', { DelaySeconds: 2 })
      expect(bodies(await receive(world, queue))).toEqual(['none'])
      await world.pass(1)
      expect(bodies(await receive(world, queue))).toEqual(['queue'])
      await world.pass(1)
      expect(bodies(await receive(world, queue))).toEqual(['own'])
      expect(await errorOf(send(world, queue, 'x', { DelaySeconds: 901 }))).toMatch(/^InvalidParameterValue/)
    })
  })
}
