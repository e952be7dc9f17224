/** Rows of the fault table (docs/reliability.md) that no other suite shows by itself. */
import type { SQSEvent } from 'aws-lambda'
import { describe, expect, it } from 'vitest'
import { consume } from '../../lib/consume.ts'
import { LongshoreError } from '../../lib/errors.ts'
import { stopJob } from '../../lib/job/control.ts'
import { readLog } from '../../lib/job/log.ts'
import { messageOf } from '../../lib/job/message.ts'
import { parkSeconds } from '../../lib/job/wait.ts'
import { work } from '../../lib/job/work.ts'
import type { Store } from '../../lib/store/port.ts'
import { createWorld, seededRandom, succeed, TENANT, TIMEOUT_MS } from './world.ts'

describe('a message', () => {
  it('that comes again after the end changes nothing and starts nothing (faults 6, 40)', async () => {
    const world = createWorld()
    let runs = 0
    world.runs[0] = async () => {
      runs++
      return await succeed()
    }
    const job = await world.submitProbe()
    await world.deliver()
    const ended = await world.job(job.id)
    // The acknowledgement was lost: the same message again, also much later (fault 40).
    for (const later of [0, 3_600_000]) {
      await world.clock.advance(later)
      await world.queue.send('probe', [messageOf(job)])
      expect(await world.deliver()).toEqual(['acknowledge'])
    }
    expect(runs).toBe(1)
    expect(await world.job(job.id)).toEqual(ended)
  })

  it('of an earlier attempt that arrives last has no say: the record decides (fault 7)', async () => {
    const world = createWorld()
    const fences: number[] = []
    world.runs[0] = async (context) => {
      fences.push(context.attempt)
      if (context.attempt === 1) throw new LongshoreError('registry-unavailable', 'down')
      return await succeed()
    }
    const job = await world.submitProbe()
    await world.deliver()
    // The first message once more, while the job waits for its second attempt: sent anew for then, not run now.
    await world.queue.send('probe', [messageOf(job)])
    await world.deliver()
    expect(fences).toEqual([1])
    await world.clock.advance(60_000)
    await world.deliver()
    await world.queue.send('probe', [messageOf(job)])
    await world.deliver()
    expect(fences).toEqual([1, 2])
    expect(await world.job(job.id)).toMatchObject({ status: 'success', fence: 2 })
  })
})

describe('a batch', () => {
  const event = (bodies: string[]): SQSEvent =>
    ({ Records: bodies.map((body, index) => ({ messageId: `m${index}`, body })) }) as unknown as SQSEvent

  it('answers exactly the messages that must come again, and the others are not repeated (fault 19)', async () => {
    const handled: string[] = []
    const { batchItemFailures } = await consume(event(['a', 'bad', 'b', 'bad', 'c']), async ({ body, messageId }) => {
      handled.push(messageId)
      return body === 'bad' ? 'return' : 'acknowledge'
    })
    expect(handled).toEqual(['m0', 'm1', 'm2', 'm3', 'm4'])
    expect(batchItemFailures).toEqual([{ itemIdentifier: 'm1' }, { itemIdentifier: 'm3' }])
  })

  it('begins no job that the time left does not suffice for, and burns no receive for it (fault 20)', async () => {
    const world = createWorld()
    const job = await world.submitProbe()
    const [message] = await world.queue.receive('probe', { max: 1, waitSeconds: 0 })
    const invocation = {
      requestId: 'late',
      timeoutMs: TIMEOUT_MS,
      remainingMs: () => TIMEOUT_MS * 0.1,
      stopFlags: new Map(),
    }
    expect(await work(message!, world.env, invocation)).toBe('acknowledge')
    await world.queue.remove('probe', message!.receipt)
    expect(await world.job(job.id)).toMatchObject({ status: 'pending', fence: 0 })
    // A message of its own for another invocation, received for the first time.
    const [again] = await world.queue.receive('probe', { max: 1, waitSeconds: 0 })
    expect(again).toMatchObject({ receiveCount: 1 })
    await world.queue.giveBack('probe', again!.receipt, 0)
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({ status: 'success' })
  })
})

