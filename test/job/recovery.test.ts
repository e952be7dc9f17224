import { describe, expect, it } from 'vitest'
import { stopJob } from '../../lib/job/control.ts'
import { shardOf } from '../../lib/job/id.ts'
import { OPEN_SHARDS } from '../../lib/job/keys.ts'
import { readLog } from '../../lib/job/log.ts'
import type { JobRecord } from '../../lib/job/record.ts'
import { createWorld, START, succeed, TENANT, TIMEOUT_MS, type World } from './world.ts'

/** A run that never comes back: what a killed worker looks like from outside. */
async function killWorker(world: World): Promise<void> {
  world.runs.unshift(() => new Promise(() => {}))
  void world.deliver()
  await world.clock.advance(0)
}

/** The worker dies, and its service with it; the first sweep of the next one knows that. */
async function dieWithTheService(world: World): Promise<void> {
  await killWorker(world)
  await world.clock.advance(1)
  world.env.workersDeadBefore = world.clock.now()
  await world.sweep()
  world.env.workersDeadBefore = 0
}

describe('the sweep', () => {
  it('recovers a job whose worker died, within the lease and a minute, and counts the attempt (fault 8)', async () => {
    const world = createWorld()
    world.env.limits = { ...world.env.limits, stopPollMs: 3_600_000 }
    const job = await world.submitProbe()
    await killWorker(world)
    expect(await world.job(job.id)).toMatchObject({ status: 'running', lease: START + TIMEOUT_MS + 60_000 })
    const counted: string[] = []
    world.env.metrics = { count: (name) => void counted.push(name), measure: () => {}, flush: () => {} }
    // Until the end of the lease nothing changes; the next tick, a minute later at most, recovers.
    const { lease } = await world.job(job.id)
    while (world.clock.now() <= lease!) {
      expect(await world.sweep()).toMatchObject({ recovered: 0 })
      expect(await world.job(job.id)).toMatchObject({ status: 'running', fence: 1 })
      await world.clock.advance(60_000)
    }
    expect(world.clock.now()).toBeLessThanOrEqual(lease! + 60_000)
    expect(await world.sweep()).toMatchObject({ recovered: 1, ended: 0, resent: 1 })
    expect(counted).toContain('recovered')
    expect(await world.job(job.id)).toMatchObject({ status: 'retrying', failures: 1, attempting: 0, fence: 1 })
    const { dueAt } = await world.job(job.id)
    expect(dueAt! - world.clock.now()).toBeLessThanOrEqual(world.env.limits.retryBaseSeconds * 1000)
    // A queue delays by whole seconds.
    await world.clock.advance(dueAt! - world.clock.now() + 1_000)
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({ status: 'success', failures: 1, fence: 2 })
  })

  it('has the work of a dead worker taken over when its lease ends, not a minute later (fault 8)', async () => {
    const world = createWorld()
    world.env.limits = { ...world.env.limits, stopPollMs: 3_600_000 }
    const job = await world.submitProbe()
    await killWorker(world)
    const { lease } = await world.job(job.id)
    // The last tick before its end, here 20 s: too early to say that it is dead.
    await world.clock.advance(lease! - 20_000 - world.clock.now())
    expect(await world.sweep()).toMatchObject({ recovered: 0, resent: 0, foreseen: 1 })
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({ status: 'running', fence: 1 })
    // Whoever receives it may have a clock that is behind that of the sweep.
    await world.clock.advance(20_000 + 2 * world.env.limits.clockSkewMsMax)
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({ status: 'success', failures: 1, fence: 2 })
  })

  it('has a dead run that is to stop end as stopped at the end of its lease, not a minute later', async () => {
    const world = createWorld()
    world.env.limits = { ...world.env.limits, stopPollMs: 3_600_000 }
    const job = await world.submitProbe()
    await killWorker(world)
    await stopJob(TENANT, job.id, world.env)
    const { lease } = await world.job(job.id)
    await world.clock.advance(lease! - 20_000 - world.clock.now())
    expect(await world.sweep()).toMatchObject({ ended: 0, foreseen: 1 })
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({ status: 'running', stop: true })
    await world.clock.advance(20_000 + 2 * world.env.limits.clockSkewMsMax)
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({ status: 'stopped', fence: 1, error: { code: 'stopped-by-user' } })
  })

  it('has a run that died in its last attempt end as error at the end of its lease', async () => {
    const world = createWorld()
    world.env.limits = { ...world.env.limits, stopPollMs: 3_600_000 }
    const job = await world.submitProbe()
    for (let attempt = 1; attempt <= 2; attempt++) await dieWithTheService(world)
    await killWorker(world)
    const { lease } = await world.job(job.id)
    await world.clock.advance(lease! - 20_000 - world.clock.now())
    expect(await world.sweep()).toMatchObject({ ended: 0, foreseen: 1 })
    await world.clock.advance(20_000 + 2 * world.env.limits.clockSkewMsMax)
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({ status: 'error', failures: 2, error: { code: 'lease-expired' } })
  })

  it('sends nothing for the end of a lease that is a tick or more away', async () => {
    const world = createWorld()
    world.env.limits = { ...world.env.limits, stopPollMs: 3_600_000 }
    const job = await world.submitProbe()
    await killWorker(world)
    const { lease } = await world.job(job.id)
    await world.clock.advance(lease! - 75_001 - world.clock.now())
    expect(await world.sweep()).toMatchObject({ looked: 0, foreseen: 0 })
    await world.clock.advance(1)
    expect(await world.sweep()).toMatchObject({ looked: 1, foreseen: 1 })
  })

  it('leaves alone at the end of its lease what has ended before', async () => {
    const world = createWorld()
    world.env.limits = { ...world.env.limits, stopPollMs: 3_600_000 }
    const job = await world.submitProbe()
    let finish = () => {}
    world.runs.unshift(() => new Promise((resolve) => (finish = () => resolve(succeed()))))
    const delivered = world.deliver()
    await world.clock.advance(0)
    const { lease } = await world.job(job.id)
    await world.clock.advance(lease! - 70_000 - world.clock.now())
    expect(await world.sweep()).toMatchObject({ foreseen: 1 })
    finish()
    await delivered
    await world.clock.advance(120_000)
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({ status: 'success', failures: 0, fence: 1 })
  })

  it('does nothing to a running job whose lease is alive', async () => {
    const world = createWorld()
    const job = await world.submitProbe()
    await killWorker(world)
    expect(await world.sweep()).toMatchObject({ recovered: 0, resent: 0 })
    expect(await world.job(job.id)).toMatchObject({ status: 'running', fence: 1 })
  })

  it('knows at a restart that every former worker is dead', async () => {
    const world = createWorld()
    const job = await world.submitProbe()
    await killWorker(world)
    await world.clock.advance(1_000)
    world.env.workersDeadBefore = world.clock.now()
    expect(await world.sweep()).toMatchObject({ recovered: 1, resent: 1 })
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({ status: 'success', failures: 1, fence: 2 })
  })

  it('sends what waited in a queue that was lost with a restart', async () => {
    const world = createWorld()
    const job = await world.submitProbe()
    await world.queue.receive('probe', { max: 1, waitSeconds: 0 })
    await world.clock.advance(1_000)
    world.env.workersDeadBefore = world.clock.now()
    expect(await world.sweep()).toMatchObject({ resent: 1 })
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({ status: 'success' })
  })

  it('ends a job whose last attempt died, with a reason and a last log line', async () => {
    const world = createWorld()
    const job = await world.submitProbe()
    for (let attempt = 1; attempt <= 3; attempt++) await dieWithTheService(world)
    const ended = await world.job(job.id)
    expect(ended).toMatchObject({ status: 'error', error: { code: 'lease-expired', retryable: true } })
    expect((await readLog(world.env.blobs, ended)).text.trimEnd().split('\n').at(-1)).toContain(
      'job error after 3 attempts: lease-expired',
    )
  })

  it('ends a job as stopped when a stop was asked and its worker is dead (fault 13)', async () => {
    const world = createWorld()
    const job = await world.submitProbe()
    await killWorker(world)
    await stopJob(TENANT, job.id, world.env)
    world.env.workersDeadBefore = world.clock.now() + 1
    await world.sweep()
    expect(await world.job(job.id)).toMatchObject({ status: 'stopped' })
  })

  it('lets nobody but the new fence write after a recovery (fault 10)', async () => {
    const world = createWorld()
    let finishLate = (): void => {}
    world.runs.unshift(() => new Promise((resolve) => (finishLate = () => resolve({ result: { from: 'zombie' } }))))
    const job = await world.submitProbe()
    const zombie = world.deliver()
    await world.clock.advance(1)
    world.env.workersDeadBefore = world.clock.now()
    await world.sweep()
    await world.deliver()
    finishLate()
    await zombie
    expect(await world.job(job.id)).toMatchObject({ status: 'success', fence: 2, result: { ok: true } })
  })

  it('sends messages of a waiting job with the logarithm of its age', async () => {
    const world = createWorld()
    const job = await world.submitProbe()
    // A queue that takes messages and never gives one: not empty, so only the schedule of re-sends counts.
    for (let minute = 0; minute < 24 * 60; minute++) {
      await world.clock.advance(60_000)
      await world.sweep()
    }
    expect((await world.job(job.id)).sends).toBeLessThanOrEqual(6)
  })

  it('does not flood a long queue', async () => {
    const world = createWorld({ limits: { resendBatchMax: 10 } })
    for (let i = 0; i < 25; i++) await world.submitProbe()
    await world.clock.advance(61_000)
    expect(await world.sweep()).toMatchObject({ resent: 10 })
  })

  it('may run twice at once: every job is sent again once (fault 46)', async () => {
    const world = createWorld()
    await world.submitProbe()
    await world.clock.advance(61_000)
    const reports = await Promise.all([world.sweep(), world.sweep()])
    expect(reports.map((report) => report.resent).reduce((a, b) => a + b)).toBe(1)
  })

  it('hands an event over again when the hand-over failed, and never before the finish has settled (fault 42)', async () => {
    const world = createWorld()
    const job = await world.submitProbe()
    await world.deliver()
    await world.sweep()
    expect(world.events.received).toEqual([])
    await world.clock.advance(61_000)
    const { put } = world.env.events
    world.env.events.put = async () => {
      throw new Error('the bus is down')
    }
    await world.sweep()
    world.env.events.put = put
    await world.sweep()
    expect(world.events.received.map((event) => event.subject)).toEqual([job.id])
  })
})

