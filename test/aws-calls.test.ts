/** Calls of AWS end: by an answer, or by their limit; whoever made them decides then. */
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createApp } from '../lib/app.ts'
import { openBlobs } from '../lib/blobs/open.ts'
import { defaultLimits } from '../lib/config.ts'
import { openEvents } from '../lib/events/open.ts'
import { silentLog } from '../lib/job/environment.ts'
import { typesOf } from '../lib/job/types.ts'
import { awsTransfers, WRITE_LATE_SECONDS } from '../lib/limits/aws-calls.ts'
import { openSecrets } from '../lib/secrets/open.ts'

const VARIABLES = {
  LONGSHORE_TABLE: 'jobs',
  LONGSHORE_BLOBS: 's3://bucket',
  LONGSHORE_SECRETS: 'aws:prefix/',
  LONGSHORE_EVENTS: 'bus:bus',
}

/** Takes what is sent and never answers (`head: false`), or answers with a body that never ends. */
async function hung(head: boolean, act: (url: string, asked: () => number) => Promise<void>) {
  let requests = 0
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    requests++
    request.resume()
    if (!head) return
    response.writeHead(200, { 'content-length': '1000' })
    response.write('a')
  })
  server.on('connection', (socket) => sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await act(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, () => requests)
  } finally {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}

/** How many seconds of the clock a call takes until it ends, a minute at most; the sockets are real, the time is not. */
async function secondsOf(call: () => Promise<unknown>): Promise<{ seconds: number; error: Error | undefined }> {
  let error: Error | undefined
  let over = false
  const ended = call().then(
    () => (over = true),
    (thrown: Error) => {
      error = thrown
      over = true
    },
  )
  let ms = 0
  while (!over && ms < 120_000) {
    // What was sent in this turn has arrived in the next ones.
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    await vi.advanceTimersByTimeAsync(250)
    ms += 250
  }
  if (over) await ended
  return { seconds: ms / 1000, error }
}

beforeEach(() => {
  vi.stubEnv('AWS_REGION', 'us-east-1')
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'key')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret')
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllEnvs()
})

const CALLS: { [name: string]: (url: string) => () => Promise<unknown> } = {
  'of the table': (url) => {
    const { store } = createApp({ ...VARIABLES, LONGSHORE_QUEUE_PREFIX: `${url}/1/` }, app)
    return () => store.get({ pk: 'a', sk: '#' })
  },
  'of a queue': (url) => {
    const { queue } = createApp({ ...VARIABLES, LONGSHORE_QUEUE_PREFIX: `${url}/1/` }, app)
    return () => queue.depth('scan')
  },
  'of the bus': () => {
    const events = openEvents(VARIABLES)
    const event = { id: 'a#1', type: 'job.success', subject: 'a', sequence: 1, time: '2026-11-30T00:00:00Z' }
    return () => events.put([{ ...event, tenant: 'main', data: {} }])
  },
  'of the secrets': () => {
    const secrets = openSecrets(VARIABLES)
    return () => secrets.get('name')
  },
}
const app = { types: typesOf([]), log: silentLog }

test.each(Object.keys(CALLS))(
  'a call %s that is never answered fails within the limit, after three tries',
  async (name) => {
    await hung(false, async (url, asked) => {
      vi.stubEnv('AWS_ENDPOINT_URL', url)
      const { seconds, error } = await secondsOf(CALLS[name]!(url))
      expect(error).toBeDefined()
      expect(asked()).toBe(3)
      expect(seconds).toBeLessThanOrEqual(WRITE_LATE_SECONDS)
    })
  },
)

// Silence on a socket is measured by Node's own timers, which nothing moves: so here it is short, and real.
const silent = { ...awsTransfers, requestHandler: { ...awsTransfers.requestHandler, socketTimeout: 20 } }

test('a transfer of the bucket that stands still fails after three tries, which end before a worker must hand over', async () => {
  vi.useRealTimers()
  await hung(false, async (url, asked) => {
    vi.stubEnv('AWS_ENDPOINT_URL', url)
    const blobs = openBlobs(VARIABLES, silent)
    await expect(blobs.put('logs/a', 'line')).rejects.toMatchObject({ code: 'store-unavailable' })
    expect(asked()).toBe(3)
  })
  const { maxAttempts, requestHandler } = awsTransfers
  expect(maxAttempts * (requestHandler.socketTimeout + 2_000)).toBeLessThan(defaultLimits.handOverMs)
})

test('a blob whose body stands still fails', async () => {
  vi.useRealTimers()
  await hung(true, async (url) => {
    vi.stubEnv('AWS_ENDPOINT_URL', url)
    await expect(openBlobs(VARIABLES, silent).get('logs/a')).rejects.toMatchObject({ code: 'store-unavailable' })
  })
})
