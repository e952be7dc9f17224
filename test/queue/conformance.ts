/** What both twins of the queue port promise; each runs on a clock that the test moves. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LongshoreError } from '../../lib/errors.ts'
import type { Queue, QueueConsumer, QueueSetup, ReceivedMessage } from '../../lib/queue/port.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** Queues `scan`, `scan-bulk` and `scan-dlq`; 30 seconds of visibility, 5 receives. */
export interface QueueWorld {
  queue: Queue & QueueConsumer & QueueSetup
  clock: VirtualClock
  close(): Promise<void>
}

const bodies = (messages: ReceivedMessage[]) => messages.map((message) => message.body)

export function queueConformance(title: string, open: () => Promise<QueueWorld>): void {
  describe(`the queue ${title}`, () => {
    let world: QueueWorld
    beforeEach(async () => {
      world = await open()
    })
    afterEach(() => world.close())

    const receive = (more: Partial<Parameters<QueueConsumer['receive']>[1]> = {}, name = 'scan') =>
      world.queue.receive(name, { max: 10, waitSeconds: 0, ...more })
    const pass = (seconds: number) => world.clock.advance(seconds * 1000)

    it('gives out what was sent, once', async () => {
      await world.queue.send('scan', [{ body: '{"job":"a"}', group: 'tenant' }])
      const [message] = await receive()
      expect(message).toMatchObject({ body: '{"job":"a"}', receiveCount: 1, group: 'tenant' })
      expect(message!.messageId).not.toBe('')
      expect(await receive()).toEqual([])
    })

    it('tells how a queue is set up, and when it said so', async () => {
      const { answeredAt, ...settings } = (await world.queue.settings('scan'))!
      expect(settings).toEqual({ visibilitySeconds: 30, deadLetters: { queue: 'scan-dlq', afterReceives: 5 } })
      expect(answeredAt).toBeTypeOf('number')
      const { answeredAt: _, ...last } = (await world.queue.settings('scan-dlq'))!
      expect(last).toEqual({ visibilitySeconds: 30 })
    })

    it('leaves the group out where there is none', async () => {
      await world.queue.send('scan', [{ body: 'x' }])
      expect('group' in (await receive())[0]!).toBe(false)
    })

    it('sends any number of messages, and none', async () => {
      await world.queue.send('scan', [])
      await world.queue.send(
        'scan',
        Array.from({ length: 57 }, (_, i) => ({ body: `${i}` })),
      )
      const all: string[] = []
      for (let round = 0; round < 6; round++) all.push(...bodies(await receive()))
      expect(new Set(all).size).toBe(57)
    })

    it('keeps queues apart', async () => {
      await world.queue.send('scan-bulk', [{ body: 'x' }])
      expect(await receive()).toEqual([])
      expect(bodies(await receive({}, 'scan-bulk'))).toEqual(['x'])
    })

    it('gives a message again after the visibility timeout, under another receipt', async () => {
      await world.queue.send('scan', [{ body: 'x' }])
      const [first] = await receive()
      await pass(29)
      expect(await receive()).toEqual([])
      await pass(1)
      const [second] = await receive()
      expect(second).toMatchObject({ messageId: first!.messageId, receiveCount: 2 })
      expect(second!.receipt).not.toBe(first!.receipt)
    })

    it('forgets a removed message; a late remove by an old receipt does nothing', async () => {
      await world.queue.send('scan', [{ body: 'x' }])
      const [first] = await receive()
      await pass(30)
      const [second] = await receive()
      await world.queue.remove('scan', first!.receipt)
      expect((await world.queue.depth('scan')).inFlight).toBe(1)
      await world.queue.remove('scan', second!.receipt)
      await world.queue.remove('scan', second!.receipt)
      await pass(30)
      expect(await receive()).toEqual([])
    })

    it('gives back at once or later, and not what is no longer held', async () => {
      await world.queue.send('scan', [{ body: 'x' }])
      const [first] = await receive()
      await world.queue.giveBack('scan', first!.receipt, 0)
      const [second] = await receive()
      expect(second!.receiveCount).toBe(2)
      await world.queue.giveBack('scan', first!.receipt, 0)
      expect(await receive()).toEqual([])
      await world.queue.giveBack('scan', second!.receipt, 60)
      await pass(59)
      expect(await receive()).toEqual([])
      await pass(1)
      const [third] = await receive()
      await world.queue.remove('scan', third!.receipt)
      await world.queue.giveBack('scan', third!.receipt, 0)
      expect(await receive()).toEqual([])
    })

    it('refuses a receipt it never gave out', async () => {
      await world.queue.send('scan', [{ body: 'x' }])
      for (const call of [world.queue.remove('scan', 'bogus'), world.queue.giveBack('scan', 'bogus', 0)]) {
        const error = await call.catch((e: unknown) => e)
        expect(error).toBeInstanceOf(LongshoreError)
        expect((error as LongshoreError).code).toBe('queue-unavailable')
      }
    })

    it('moves a message to the dead letters of its type after five receives, from either lane', async () => {
      for (const name of ['scan', 'scan-bulk']) {
        await world.queue.send(name, [{ body: name, group: 'tenant' }])
        for (let i = 1; i <= 5; i++) {
          expect((await receive({}, name))[0]!.receiveCount).toBe(i)
          await pass(30)
        }
        expect(await receive({}, name)).toEqual([])
      }
      const letters = await receive({}, 'scan-dlq')
      expect(bodies(letters).sort()).toEqual(['scan', 'scan-bulk'])
      expect(letters.map((letter) => [letter.receiveCount, letter.group])).toEqual([
        [6, 'tenant'],
        [6, 'tenant'],
      ])
      for (let i = 0; i < 10; i++) {
        await pass(30)
        expect(await receive({}, 'scan-dlq')).toHaveLength(2)
      }
    })

    it('holds a delayed message back for so long', async () => {
      await world.queue.send('scan', [{ body: 'later', delaySeconds: 900 }, { body: 'now' }])
      const [now, ...others] = await receive()
      expect([now!.body, others]).toEqual(['now', []])
      await world.queue.remove('scan', now!.receipt)
      await pass(899)
      expect(await receive()).toEqual([])
      await pass(1)
      expect(bodies(await receive())).toEqual(['later'])
    })

    it('tells its depth', async () => {
      await world.queue.send('scan', [{ body: 'a' }, { body: 'b' }, { body: 'c', delaySeconds: 5 }])
      expect(await world.queue.depth('scan')).toEqual({ waiting: 2, inFlight: 0, delayed: 1 })
      await receive({ max: 1 })
      expect(await world.queue.depth('scan')).toEqual({ waiting: 1, inFlight: 1, delayed: 1 })
      await pass(30)
      expect(await world.queue.depth('scan')).toEqual({ waiting: 3, inFlight: 0, delayed: 0 })
    })

    it('lets groups take turns, so that a big one makes nobody wait', async () => {
      const many = Array.from({ length: 40 }, () => ({ body: 'big', group: 'big' }))
      await world.queue.send('scan', [...many, { body: 'small', group: 'small' }])
      expect(bodies(await receive({ max: 2 }))).toEqual(['big', 'small'])
    })

    it('wakes a receiver that waits, by a send, by a delay that ends and by a message given back', async () => {
      const bySend = receive({ waitSeconds: 20 })
      await world.clock.sleeping(1)
      await world.queue.send('scan', [{ body: 'sent' }])
      const [sent] = await bySend
      expect(sent!.body).toBe('sent')

      const byReturn = receive({ waitSeconds: 20 })
      await world.clock.sleeping(1)
      await world.queue.giveBack('scan', sent!.receipt, 0)
      expect((await byReturn)[0]).toMatchObject({ body: 'sent', receiveCount: 2 })

      await world.queue.send('scan', [{ body: 'late', delaySeconds: 7 }])
      const byDelay = receive({ waitSeconds: 20 })
      await world.clock.sleeping(1)
      await pass(7)
      expect(bodies(await byDelay)).toEqual(['late'])
    })

    it('sends a receiver away empty when its time is over or its signal aborts', async () => {
      const waiting = receive({ waitSeconds: 20 })
      await world.clock.sleeping(1)
      await pass(20)
      expect(await waiting).toEqual([])

      const controller = new AbortController()
      const aborted = receive({ waitSeconds: 20, signal: controller.signal })
      await world.clock.sleeping(1)
      controller.abort()
      expect(await aborted).toEqual([])
      await world.clock.awake()
      await world.queue.send('scan', [{ body: 'x' }])
      expect(bodies(await receive())).toEqual(['x'])
      expect(await receive({ waitSeconds: 20, signal: controller.signal })).toEqual([])
    })
  })
}
