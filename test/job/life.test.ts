import { describe, expect, it } from 'vitest'
import { LongshoreError } from '../../lib/errors.ts'
import { stopJob } from '../../lib/job/control.ts'
import { createExecution, stopExecution } from '../../lib/job/execution.ts'
import { idOf } from '../../lib/job/id.ts'
import { readLog } from '../../lib/job/log.ts'
import { submit } from '../../lib/job/submit.ts'
import { ConditionFailed } from '../../lib/store/port.ts'
import { createWorld, DIGEST, START, succeed, TENANT, TIMEOUT_MS, tagRegistry } from './world.ts'

describe('submitting', () => {
  it('stores the record with the resolved digest and posts one message that names ids only', async () => {
    const world = createWorld()
    const job = await world.submitProbe()
    expect(job).toMatchObject({
      status: 'pending',
      image: { registry: 'registry.example', repository: 'app', tag: 'latest', digest: DIGEST },
    })
    const [message] = await world.queue.receive('probe', { max: 10, waitSeconds: 0 })
    expect(Object.keys(JSON.parse(message!.body)).sort()).toEqual(['createdAt', 'id', 'tenant', 'type'])
  })

  it('stores nothing when the image is unknown', async () => {
    const world = createWorld()
    await expect(world.submitProbe('ghost')).rejects.toMatchObject({ code: 'image-not-found' })
    const page = await world.env.store.query({ index: 'open', pk: 'O#probe#0', limit: 10 })
    expect(page.items).toEqual([])
    expect(await world.queue.depth('probe')).toEqual({ waiting: 0, inFlight: 0, delayed: 0 })
  })

  it('names the unknown field, and the type that does not exist', async () => {
    const world = createWorld()
    const wrong = submit({ tenant: TENANT, type: 'probe', params: { name: 'app', speed: 9 } }, world.env)
    await expect(wrong).rejects.toMatchObject({ code: 'invalid-value', errors: [{ pointer: '/params/speed' }] })
    const unknown = submit({ tenant: TENANT, type: 'dance', params: {} }, world.env)
    await expect(unknown).rejects.toMatchObject({ code: 'invalid-value', errors: [{ pointer: '/type' }] })
  })

  it('keeps the job when the message cannot be sent, and the sweep sends it within two minutes (fault 2)', async () => {
    const world = createWorld()
    const { send } = world.env.queue
    world.env.queue.send = async () => {
      throw new LongshoreError('queue-unavailable', 'down')
    }
    const job = await world.submitProbe()
    world.env.queue.send = send
    await world.clock.advance(61_000)
    await world.sweep()
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({ status: 'success', failures: 0, attempting: 1 })
  })
})

describe('an idempotency key', () => {
  it('gives the same job for the same request', async () => {
    const world = createWorld()
    const first = await world.submitProbe('app', 'k1')
    const again = await submit(
      { tenant: TENANT, type: 'probe', params: { name: 'app' }, idempotencyKey: 'k1' },
      world.env,
    )
    expect(again).toMatchObject({ created: false, job: { id: first.id } })
    expect((await world.queue.depth('probe')).waiting).toBe(1)
  })

  it('is refused for another request, and is another one for another tenant', async () => {
    const world = createWorld({ registry: tagRegistry({ app: { latest: DIGEST }, other: { latest: DIGEST } }) })
    await world.submitProbe('app', 'k1')
    await expect(world.submitProbe('other', 'k1')).rejects.toMatchObject({ code: 'idempotency-key-reused' })
    const elsewhere = await submit(
      { tenant: 'second', type: 'probe', params: { name: 'other' }, idempotencyKey: 'k1' },
      world.env,
    )
    expect(elsewhere.created).toBe(true)
  })
})

