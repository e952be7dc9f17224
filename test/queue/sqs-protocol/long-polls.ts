import { ChangeMessageVisibilityCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bodies, type Place, receive, send, type World } from './world.ts'

export function longPollTests(place: Place): void {
  describe(`long polls on ${place.title}`, () => {
    let world: World
    beforeAll(async () => {
      world = await place.open()
    })
    afterAll(() => world.close())

    it('a send wakes the receiver that waits', async () => {
      const queue = await world.queue()
      const waiting = receive(world, queue, { WaitTimeSeconds: 20 })
      await world.parked()
      await send(world, queue, 'x')
      expect(bodies(await waiting)).toEqual(['x'])
    })

    it('the end of a visibility timeout wakes it', async () => {
      const queue = await world.queue({ VisibilityTimeout: '1' })
      await send(world, queue, 'x')
      await receive(world, queue)
      const waiting = receive(world, queue, { WaitTimeSeconds: 20 })
      await world.parked()
      await world.pass(1)
      expect(bodies(await waiting)).toEqual(['x'])
    })

    it('a message given back while it waits wakes it', async () => {
      const queue = await world.queue({ VisibilityTimeout: '600' })
      await send(world, queue, 'x')
      const [message] = await receive(world, queue)
      const waiting = receive(world, queue, { WaitTimeSeconds: 20 })
      await world.parked()
      const { ReceiptHandle } = message!
      await world.client.send(
        new ChangeMessageVisibilityCommand({ QueueUrl: queue, ReceiptHandle, VisibilityTimeout: 0 }),
      )
      expect(bodies(await waiting)).toEqual(['x'])
    })

    it('the end of a delay wakes it', async () => {
      const queue = await world.queue()
      const waiting = receive(world, queue, { WaitTimeSeconds: 20 })
      await world.parked()
      await send(world, queue, 'x', { DelaySeconds: 1 })
      await world.pass(1)
      expect(bodies(await waiting)).toEqual(['x'])
    })

    it('it ends empty when its time is over, by its own wish or by that of the queue', async () => {
      const queue = await world.queue({ ReceiveMessageWaitTimeSeconds: '1' })
      const waiting = receive(world, queue)
      await world.parked()
      await world.pass(1)
      expect(await waiting).toEqual([])
      expect(await receive(world, queue, { WaitTimeSeconds: 0 })).toEqual([])
    })

    it('a receiver that has gone takes no message with it', async () => {
      const queue = await world.queue({ VisibilityTimeout: '600' })
      const gone = new AbortController()
      const command = new ReceiveMessageCommand({ QueueUrl: queue, WaitTimeSeconds: 20 })
      const waiting = world.client.send(command, { abortSignal: gone.signal }).catch((error: Error) => error.name)
      await world.parked()
      gone.abort()
      expect(await waiting).toBe('AbortError')
      await world.unparked()
      await send(world, queue, 'x')
      expect(bodies(await receive(world, queue))).toEqual(['x'])
    })
  })
}
