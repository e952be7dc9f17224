import { DeleteMessageCommand } from '@aws-sdk/client-sqs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bodies, errorOf, type Place, receive, send, type World } from './world.ts'

export function groupTests(place: Place): void {
  describe(`groups on ${place.title}`, () => {
    let world: World
    beforeAll(async () => {
      world = await place.open()
    })
    afterAll(() => world.close())

    const fifo = (attributes: Record<string, string> = {}) => world.queue(attributes, '.fifo')
    const remove = (QueueUrl: string, ReceiptHandle: string | undefined) =>
      world.client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }))
    const sendTo = (queue: string, group: string, body: string) =>
      send(world, queue, body, { MessageGroupId: group, MessageDeduplicationId: body })

    it.runIf(place.virtual)('a tenant with much in flight does not make a quiet one wait', async () => {
      const queue = await world.queue()
      for (let i = 0; i < 50; i++) await send(world, queue, `noisy ${i}`, { MessageGroupId: 'noisy' })
      for (let i = 0; i < 4; i++) await receive(world, queue)
      await send(world, queue, 'quiet', { MessageGroupId: 'quiet' })
      await send(world, queue, 'nobody')
      const next = bodies(await receive(world, queue, { MaxNumberOfMessages: 2 }))
      expect(next.sort()).toEqual(['nobody', 'quiet'])
    })

    it.runIf(place.virtual)('tenants with the same in flight take turns', async () => {
      const queue = await world.queue()
      for (const group of ['a', 'b'])
        for (let i = 0; i < 4; i++) await send(world, queue, group, { MessageGroupId: group })
      const served: (string | undefined)[] = []
      for (let i = 0; i < 4; i++) {
        const [message] = await receive(world, queue, { MaxNumberOfMessages: 1 })
        served.push(message!.Body)
        await remove(queue, message!.ReceiptHandle)
      }
      expect(served).toEqual(['a', 'b', 'a', 'b'])
    })

    it('a FIFO queue keeps the order of a group and locks it while a message of it is in flight', async () => {
      const queue = await fifo()
      for (const body of ['a1', 'a2', 'b1']) await sendTo(queue, body[0]!, body)
      const [a1] = await receive(world, queue, { MaxNumberOfMessages: 1 })
      expect(a1!.Body).toBe('a1')
      expect(bodies(await receive(world, queue))).toEqual(['b1'])
      expect(await receive(world, queue)).toEqual([])
      await remove(queue, a1!.ReceiptHandle)
      expect(bodies(await receive(world, queue))).toEqual(['a2'])
    })

    it('a delete on a FIFO queue wakes who waits for the next of the group', async () => {
      const queue = await fifo()
      await sendTo(queue, 'a', 'a1')
      await sendTo(queue, 'a', 'a2')
      const [a1] = await receive(world, queue, { MaxNumberOfMessages: 1 })
      const waiting = receive(world, queue, { WaitTimeSeconds: 20 })
      await world.parked()
      await remove(queue, a1!.ReceiptHandle)
      expect(bodies(await waiting)).toEqual(['a2'])
    })

    it('a FIFO message that was not deleted comes first again', async () => {
      const queue = await fifo({ VisibilityTimeout: '1' })
      for (const body of ['a1', 'a2', 'a3']) await sendTo(queue, 'a', body)
      expect(bodies(await receive(world, queue, { MaxNumberOfMessages: 2 }))).toEqual(['a1', 'a2'])
      await world.pass(1)
      expect(bodies(await receive(world, queue))).toEqual(['a1', 'a2', 'a3'])
    })

    it('a FIFO delete with an expired handle is an error', async () => {
      const queue = await fifo({ VisibilityTimeout: '1' })
      await sendTo(queue, 'a', 'a1')
      const [message] = await receive(world, queue)
      await world.pass(1)
      expect(await errorOf(remove(queue, message!.ReceiptHandle))).toMatch(/^InvalidParameterValue/)
      expect(await receive(world, queue)).toHaveLength(1)
    })

    it('a FIFO queue takes a message once in five minutes, also after it was deleted', async () => {
      const queue = await fifo()
      const first = await sendTo(queue, 'a', 'once')
      expect((await sendTo(queue, 'a', 'once')).MessageId).toBe(first.MessageId)
      const [message] = await receive(world, queue)
      await remove(queue, message!.ReceiptHandle)
      expect((await sendTo(queue, 'a', 'once')).SequenceNumber).toBe(first.SequenceNumber)
      expect(await receive(world, queue)).toEqual([])
      if (!place.virtual) return
      await world.pass(300)
      expect((await sendTo(queue, 'a', 'once')).MessageId).not.toBe(first.MessageId)
    })

    it('content-based deduplication needs no id; without it one is required, as is a group', async () => {
      const byContent = await fifo({ ContentBasedDeduplication: 'true' })
      const first = await send(world, byContent, 'x', { MessageGroupId: 'a' })
      const second = await send(world, byContent, 'x', { MessageGroupId: 'a' })
      expect(second.MessageId).toBe(first.MessageId)
      expect(await errorOf(send(world, await fifo(), 'x', { MessageGroupId: 'a' }))).not.toBe('none')
      expect(await errorOf(send(world, byContent, 'x'))).not.toBe('none')
    })

    it('sequence numbers rise', async () => {
      const queue = await fifo()
      const a = await sendTo(queue, 'a', '1')
      const b = await sendTo(queue, 'b', '2')
      expect(BigInt(b.SequenceNumber!)).toBeGreaterThan(BigInt(a.SequenceNumber!))
    })
  })
}