describe('working', () => {
  it('takes a job from pending to success and hands its event over', async () => {
    const world = createWorld()
    const job = await world.submitProbe()
    expect(await world.deliver()).toEqual(['acknowledge'])
    expect(await world.job(job.id)).toMatchObject({
      status: 'success',
      fence: 1,
      startedAt: START,
      finishedAt: START,
      result: { ok: true },
    })
    await world.clock.advance(61_000)
    await world.sweep()
    expect(world.events.received).toMatchObject([{ id: `${job.id}#1`, type: 'job.success', subject: job.id }])
    await world.sweep()
    expect(world.events.received).toHaveLength(1)
  })

  it('runs once when its message comes twice (fault 3)', async () => {
    const world = createWorld()
    let runs = 0
    world.runs[0] = async () => {
      runs++
      return await succeed()
    }
    const job = await world.submitProbe()
    await world.env.queue.send('probe', [
      { body: JSON.stringify({ tenant: TENANT, id: job.id, type: 'probe', createdAt: job.createdAt }) },
    ])
    expect(await world.deliver()).toEqual(['acknowledge', 'acknowledge'])
    expect(runs).toBe(1)
  })

  it('knows its own claim when the answer of the write was lost (fault 48)', async () => {
    const world = createWorld({
      store: (inner) => {
        let lost = false
        return {
          ...inner,
          async update(key, change, condition) {
            const item = await inner.update(key, change, condition)
            // What the SDK sees when it repeats a request that had been applied.
            if (!lost && change.set?.status === 'running') {
              lost = true
              throw new ConditionFailed(key)
            }
            return item
          },
        }
      },
    })
    const job = await world.submitProbe()
    expect(await world.deliver()).toEqual(['acknowledge'])
    expect(await world.job(job.id)).toMatchObject({ status: 'success', fence: 1 })
  })

  it('retries a transient error with a growing pause and ends as error after the last attempt', async () => {
    const world = createWorld()
    world.runs[0] = async () => {
      throw new LongshoreError('registry-unavailable', 'the registry is down')
    }
    const job = await world.submitProbe()
    for (let attempt = 1; attempt < 3; attempt++) {
      await world.deliver()
      expect(await world.job(job.id)).toMatchObject({ status: 'retrying', failures: attempt, attempting: 0 })
      await world.clock.advance(60_000)
    }
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({
      status: 'error',
      failures: 2,
      attempting: 1,
      error: { code: 'registry-unavailable', retryable: true },
    })
  })

  it('ends a permanent error at once', async () => {
    const world = createWorld()
    world.runs[0] = async () => {
      throw new LongshoreError('digest-mismatch', 'the layer lies')
    }
    const job = await world.submitProbe()
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({
      status: 'error',
      error: { code: 'digest-mismatch', retryable: false },
    })
  })

  it('parks a throttled job for as long as the registry asked, without counting an attempt', async () => {
    const world = createWorld()
    world.runs.unshift(async () => {
      throw new LongshoreError('registry-throttled', 'too many requests', { retryAfterMs: 120_000 })
    })
    const job = await world.submitProbe()
    await world.deliver()
    const parked = await world.job(job.id)
    expect(parked).toMatchObject({ status: 'retrying', failures: 0, attempting: 1, throttles: 1 })
    expect(parked.dueAt! - START).toBeGreaterThanOrEqual(120_000)
    await world.clock.advance(135_000)
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({ status: 'success', failures: 0, attempting: 1 })
  })

  it('snoozes and continues without counting an attempt, and keeps the checkpoint', async () => {
    const world = createWorld()
    const seen: unknown[] = []
    world.runs.unshift(
      async (context) => context.snooze(60, { step: 1 }),
      async (context) => {
        seen.push(context.checkpoint, context.attempt)
        return context.handOver({ step: 2 })
      },
      async (context) => {
        seen.push(context.checkpoint, context.attempt)
        return await succeed()
      },
    )
    const job = await world.submitProbe()
    await world.deliver()
    await world.clock.advance(60_000)
    await world.deliver()
    expect(seen).toEqual([{ step: 1 }, 1, { step: 2 }, 1])
    expect(await world.job(job.id)).toMatchObject({ status: 'success', snoozes: 1, hops: 1 })
  })

  it('ends a job that is put off for ever', async () => {
    const world = createWorld({ limits: { snoozesMax: 2 } })
    world.runs[0] = async (context) => context.snooze(1)
    const job = await world.submitProbe()
    for (let round = 0; round < 4; round++) {
      await world.deliver()
      await world.clock.advance(2_000)
    }
    expect(await world.job(job.id)).toMatchObject({ status: 'error', error: { code: 'snoozes-exhausted' } })
  })

  it('hands over when the time of the function is used up, with the abort at the run', async () => {
    const world = createWorld()
    world.runs.unshift(
      (context) =>
        new Promise((_, reject) => {
          context.signal.addEventListener('abort', () => reject(context.signal.reason))
        }),
    )
    const job = await world.submitProbe()
    const running = world.deliver()
    await world.clock.advance(TIMEOUT_MS)
    await running
    expect(await world.job(job.id)).toMatchObject({ status: 'success', hops: 1, failures: 0 })
  })

  it('sends an early message anew for the time the job is due', async () => {
    const world = createWorld()
    world.runs.unshift(async (context) => context.snooze(300))
    const job = await world.submitProbe()
    await world.deliver()
    await world.env.queue.send('probe', [
      { body: JSON.stringify({ tenant: TENANT, id: job.id, type: 'probe', createdAt: job.createdAt }) },
    ])
    expect(await world.deliver()).toEqual(['acknowledge'])
    expect(await world.queue.depth('probe')).toMatchObject({ waiting: 0, delayed: 2 })
    await world.clock.advance(300_000)
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({ status: 'success' })
  })

  it('returns a message of a job nobody knows, and drops what is not a message of ours (fault 5)', async () => {
    const world = createWorld()
    await world.env.queue.send('probe', [{ body: 'hello' }])
    expect(await world.deliver()).toEqual(['acknowledge'])
    await world.env.queue.send('probe', [
      { body: JSON.stringify({ tenant: TENANT, id: '01JD9W3Q4V5X6Y7Z8A9B0C1D2E', type: 'probe', createdAt: 1 }) },
    ])
    expect(await world.deliver()).toEqual(['return'])
  })

  it('sends another message while the store is down, and the job is done when that comes', async () => {
    let down = true
    const world = createWorld({
      store: (inner) => ({
        ...inner,
        update: (...args) =>
          down ? Promise.reject(new LongshoreError('store-unavailable', 'down')) : inner.update(...args),
      }),
    })
    const job = await world.submitProbe()
    expect(await world.deliver()).toEqual(['acknowledge'])
    down = false
    await world.clock.advance(10_000)
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({ status: 'success' })
  })

  it('writes a log of every attempt whose last line names the outcome, readable from the first line', async () => {
    const world = createWorld()
    world.runs.unshift(async (context) => {
      context.log.info('trying')
      throw new LongshoreError('registry-timeout', 'no answer from https://robot:secret@registry.example')
    })
    const job = await world.submitProbe()
    expect((await readLog(world.env.blobs, await world.job(job.id))).text).toMatch(
      /accepted: probe registry.example\/app:latest@sha256/,
    )
    await world.deliver()
    await world.clock.advance(60_000)
    await world.deliver()
    const { text } = await readLog(world.env.blobs, await world.job(job.id))
    expect(text).toMatch(
      /attempt 1 of 3 begins[\s\S]*trying[\s\S]*attempt 1 failed: registry-timeout[\s\S]*attempt 2 of 3 begins/,
    )
    expect(text.trimEnd().split('\n').at(-1)).toMatch(/job success after 2 attempts/)
    expect(text).not.toContain('robot:secret')
  })

  it('keeps its record within one write unit', async () => {
    const world = createWorld()
    const job = await world.submitProbe()
    await world.deliver()
    expect(
      Buffer.byteLength(JSON.stringify(await world.env.store.get({ pk: `J#${TENANT}#${job.id}`, sk: '#' }))),
    ).toBeLessThan(1_024)
  })
})

