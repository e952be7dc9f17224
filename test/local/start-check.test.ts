/** The line that a start leaves when something is wrong: from the real check, over HTTP. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { LongshoreError } from '../../lib/errors.ts'
import { beat, OldestWaiting } from '../../lib/job/heartbeat.ts'
import { tellSelfCheck } from '../../lib/local/start-check.ts'
import { apiWorld } from '../http/world.ts'

async function served() {
  const world = await apiWorld()
  await beat(new OldestWaiting(world.clock.now()), world.env)
  const server = createServer((request, response) => {
    void world.get(request.url ?? '/').then(({ status, json }) => response.writeHead(status).end(JSON.stringify(json)))
  })
  await new Promise<void>((up) => server.listen(0, '127.0.0.1', up))
  onTestFinished(() => void server.close())
  return { world, api: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server }
}

async function told(api: string): Promise<string[]> {
  const lines: string[] = []
  await tellSelfCheck(api, (line) => void lines.push(line))
  return lines
}

test('a start in order says nothing, also while the first advisories are still built', async () => {
  const { api } = await served()
  expect(await told(api)).toEqual([])
})

test('a start beside a queue that is not there says so in one line', async () => {
  const { world, api } = await served()
  const { settings } = world.env.queue
  world.env.queue.settings = async (name) => {
    if (name === 'scan') throw new LongshoreError('queue-unavailable', 'the queue scan does not exist')
    return await settings(name)
  }
  const lines = await told(api)
  expect(lines).toHaveLength(1)
  expect(lines[0]).toMatch(/^longshore: self-check: .*scan[^\n]*\n$/)
})

test('a start whose API does not answer says so', async () => {
  const { api, server } = await served()
  server.close()
  server.closeAllConnections()
  expect((await told(api))[0]).toMatch(/^longshore: self-check: the API does not answer \(.*\)\n$/)
})