describe('a worker that meets a running job', () => {
  it('takes it over when its lease is dead and attempts are left', async () => {
    const world = createWorld()
    const job = await world.submitProbe()
    await killWorker(world)
    const dead = await world.job(job.id)
    await world.env.store.update({ pk: `J#${TENANT}#${job.id}`, sk: '#' }, { set: { lease: START - 1 } })
    await world.env.queue.send('probe', [
      { body: JSON.stringify({ tenant: TENANT, id: job.id, type: 'probe', createdAt: dead.createdAt }) },
    ])
    world.runs[0] = succeed
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({ status: 'success', fence: 2, failures: 1, attempting: 1 })
  })
})

describe('a dead letter', () => {
  const letter = async (world: World, id: string, createdAt: number) => {
    await world.env.queue.send('probe-dlq', [
      { body: JSON.stringify({ tenant: TENANT, id, type: 'probe', createdAt }) },
    ])
    await world.deliver('probe-dlq')
  }

  it('is sent again with a delay, twice, and only the third without a claim ends the job as poison (fault 9)', async () => {
    const world = createWorld()
    const job = await world.submitProbe()
    await letter(world, job.id, job.createdAt)
    await letter(world, job.id, job.createdAt)
    expect(await world.job(job.id)).toMatchObject({ status: 'pending', deadLetters: 2 })
    await letter(world, job.id, job.createdAt)
    expect(await world.job(job.id)).toMatchObject({ status: 'error', error: { code: 'poison-message' } })
  })

  it('changes nothing about a job that has succeeded or runs (fault 22)', async () => {
    const world = createWorld()
    const done = await world.submitProbe()
    await world.deliver()
    for (let i = 0; i < 4; i++) await letter(world, done.id, done.createdAt)
    expect(await world.job(done.id)).toMatchObject({ status: 'success' })
    const alive = await world.submitProbe()
    await killWorker(world)
    for (let i = 0; i < 4; i++) await letter(world, alive.id, alive.createdAt)
    expect(await world.job(alive.id)).toMatchObject({ status: 'running' })
  })

  it('counts anew after a claim', async () => {
    const world = createWorld()
    world.runs.unshift(async (context) => context.snooze(900))
    const job = await world.submitProbe()
    await letter(world, job.id, job.createdAt)
    await letter(world, job.id, job.createdAt)
    await world.deliver()
    await letter(world, job.id, job.createdAt)
    expect(await world.job(job.id)).toMatchObject({ status: 'retrying', deadLetters: 1 })
  })
})