describe('stopping', () => {
  it('stops a waiting job by one write, and its message is acknowledged without a run (fault 12)', async () => {
    const world = createWorld()
    const job = await world.submitProbe()
    expect(await stopJob(TENANT, job.id, world.env)).toMatchObject({ outcome: 'stopped', job: { status: 'stopped' } })
    expect(await world.deliver()).toEqual(['acknowledge'])
    expect(await world.job(job.id)).toMatchObject({ status: 'stopped', fence: 0 })
    expect(await stopJob(TENANT, job.id, world.env)).toMatchObject({ outcome: 'already' })
  })

  it('counts a job that was stopped while it waited, and each child of an execution that its flag ended', async () => {
    const world = createWorld({ registry: tagRegistry({ app: { latest: DIGEST, old: `sha256:${'b'.repeat(64)}` } }) })
    const counted: string[] = []
    world.env.metrics = {
      count: (name, type) => void counted.push(`${name} ${type}`),
      measure: () => {},
      flush: () => {},
    }
    const job = await world.submitProbe()
    await stopJob(TENANT, job.id, world.env)
    await stopJob(TENANT, job.id, world.env)
    await world.deliver()
    expect(counted.filter((one) => one.startsWith('stopped'))).toEqual(['stopped probe'])
    const id = idOf('test', 'stopped')
    const spec = { images: ['app'] }
    await createExecution({ id, tenant: TENANT, type: 'probe', trigger: 'request', spec }, world.env)
    await world.deliver('fan-out')
    await stopExecution(TENANT, id, world.env)
    await world.deliver('probe-bulk')
    expect(counted.filter((one) => one.startsWith('stopped'))).toHaveLength(3)
  })

  it('aborts a running job within five seconds', async () => {
    const world = createWorld()
    let abortedAt = 0
    world.runs[0] = (context) =>
      new Promise((_, reject) => {
        context.signal.addEventListener('abort', () => {
          abortedAt = world.clock.now()
          reject(new Error('socket closed'))
        })
      })
    const job = await world.submitProbe()
    const running = world.deliver()
    await world.clock.advance(1_000)
    expect(await stopJob(TENANT, job.id, world.env)).toMatchObject({ outcome: 'asked' })
    await world.clock.advance(5_000)
    await running
    expect(abortedAt - START).toBeLessThanOrEqual(6_000)
    expect(await world.job(job.id)).toMatchObject({ status: 'stopped', error: { code: 'stopped-by-user' } })
  })

  it('wins over a success that comes after it (fault 11)', async () => {
    const world = createWorld()
    let finish = (): void => {}
    world.runs[0] = () => new Promise((resolve) => (finish = () => resolve({ result: { late: true } })))
    const job = await world.submitProbe()
    const running = world.deliver()
    await world.clock.advance(0)
    await stopJob(TENANT, job.id, world.env)
    finish()
    await running
    expect(await world.job(job.id)).toMatchObject({ status: 'stopped' })
    expect((await world.job(job.id)).result).toBeUndefined()
  })

  it('is refused for a job that ended otherwise', async () => {
    const world = createWorld()
    const job = await world.submitProbe()
    await world.deliver()
    await expect(stopJob(TENANT, job.id, world.env)).rejects.toMatchObject({ code: 'conflict' })
  })
})
