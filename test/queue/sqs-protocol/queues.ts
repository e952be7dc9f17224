import { randomUUID } from 'node:crypto'
import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  ListQueueTagsCommand,
  SetQueueAttributesCommand,
  TagQueueCommand,
  UntagQueueCommand,
} from '@aws-sdk/client-sqs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { attributesOf, errorOf, type Place, receive, send, type World } from './world.ts'

export function queueTests(place: Place): void {
  describe(`queues on ${place.title}`, () => {
    let world: World
    beforeAll(async () => {
      world = await place.open()
    })
    afterAll(() => world.close())

    const create = (QueueName: string, Attributes: Record<string, string> = {}) =>
      world.client.send(new CreateQueueCommand({ QueueName, Attributes }))

    it('a queue is made once and found again only with equal attributes', async () => {
      const name = `made-${randomUUID()}`
      const { QueueUrl } = await create(name, { VisibilityTimeout: '60' })
      expect((await create(name, { VisibilityTimeout: '60' })).QueueUrl).toBe(QueueUrl)
      expect((await create(name)).QueueUrl).toBe(QueueUrl)
      expect(await errorOf(create(name, { VisibilityTimeout: '61' }))).toBe('QueueNameExists')
      expect((await world.client.send(new GetQueueUrlCommand({ QueueName: name }))).QueueUrl).toBe(QueueUrl)
    })

    it('names are 1 to 80 letters, digits, hyphens and underscores', async () => {
      for (const name of ['a b', 'x'.repeat(81), 'a.b', 'ä'])
        expect(await errorOf(create(name)), name).toMatch(/^InvalidParameterValue/)
      expect(await errorOf(create(`${randomUUID()}.fifo`))).toMatch(/^InvalidParameterValue/)
    })

    it('a new queue has the defaults of SQS', async () => {
      const queue = await world.queue()
      const attributes = await attributesOf(world, queue)
      expect(attributes).toMatchObject({
        VisibilityTimeout: '30',
        DelaySeconds: '0',
        MaximumMessageSize: '1048576',
        MessageRetentionPeriod: '345600',
        ReceiveMessageWaitTimeSeconds: '0',
        ApproximateNumberOfMessages: '0',
      })
      expect(attributes.QueueArn).toBe(`arn:aws:sqs:us-east-1:${queue.split('/').at(-2)}:${queue.split('/').at(-1)}`)
      expect(attributes.FifoQueue).toBeUndefined()
    })

    it('attributes can be changed and are read by name', async () => {
      const queue = await world.queue()
      const set = (Attributes: Record<string, string>) =>
        errorOf(world.client.send(new SetQueueAttributesCommand({ QueueUrl: queue, Attributes })))
      expect(await set({ VisibilityTimeout: '90' })).toBe('none')
      expect(await set({ VisibilityTimeout: '43201' })).toMatch(/^Invalid/)
      expect(await set({ Colour: 'red' })).toBe('InvalidAttributeName')
      const { Attributes } = await world.client.send(
        new GetQueueAttributesCommand({ QueueUrl: queue, AttributeNames: ['VisibilityTimeout'] }),
      )
      expect(Attributes).toEqual({ VisibilityTimeout: '90' })
    })

    it('queues are listed by prefix and page by page', async () => {
      const prefix = `list-${randomUUID().slice(0, 8)}-`
      for (const n of [1, 2, 3, 4, 5]) await create(`${prefix}${n}`)
      const list = (NextToken?: string) =>
        world.client.send(new ListQueuesCommand({ QueueNamePrefix: prefix, MaxResults: 2, NextToken }))
      const pages: string[][] = []
      let token: string | undefined
      do {
        const page = await list(token)
        pages.push(page.QueueUrls!.map((url) => url.slice(-1)))
        token = page.NextToken
      } while (token)
      expect(pages).toEqual([['1', '2'], ['3', '4'], ['5']])
      const none = await world.client.send(new ListQueuesCommand({ QueueNamePrefix: `${prefix}none` }))
      expect(none.QueueUrls ?? []).toEqual([])
    })

    it('a deleted queue is gone with its messages', async () => {
      const queue = await world.queue()
      await send(world, queue, 'x')
      await world.client.send(new DeleteQueueCommand({ QueueUrl: queue }))
      expect(await errorOf(receive(world, queue))).toBe('QueueDoesNotExist')
      expect(await errorOf(send(world, queue, 'x'))).toBe('QueueDoesNotExist')
    })

    it('errors carry the code of the old Query protocol, by which many clients know them', async () => {
      const call = world.client.send(new GetQueueUrlCommand({ QueueName: `absent-${randomUUID()}` }))
      const error = await call.then(
        () => undefined,
        (e) => e,
      )
      expect(error.name).toBe('QueueDoesNotExist')
      expect(error.Error?.Code ?? error.Code).toBe('AWS.SimpleQueueService.NonExistentQueue')
      expect(error.$metadata.httpStatusCode).toBe(400)
    })

    it('tags are set, listed and taken away', async () => {
      const queue = await world.queue()
      const tags = async () => (await world.client.send(new ListQueueTagsCommand({ QueueUrl: queue }))).Tags ?? {}
      await world.client.send(new TagQueueCommand({ QueueUrl: queue, Tags: { stage: 'local', team: 'one' } }))
      await world.client.send(new TagQueueCommand({ QueueUrl: queue, Tags: { team: 'two' } }))
      expect(await tags()).toEqual({ stage: 'local', team: 'two' })
      await world.client.send(new UntagQueueCommand({ QueueUrl: queue, TagKeys: ['team'] }))
      expect(await tags()).toEqual({ stage: 'local' })
    })
  })
}