describe('a record that cannot be read', () => {
  it('does not keep the sweep from the others', async () => {
    const world = createWorld()
    const strange = await world.submitProbe()
    const job = await world.submitProbe()
    await world.env.store.update({ pk: `J#${TENANT}#${strange.id}`, sk: '#' }, { set: { v: 99 } })
    await world.clock.advance(61_000)
    expect(await world.sweep()).toMatchObject({ resent: 1 })
    await world.deliver()
    await world.clock.advance(61_000)
    await world.sweep()
    expect(world.events.received.map((event) => event.subject)).toEqual([job.id])
  })
  it('does not keep the sweep from the others, also where many of them stand in front', async () => {
    const world = createWorld({ limits: { resendBatchMax: 16 } })
    // All in one shard; the sweep reads two of it at a time.
    const jobs: JobRecord[] = []
    for (let n = 0; jobs.length < 8; n++) {
      const job = await world.submitProbe('app', `key-${n}`)
      if (shardOf(job.id, OPEN_SHARDS) === 0) jobs.push(job)
      else await stopJob(TENANT, job.id, world.env)
      await world.clock.advance(1)
    }
    const last = jobs.at(-1)!
    for (const { id } of jobs.slice(0, -1))
      await world.env.store.update({ pk: `J#${TENANT}#${id}`, sk: '#' }, { set: { v: 99 } })
    // Its message is lost, and others are in the queue.
    await world.queue.receive('probe', { max: 10, waitSeconds: 0 })
    await world.clock.advance(61_000)
    expect(await world.sweep()).toMatchObject({ resent: 1 })
    expect(await world.job(last.id)).toMatchObject({ sends: 2 })
  })
})
