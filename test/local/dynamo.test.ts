import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DescribeTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { lockDataDir, openLevel } from '../../lib/local/data-lock.ts'
import { createTable, startDynamo } from '../../lib/local/dynamo.ts'
import { dynamoStore } from '../../lib/store/dynamo.ts'
import { TABLE } from '../../lib/store/table.ts'

const clientOf = (endpoint: string) =>
  new DynamoDBClient({ endpoint, region: 'us-east-1', credentials: { accessKeyId: 'local', secretAccessKey: 'local' } })

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'longshore-dynamo-'))
})
afterEach(() => rm(dir, { recursive: true }))

test('the table is made once and has the keys and indexes of the definition', async () => {
  const server = await startDynamo()
  const client = clientOf(server.endpoint)
  await Promise.all([createTable(client, 'jobs'), createTable(client, 'jobs')])
  await createTable(client, 'jobs')
  const { Table } = await client.send(new DescribeTableCommand({ TableName: 'jobs' }))
  expect(Table).toMatchObject({ TableStatus: 'ACTIVE', KeySchema: TABLE.KeySchema })
  const byName = (indexes: { IndexName?: string }[] = []) =>
    indexes.toSorted((a, b) => (a.IndexName! < b.IndexName! ? -1 : 1))
  expect(byName(Table!.GlobalSecondaryIndexes)).toMatchObject(byName(TABLE.GlobalSecondaryIndexes))
  client.destroy()
  await server.close()
})

test('items and indexes in a data folder survive a restart', async () => {
  const first = await startDynamo({ dataDir: dir })
  const one = clientOf(first.endpoint)
  await createTable(one, 'jobs')
  await dynamoStore({ client: one, table: 'jobs' }).put({ pk: 'a', sk: '#', o_pk: 'o', o_sk: '1', text: 'é' })
  one.destroy()
  await first.close()
  const second = await startDynamo({ dataDir: dir })
  const client = clientOf(second.endpoint)
  await createTable(client, 'jobs')
  const store = dynamoStore({ client, table: 'jobs' })
  expect(await store.get({ pk: 'a', sk: '#' })).toEqual({ pk: 'a', sk: '#', o_pk: 'o', o_sk: '1', text: 'é' })
  expect(await store.count({ pk: 'o', index: 'open', limit: 10 })).toBe(1)
  client.destroy()
  await second.close()
})

test('a query on a data folder closes its iterator', async () => {
  const server = await startDynamo({ dataDir: dir })
  const client = clientOf(server.endpoint)
  await createTable(client, 'jobs')
  const store = dynamoStore({ client, table: 'jobs' })
  for (const sk of ['1', '2', '3']) await store.put({ pk: 'a', sk })
  // All iterators of classic-level share this prototype, dynalite's too.
  const level = await openLevel(join(dir, 'another'), dir)
  const iterator = level.values()
  const closed = vi.spyOn(Object.getPrototypeOf(iterator) as { return(): Promise<void> }, 'return')
  await store.query({ pk: 'a', limit: 10 })
  await store.query({ pk: 'a', limit: 1 })
  await store.query({ pk: 'none', index: 'open', limit: 1 })
  await vi.waitFor(() => expect(closed).toHaveBeenCalledTimes(3))
  closed.mockRestore()
  await iterator.close()
  await level.close()
  client.destroy()
  await server.close()
})

test('a data folder that is open elsewhere is refused at the start, in one sentence', async () => {
  const first = await startDynamo({ dataDir: dir })
  const client = clientOf(first.endpoint)
  await createTable(client, 'jobs')
  const message = `the data folder ${dir} is in use by another Longshore; stop it or set LONGSHORE_DATA to another folder`
  await expect(startDynamo({ dataDir: dir })).rejects.toMatchObject({ code: 'config-invalid', message })
  await createTable(client, 'jobs')
  client.destroy()
  await first.close()
})

test('a data folder that is a file is refused with the reason', async () => {
  const path = join(dir, 'file')
  await writeFile(path, '')
  await expect(startDynamo({ dataDir: path })).rejects.toMatchObject({
    code: 'config-invalid',
    message: expect.stringContaining(path),
  })
  await expect(lockDataDir(path)).rejects.toMatchObject({
    code: 'config-invalid',
    message: expect.stringContaining(path),
  })
})

test('close ends although a connection is kept alive and a request hangs', async () => {
  const server = await startDynamo()
  const { hostname, port } = new URL(server.endpoint)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{')
  const closed = new Promise((resolve) => socket.on('error', () => {}).on('close', resolve))
  await server.close()
  await closed
})

test('a client that hangs up in the middle of a request does not end the process', async () => {
  const server = await startDynamo()
  const { hostname, port } = new URL(server.endpoint)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  // The server answers 100 when it has the headers: from then on dynalite listens to the request.
  socket.write('POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n')
  await once(socket, 'data')
  socket.resetAndDestroy()
  const client = clientOf(server.endpoint)
  await createTable(client, 'jobs')
  client.destroy()
  await server.close()
})

test('the lock of a data folder is exclusive and free again after release', async () => {
  const data = join(dir, 'new')
  const lock = await lockDataDir(data)
  await expect(lockDataDir(data)).rejects.toMatchObject({
    code: 'config-invalid',
    message: `the data folder ${data} is in use by another Longshore; stop it or set LONGSHORE_DATA to another folder`,
  })
  await lock.release()
  await (await lockDataDir(data)).release()
})

test('the lock of a killed process is free at once', async () => {
  const script = `const { ClassicLevel } = require('classic-level')
    new ClassicLevel(process.argv[1]).open().then(() => console.log('locked'))
    setInterval(() => {}, 1e6)`
  const child = spawn(process.execPath, ['-e', script, join(dir, 'lock')], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  await expect(lockDataDir(dir)).rejects.toMatchObject({ code: 'config-invalid' })
  child.kill('SIGKILL')
  await once(child, 'exit')
  await (await lockDataDir(dir)).release()
})
