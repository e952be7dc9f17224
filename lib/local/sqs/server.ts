/**
 * An SQS server inside the process, for `npm start` and tests: nothing on npm is faithful enough (local-stack §4). It
 * speaks AWS JSON 1.0 to any AWS SDK, on loopback, and checks no signature.
 *
 * Differences from SQS: no permissions, KMS, or 60-second pause after DeleteQueue; counts are exact; receive request
 * attempt ids are ignored; the Query protocol (XML) is not spoken.
 */
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Clock, systemClock } from '../../clock.ts'
import { refuseBrowsers } from '../no-browsers.ts'
import type { Action } from './actions/action.ts'
import { messageActions } from './actions/messages.ts'
import { moveTaskActions } from './actions/move-tasks.ts'
import { queueActions } from './actions/queues.ts'
import { SqsError } from './errors.ts'
import { type FaultOptions, faultsOf } from './faults.ts'
import { Hub } from './hub.ts'
import { parseInput } from './input.ts'

const TARGET = 'AmazonSQS.'
/** A batch is 1 MiB of text; as JSON escapes it can be six times that, with room for attributes. */
const REQUEST_BYTES_MAX = 8 * 1024 * 1024

const ACTIONS = new Map(Object.entries<Action>({ ...queueActions, ...messageActions, ...moveTaskActions }))

export interface SqsOptions {
  /** 0 (the default) takes a free one. */
  port?: number
  /** 127.0.0.1 when absent. */
  host?: string
  clock?: Clock
  region?: string
  accountId?: string
  /** Duplicates and disorder for tests. */
  faults?: FaultOptions
  /** A file that keeps queues and messages across restarts; without one they live in memory only. */
  journal?: string
}

export interface SqsServer {
  endpoint: string
  region: string
  accountId: string
  /** `queueUrlPrefix + name` is the URL of a queue. */
  queueUrlPrefix: string
  /** Answers waiting receivers with nothing at once, then closes every connection. */
  close(): Promise<void>
}

/**
 * @example
 * const sqs = await startSqs()
 * const client = new SQSClient({ endpoint: sqs.endpoint, region: sqs.region, credentials })
 */
export async function startSqs(options: SqsOptions = {}): Promise<SqsServer> {
  const { port = 0, host = '127.0.0.1', region = 'us-east-1', accountId = '000000000000' } = options
  const clock = options.clock ?? systemClock
  const hub = new Hub({
    clock,
    region,
    accountId,
    faults: faultsOf(options.faults),
    ...(options.journal === undefined ? {} : { journal: options.journal }),
  })
  const answering = new Set<Promise<void>>()
  const server = createServer((request, response) => {
    const answer = respond(hub, request, response).finally(() => answering.delete(answer))
    answering.add(answer)
  })
  refuseBrowsers(server)
  // SDKs keep connections; an idle one must not be cut just when the next request is sent.
  server.keepAliveTimeout = 120_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const { port: bound } = server.address() as AddressInfo
  const endpoint = `http://${host.includes(':') ? `[${host}]` : host}:${bound}`
  hub.endpoint = endpoint
  return {
    endpoint,
    region,
    accountId,
    queueUrlPrefix: `${endpoint}/${accountId}/`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      hub.endLongPolls()
      await Promise.all(answering)
      server.closeAllConnections()
      await closed
      hub.close()
    },
  }
}

/** Answers one request; resolves when the answer is out or the client has gone. Never rejects. */
async function respond(hub: Hub, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController()
  const over = new Promise<void>((resolve) =>
    response.once('close', () => {
      if (!response.writableFinished) gone.abort()
      resolve()
    }),
  )
  try {
    const body = await readBody(request)
    const target = `${request.headers['x-amz-target'] ?? ''}`
    const action = ACTIONS.get(target.startsWith(TARGET) ? target.slice(TARGET.length) : '')
    if (!action)
      throw new SqsError(
        'UnsupportedOperation',
        target === ''
          ? 'The header X-Amz-Target is missing: this server speaks AWS JSON 1.0 only, not the Query protocol.'
          : `The operation ${target} is not supported by the local SQS server.`,
      )
    write(response, 200, JSON.stringify(await action({ hub, input: parseInput(body), gone: gone.signal })))
  } catch (thrown) {
    const error = thrown instanceof SqsError ? thrown : new SqsError('InternalFailure', String(thrown))
    write(response, error.row.status, error.body, { 'x-amzn-query-error': error.queryError })
  }
  await over
}

function write(response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}): void {
  if (response.destroyed) return
  response
    .writeHead(status, {
      'content-type': 'application/x-amz-json-1.0',
      'content-length': Buffer.byteLength(body),
      'x-amzn-requestid': randomUUID(),
      ...headers,
    })
    .end(body)
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > REQUEST_BYTES_MAX)
      throw new SqsError('InvalidParameterValueException', `A request must be shorter than ${REQUEST_BYTES_MAX} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