describe('a store that throttles', () => {
  const downFor = (calls: number, code: 'store-throttled' | 'store-unavailable') => {
    const state = { calls }
    const world = createWorld({
      store: (inner): Store => ({
        ...inner,
        update: (...args) =>
          state.calls-- > 0 ? Promise.reject(new LongshoreError(code, 'too fast')) : inner.update(...args),
      }),
    })
    return world
  }

  it.each(['store-throttled', 'store-unavailable'] as const)(
    'lets the message come again and counts no attempt (fault 21), nor a receive: twenty times %s are no poison',
    async (code) => {
      const world = downFor(20, code)
      const job = await world.submitProbe()
      let messages = 0
      for (; messages < 20; messages++) {
        const [message] = await world.queue.receive('probe', { max: 1, waitSeconds: 0 })
        expect(message).toMatchObject({ receiveCount: 1 })
        await world.queue.giveBack('probe', message!.receipt, 0)
        expect(await world.deliver()).toEqual(['acknowledge'])
        expect(await world.job(job.id)).toMatchObject({ status: 'pending', failures: 0, attempting: 0, fence: 0 })
        await world.clock.advance(900_000)
      }
      await world.deliver()
      expect(await world.job(job.id)).toMatchObject({ status: 'success', failures: 0, fence: 1 })
    },
  )

  it('is asked again soon at first, then ever more seldom', () => {
    const random = { ...seededRandom(1), next: () => 0.999 }
    expect([0, 60_000, 600_000, 86_400_000].map((ms) => parkSeconds(ms, random))).toEqual([10, 30, 300, 900])
  })

  it('gives the message back when the queue cannot take another', async () => {
    const world = downFor(1, 'store-throttled')
    const job = await world.submitProbe()
    const { send } = world.queue
    world.env.queue.send = async () => {
      throw new LongshoreError('queue-unavailable', 'down')
    }
    expect(await world.deliver()).toEqual(['return'])
    world.env.queue.send = send
    await world.clock.advance(1_800_000)
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({ status: 'success' })
  })
})

describe('a stop', () => {
  it('between the last poll and the finish wins, and says that the work was already done (fault 14)', async () => {
    const world = createWorld()
    world.runs[0] = async (context) => {
      await stopJob(TENANT, context.jobId, world.env)
      return await succeed()
    }
    const job = await world.submitProbe()
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({
      status: 'stopped',
      error: { code: 'stopped-by-user', message: expect.stringContaining('its work was already complete') },
    })
  })
})

describe('what a lost run leaves', () => {
  it('is named by no record: the report of the run that committed is the only one (fault 39)', async () => {
    const world = createWorld()
    let finishLate = (): void => {}
    const report = async (key: string) => {
      await world.env.blobs.put(key, '{}', { contentType: 'application/json' })
      return { result: { ok: true }, reportKey: key }
    }
    world.runs.unshift(async () => {
      await new Promise<void>((resolve) => (finishLate = resolve))
      return await report('reports/zombie.json')
    })
    world.runs[1] = () => report('reports/winner.json')
    const job = await world.submitProbe()
    const zombie = world.deliver()
    await world.clock.advance(1)
    world.env.workersDeadBefore = world.clock.now()
    await world.sweep()
    await world.deliver()
    finishLate()
    await zombie
    expect(await world.job(job.id)).toMatchObject({ status: 'success', reportKey: 'reports/winner.json' })
  })

  it('may lack parts of the log, but never its last line, and the job does not fail for it (fault 41)', async () => {
    const world = createWorld()
    const { put } = world.env.blobs
    world.env.blobs.put = () => Promise.reject(new LongshoreError('store-unavailable', 'no blobs today'))
    world.runs[0] = async (context) => {
      context.log.info('a line that will be lost')
      return await succeed()
    }
    const job = await world.submitProbe()
    await world.deliver()
    world.env.blobs.put = put
    const ended = await world.job(job.id)
    expect(ended).toMatchObject({ status: 'success' })
    const { text } = await readLog(world.env.blobs, ended)
    expect(text.trimEnd().split('\n').at(-1)).toMatch(/job success after 1 attempt$/)
  })
})

describe('an index that lags behind', () => {
  it('shows the sweep a job that has ended: nothing is sent and nothing changes (fault 47)', async () => {
    let frozen: Awaited<ReturnType<Store['query']>>[] | undefined
    const world = createWorld({
      store: (inner): Store => ({
        ...inner,
        query: async (query) => {
          if (query.index !== 'open' || !frozen) return await inner.query(query)
          return frozen.shift() ?? { items: [] }
        },
      }),
    })
    const job = await world.submitProbe()
    const { o_pk, o_sk } = (await world.env.store.get({ pk: `J#${TENANT}#${job.id}`, sk: '#' }))!
    await world.deliver()
    const ended = await world.job(job.id)
    await world.clock.advance(120_000)
    frozen = [{ items: [{ pk: `J#${TENANT}#${job.id}`, sk: '#', o_pk: o_pk!, o_sk: o_sk! }] }]
    expect(await world.sweep()).toMatchObject({ looked: 1, recovered: 0, resent: 0 })
    expect(await world.job(job.id)).toEqual(ended)
    expect(await world.queue.depth('probe')).toEqual({ waiting: 0, inFlight: 0, delayed: 0 })
  })
})
