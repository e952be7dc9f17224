import { createHash } from 'node:crypto'
import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  PurgeQueueCommand,
  SendMessageBatchCommand,
} from '@aws-sdk/client-sqs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { attributesOf, bodies, errorOf, type Place, receive, send, type World } from './world.ts'

export function messageTests(place: Place): void {
  describe(`messages on ${place.title}`, () => {
    let world: World
    beforeAll(async () => {
      world = await place.open()
    })
    afterAll(() => world.close())

    it('a message comes out as it went in, with its system attributes', async () => {
      const queue = await world.queue()
      const sent = await send(world, queue, 'Größe ✓ 𝄞')
      const [message] = await receive(world, queue)

      expect(message).toMatchObject({ MessageId: sent.MessageId, Body: 'Größe ✓ 𝄞', MD5OfBody: sent.MD5OfMessageBody })
      expect(message!.MD5OfBody).toBe(createHash('md5').update('Größe ✓ 𝄞').digest('hex'))
      expect(Object.keys(message!.Attributes!).sort()).toEqual([
        'ApproximateFirstReceiveTimestamp',
        'ApproximateReceiveCount',
        'SenderId',
        'SentTimestamp',
      ])
      expect(message!.Attributes!.ApproximateReceiveCount).toBe('1')
    })

    it('system attributes are told only by request, by the new and by the old name of the parameter', async () => {
      const queue = await world.queue({ VisibilityTimeout: '0' })
      await send(world, queue, 'x')

      const none = await receive(world, queue, { MessageSystemAttributeNames: [] })
      const one = await receive(world, queue, { MessageSystemAttributeNames: ['ApproximateReceiveCount'] })
      const old = await receive(world, queue, {
        MessageSystemAttributeNames: [],
        AttributeNames: ['SentTimestamp'] as never,
      })

      expect(none[0]!.Attributes).toBeUndefined()
      expect(one[0]!.Attributes).toEqual({ ApproximateReceiveCount: '2' })
      expect(Object.keys(old[0]!.Attributes!)).toEqual(['SentTimestamp'])
    })

    it('message attributes are digested as the guide says and selected by name, prefix and All', async () => {
      const queue = await world.queue({ VisibilityTimeout: '0' })
      const attributes = {
        'job.type': { DataType: 'String', StringValue: 'scan' },
        'job.size': { DataType: 'Number.int', StringValue: '42' },
        bytes: { DataType: 'Binary', BinaryValue: new Uint8Array([0, 255, 1]) },
      }
      const sent = await send(world, queue, 'x', { MessageAttributes: attributes })

      const [none] = await receive(world, queue)
      const [all] = await receive(world, queue, { MessageAttributeNames: ['All'] })
      const [some] = await receive(world, queue, { MessageAttributeNames: ['job.*'] })
      const [named] = await receive(world, queue, { MessageAttributeNames: ['bytes', 'absent'] })

      const word = (text: string | Uint8Array) => {
        const bytes = Buffer.from(text)
        return Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes])
      }
      const one = (n: string, type: string, kind: number, value: string | Uint8Array) =>
        Buffer.concat([word(n), word(type), Buffer.from([kind]), word(value)])
      const encoded = [
        one('bytes', 'Binary', 2, new Uint8Array([0, 255, 1])),
        one('job.size', 'Number.int', 1, '42'),
        one('job.type', 'String', 1, 'scan'),
      ]
      expect(sent.MD5OfMessageAttributes).toBe(createHash('md5').update(Buffer.concat(encoded)).digest('hex'))
      expect(none!.MessageAttributes).toBeUndefined()
      expect(all!.MessageAttributes).toEqual(attributes)
      expect(all!.MD5OfMessageAttributes).toBe(sent.MD5OfMessageAttributes)
      expect(Object.keys(some!.MessageAttributes!).sort()).toEqual(['job.size', 'job.type'])
      expect(named!.MessageAttributes).toEqual({ bytes: attributes.bytes })
    })

    it('the trace header travels as a system attribute', async () => {
      const queue = await world.queue()
      const header = 'Root=1-5759e988-bd862e3fe1be46a994272793'
      await send(world, queue, 'x', {
        MessageSystemAttributes: { AWSTraceHeader: { DataType: 'String', StringValue: header } },
      })
      expect((await receive(world, queue))[0]!.Attributes!.AWSTraceHeader).toBe(header)
    })

    it('a standard queue returns the message group of a message', async () => {
      const queue = await world.queue()
      await send(world, queue, 'x', { MessageGroupId: 'tenant-1' })
      expect((await receive(world, queue))[0]!.Attributes!.MessageGroupId).toBe('tenant-1')
    })

    it('a batch succeeds and fails entry by entry', async () => {
      const queue = await world.queue()
      const result = await world.client.send(
        new SendMessageBatchCommand({
          QueueUrl: queue,
          Entries: [
            { Id: 'good', MessageBody: 'good' },
            { Id: 'bad', MessageBody: 'bad \u0000 character' },
            { Id: 'fine', MessageBody: 'fine' },
          ],
        }),
      )
      expect(result.Successful!.map((s) => s.Id)).toEqual(['good', 'fine'])
      expect(result.Failed).toMatchObject([{ Id: 'bad', SenderFault: true, Code: 'InvalidMessageContents' }])
      expect(bodies(await receive(world, queue)).sort()).toEqual(['fine', 'good'])
    })

    it('batches have one to ten entries with distinct, valid ids', async () => {
      const queue = await world.queue()
      const batch = (ids: string[]) =>
        errorOf(
          world.client.send(
            new SendMessageBatchCommand({ QueueUrl: queue, Entries: ids.map((Id) => ({ Id, MessageBody: 'x' })) }),
          ),
        )
      expect(await batch(['a', 'a'])).toBe('BatchEntryIdsNotDistinct')
      expect(await batch([])).toBe('EmptyBatchRequest')
      expect(await batch('abcdefghijk'.split(''))).toBe('TooManyEntriesInBatchRequest')
      expect(await batch(['not valid!'])).toBe('InvalidBatchEntryId')
      expect(await receive(world, queue)).toEqual([])
    })

    it('a delete batch and a visibility batch fail entry by entry too', async () => {
      const queue = await world.queue()
      await send(world, queue, 'x')
      const [message] = await receive(world, queue)
      const Entries = [
        { Id: 'ok', ReceiptHandle: message!.ReceiptHandle! },
        { Id: 'bogus', ReceiptHandle: 'no-such-handle' },
      ]
      const visibility = await world.client.send(
        new ChangeMessageVisibilityBatchCommand({
          QueueUrl: queue,
          Entries: Entries.map((entry) => ({ ...entry, VisibilityTimeout: 60 })),
        }),
      )
      const removal = await world.client.send(new DeleteMessageBatchCommand({ QueueUrl: queue, Entries }))

      for (const result of [visibility, removal]) {
        expect(result.Successful!.map((s) => s.Id)).toEqual(['ok'])
        expect(result.Failed).toMatchObject([{ Id: 'bogus', SenderFault: true, Code: 'ReceiptHandleIsInvalid' }])
      }
    })

    it('a message of 1 MiB fits, one byte more does not, nor a batch of more', async () => {
      const queue = await world.queue()
      const mebibyte = 'x'.repeat(1_048_576)
      await send(world, queue, mebibyte)
      expect((await receive(world, queue))[0]!.Body).toHaveLength(1_048_576)
      expect(await errorOf(send(world, queue, `${mebibyte}x`))).toMatch(/^InvalidParameterValue/)
      const Entries = ['a', 'b'].map((Id) => ({ Id, MessageBody: 'x'.repeat(600_000) }))
      const batch = world.client.send(new SendMessageBatchCommand({ QueueUrl: queue, Entries }))
      expect(await errorOf(batch)).toBe('BatchRequestTooLong')
    })

    it('a body that XML could not carry is refused', async () => {
      const queue = await world.queue()
      expect(await errorOf(send(world, queue, 'a\u0007b'))).toBe('InvalidMessageContents')
      expect(await errorOf(send(world, queue, ''))).not.toBe('none')
    })

    it('ten at most are received, and each message once', async () => {
      const queue = await world.queue()
      for (const part of [0, 1])
        await world.client.send(
          new SendMessageBatchCommand({
            QueueUrl: queue,
            Entries: Array.from({ length: 10 }, (_, i) => ({ Id: `${i}`, MessageBody: `${part * 10 + i}` })),
          }),
        )
      const rounds = [await receive(world, queue), await receive(world, queue), await receive(world, queue)]
      expect(rounds.map((r) => r.length)).toEqual([10, 10, 0])
      expect(new Set(rounds.flatMap(bodies)).size).toBe(20)
      expect(await errorOf(receive(world, queue, { MaxNumberOfMessages: 11 }))).not.toBe('none')
    })

    it('counts tell the waiting, the in flight and the delayed apart', async () => {
      const queue = await world.queue()
      for (const body of ['a', 'b', 'c']) await send(world, queue, body)
      await send(world, queue, 'later', { DelaySeconds: 600 })
      await receive(world, queue, { MaxNumberOfMessages: 1 })

      expect(await attributesOf(world, queue)).toMatchObject({
        ApproximateNumberOfMessages: '2',
        ApproximateNumberOfMessagesNotVisible: '1',
        ApproximateNumberOfMessagesDelayed: '1',
      })
    })

    it('a deleted message is gone, and a second delete is welcome', async () => {
      const queue = await world.queue({ VisibilityTimeout: '1' })
      await send(world, queue, 'x')
      const [message] = await receive(world, queue)
      const remove = new DeleteMessageCommand({ QueueUrl: queue, ReceiptHandle: message!.ReceiptHandle })
      await world.client.send(remove)
      await world.client.send(remove)
      await world.pass(1)
      expect(await receive(world, queue)).toEqual([])
    })

    it('a purge empties the queue and may not follow another within 60 seconds', async () => {
      const queue = await world.queue()
      await send(world, queue, 'x')
      await send(world, queue, 'later', { DelaySeconds: 1 })
      const purge = () => errorOf(world.client.send(new PurgeQueueCommand({ QueueUrl: queue })))
      expect(await purge()).toBe('none')
      await world.pass(1)
      expect(await receive(world, queue)).toEqual([])
      if (!place.virtual) return
      expect(await purge()).toBe('PurgeQueueInProgress')
      await world.pass(60)
      expect(await purge()).toBe('none')
    })

    it.runIf(place.virtual)('a message is forgotten after the retention period', async () => {
      const queue = await world.queue({ MessageRetentionPeriod: '60' })
      await send(world, queue, 'old')
      await world.pass(30)
      await send(world, queue, 'young')
      await world.pass(30)
      expect((await attributesOf(world, queue)).ApproximateNumberOfMessages).toBe('1')
      expect(bodies(await receive(world, queue))).toEqual(['young'])
    })
  })
}
