/** What the protocol tests run on: the embedded server on a virtual clock, or any other endpoint in real time. */
import { randomUUID } from 'node:crypto'
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  type ReceiveMessageCommandInput,
  SendMessageCommand,
  type SendMessageCommandInput,
  SQSClient,
} from '@aws-sdk/client-sqs'
import { type SqsOptions, type SqsServer, startSqs } from '../../../lib/local/sqs/server.ts'
import { type VirtualClock, virtualClock } from '../virtual-clock.ts'

export interface World {
  client: SQSClient
  /** Lets so many seconds go by: at once, or by waiting when the endpoint has its own clock. */
  pass(seconds: number): Promise<void>
  /** Until a receiver waits at the server. */
  parked(): Promise<void>
  /** Until the server knows that no receiver waits any more. */
  unparked(): Promise<void>
  /** Makes a queue with a name of its own; returns its URL. */
  queue(attributes?: Record<string, string>, suffix?: string): Promise<string>
  close(): Promise<void>
}

/** `virtual`: time costs nothing, so tests of long times may run. */
export interface Place {
  title: string
  virtual: boolean
  open(): Promise<World>
}

export const clientFor = (endpoint: string) =>
  new SQSClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  })

function worldOf(client: SQSClient, rest: Pick<World, 'pass' | 'parked' | 'unparked' | 'close'>): World {
  return {
    client,
    ...rest,
    async queue(attributes = {}, suffix = '') {
      const QueueName = `q-${randomUUID()}${suffix}`
      const Attributes = suffix === '.fifo' ? { FifoQueue: 'true', ...attributes } : attributes
      return (await client.send(new CreateQueueCommand({ QueueName, Attributes }))).QueueUrl!
    },
  }
}

export interface EmbeddedWorld extends World {
  clock: VirtualClock
  server: SqsServer
}

export async function embeddedWorld(options: SqsOptions = {}): Promise<EmbeddedWorld> {
  const clock = virtualClock()
  const server = await startSqs({ clock, ...options })
  const client = clientFor(server.endpoint)
  const world = worldOf(client, {
    pass: (seconds) => clock.advance(seconds * 1000),
    // The server sleeps only while somebody waits.
    parked: () => clock.sleeping(1),
    unparked: () => clock.awake(),
    async close() {
      client.destroy()
      await server.close()
    },
  })
  return { ...world, clock, server }
}

export const embedded: Place = { title: 'the embedded SQS server', virtual: true, open: () => embeddedWorld() }

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** Another implementation as the judge of the tests; it has its own clock, so here alone we wait for real. */
export const endpoint = (url: string): Place => ({
  title: `the SQS at ${url}`,
  virtual: false,
  open: async () => {
    const client = clientFor(url)
    return worldOf(client, {
      pass: (seconds) => wait(seconds * 1000 + 100),
      parked: () => wait(300),
      unparked: () => wait(300),
      close: async () => client.destroy(),
    })
  },
})

export const send = (
  world: World,
  QueueUrl: string,
  MessageBody: string,
  more: Partial<SendMessageCommandInput> = {},
) => world.client.send(new SendMessageCommand({ QueueUrl, MessageBody, ...more }))

export async function receive(
  world: World,
  QueueUrl: string,
  more: Partial<ReceiveMessageCommandInput> = {},
): Promise<Message[]> {
  const input = { QueueUrl, MaxNumberOfMessages: 10, MessageSystemAttributeNames: ['All' as const], ...more }
  return (await world.client.send(new ReceiveMessageCommand(input))).Messages ?? []
}

export const bodies = (messages: Message[]) => messages.map((message) => message.Body)

export async function attributesOf(world: World, QueueUrl: string): Promise<Record<string, string>> {
  const command = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] })
  return (await world.client.send(command)).Attributes ?? {}
}

export const arnOf = async (world: World, queue: string) => (await attributesOf(world, queue)).QueueArn!

/** The name of the error a call ends with, `none` when it ends well. */
export const errorOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'none',
    (error: Error) => error.name,
  )
