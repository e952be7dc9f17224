/**
 * A server that speaks the AWS JSON protocol and answers with what a test says: for services no npm package emulates.
 * It proves our requests, paging, retries and error mapping against the real SDK, not the service's behaviour.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An error answer, in the shape of the protocol. */
export class AwsError extends Error {
  readonly status: number
  constructor(name: string, message = name, status = 400) {
    super(message)
    this.name = name
    this.status = status
  }
}

export interface AwsDouble {
  endpoint: string
  /** Operation names in the order of arrival, the SDK's own retries included. */
  calls: string[]
  close(): Promise<void>
}

/** `answer` gets the operation (`GetSecretValue`) and the request body; it returns the answer or throws an `AwsError`. */
export async function awsJsonDouble(
  answer: (operation: string, input: Record<string, unknown>) => unknown,
): Promise<AwsDouble> {
  const calls: string[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const operation = String(request.headers['x-amz-target']).split('.').at(-1)!
    calls.push(operation)
    const reply = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body))
    try {
      reply(200, answer(operation, JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, unknown>) ?? {})
    } catch (thrown) {
      if (!(thrown instanceof AwsError)) throw thrown
      reply(thrown.status, { __type: thrown.name, message: thrown.message, Message: thrown.message })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** What every SDK client of a test needs to talk to a double. */
export const doubleClient = (endpoint: string) => ({
  endpoint,
  region: 'us-east-1',
  credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
})
