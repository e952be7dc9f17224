/**
 * DynamoDB on a laptop: dynalite in this process, on a free port of the loopback. It lacks transactions, streams, TTL
 * and PartiQL, which is why the store port has none of them.
 */
import type { AddressInfo } from 'node:net'
import {
  CreateTableCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  ResourceInUseException,
} from '@aws-sdk/client-dynamodb'
import dynalite from 'dynalite'
import { type Clock, systemClock } from '../clock.ts'
import { LongshoreError } from '../errors.ts'
import { TABLE } from '../store/table.ts'
import { writeIndexesWithTheirItem } from './atomic-indexes.ts'
import { openLevel } from './data-lock.ts'
import { refuseBrowsers } from './no-browsers.ts'

export interface LocalDynamo {
  /** `http://127.0.0.1:<port>` */
  endpoint: string
  /** Ends open connections and closes the files. */
  close(): Promise<void>
}

/** Starts dynalite, in memory or persistent in `dataDir`. Throws `config-invalid` when another process has the folder open. */
export async function startDynamo({
  dataDir,
  port = 0,
}: {
  dataDir?: string
  port?: number
} = {}): Promise<LocalDynamo> {
  // dynalite opens its files lazily and would answer every request with an error; opening them here first tells why.
  if (dataDir !== undefined) {
    const level = await openLevel(dataDir, dataDir)
    await closeIteratorsWithTheirStreams(level)
    await level.close()
  }
  writeIndexesWithTheirItem()
  const server = dynalite({
    ...(dataDir !== undefined && { path: dataDir }),
    createTableMs: 0,
    deleteTableMs: 0,
    updateTableMs: 0,
  })
  surviveAbortedRequests(server)
  // dynalite itself answers every origin, with any signature.
  refuseBrowsers(server)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve())
  })
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()))
        server.closeAllConnections()
      }),
  }
}

/**
 * dynalite throws from its handler of a request's `error` event, so that one client hanging up in the middle of a
 * request would end our whole process. Its handler gets a request whose errors are only swallowed: there is nobody
 * left to answer.
 */
function surviveAbortedRequests(server: ReturnType<typeof dynalite>): void {
  server.prependListener('request', (request) => {
    const on = request.on.bind(request)
    request.on = (event: string, listener: (...args: never[]) => void) =>
      on(event, event === 'error' ? () => {} : (listener as (...args: unknown[]) => void))
  })
}

/**
 * dynalite 4.0.0 ends each query's stream with `iterator.return()`, a method that LevelDB's iterators do not have, so
 * every query would keep its iterator, about 1 KB of heap and a snapshot that keeps old versions on the disk, until
 * the database is closed. Giving the iterators that method closes them in time.
 */
async function closeIteratorsWithTheirStreams(level: Awaited<ReturnType<typeof openLevel>>): Promise<void> {
  const iterator = level.values({ limit: 1 })
  const prototype = Object.getPrototypeOf(iterator) as { return?: (this: typeof iterator) => Promise<void> }
  prototype.return ??= function () {
    return this.close()
  }
  await iterator.close()
}

/** How long a new table may take: DynamoDB itself needs about 10 s, dynalite and DynamoDB Local none. */
const TABLE_READY_MS = 60_000

/** Makes the table of `TABLE` and waits until it can be used; one that is there already is left as it is. */
export async function createTable(client: DynamoDBClient, table: string, clock: Clock = systemClock): Promise<void> {
  try {
    await client.send(new CreateTableCommand({ TableName: table, ...TABLE }))
  } catch (thrown) {
    if (!(thrown instanceof ResourceInUseException)) throw thrown
  }
  const until = clock.now() + TABLE_READY_MS
  while (clock.now() < until) {
    const { Table } = await client.send(new DescribeTableCommand({ TableName: table }))
    if (Table?.TableStatus === 'ACTIVE') return
    await clock.sleep(10)
  }
  throw new LongshoreError('store-unavailable', `the table ${table} was not ready after ${TABLE_READY_MS / 1000} s`)
}
