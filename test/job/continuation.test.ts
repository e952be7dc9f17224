/** Jobs that are longer than a function: what is saved on the way, and jobs that come no further. */
import { describe, expect, it } from 'vitest'
import { LongshoreError } from '../../lib/errors.ts'
import { stopJob } from '../../lib/job/control.ts'
import type { JobContext, JobResult } from '../../lib/job/define.ts'
import { createWorld, succeed, TENANT, TIMEOUT_MS, type World } from './world.ts'

/** Until the run's signal aborts. */
const untilAborted = ({ signal }: JobContext) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

const next = (world: World, run: (context: JobContext) => Promise<JobResult>) => world.runs.splice(0, 0, run)

describe('what a run saves', () => {
  it('is in the record a few seconds later, for whoever goes on when it dies', async () => {
    const world = createWorld()
    next(world, async (context) => {
      context.save({ at: 1 })
      return await untilAborted(context)
    })
    const job = await world.submitProbe()
    const running = world.deliver()
    await world.clock.advance(7_000)
    expect(await world.job(job.id)).toMatchObject({ status: 'running', checkpoint: { at: 1 } })
    await world.clock.advance(TIMEOUT_MS)
    await running
  })

  it('outlives a failed attempt', async () => {
    const world = createWorld()
    next(world, async (context) => {
      context.save({ at: 2 })
      throw new LongshoreError('connection-cut', 'cut')
    })
    const job = await world.submitProbe()
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({ status: 'retrying', failures: 1, checkpoint: { at: 2 } })
  })

  it('is kept when a registry throttles, and when the function cuts the run off', async () => {
    const world = createWorld()
    next(world, async (context) => {
      context.save({ at: 3 })
      throw new LongshoreError('registry-throttled', 'slow down', { retryAfterMs: 60_000 })
    })
    const job = await world.submitProbe()
    await world.deliver()
    expect(await world.job(job.id)).toMatchObject({ status: 'retrying', throttles: 1, checkpoint: { at: 3 } })
    let seen: unknown
    next(world, async (context) => {
      seen = context.checkpoint
      context.save({ at: 4 })
      return await untilAborted(context)
    })
    await world.clock.advance(70_000)
    const running = world.deliver()
    await world.clock.advance(TIMEOUT_MS)
    await running
    expect(seen).toEqual({ at: 3 })
    expect(await world.job(job.id)).toMatchObject({ hops: 1 })
  })

  it('tells a run that was stopped from one whose time is over', async () => {
    const world = createWorld()
    const told: boolean[] = []
    const telling = async (context: JobContext) => {
      try {
        return await untilAborted(context)
      } finally {
        told.push(context.isStopped())
      }
    }
    next(world, telling)
    await world.submitProbe()
    const running = world.deliver()
    await world.clock.advance(TIMEOUT_MS)
    await running
    expect(told).toEqual([false])
    next(world, telling)
    const job = await world.submitProbe()
    const stopped = world.deliver()
    await world.clock.advance(1_000)
    await stopJob(TENANT, job.id, world.env)
    await world.clock.advance(5_000)
    await stopped
    expect(told).toEqual([false, true])
  })
})

describe('a job that is continued', () => {
  const rounds = async (world: World, count: number) => {
    for (let round = 0; round < count; round++) await world.deliver()
  }

  it('without getting anywhere ends at the third time, with a sentence about it', async () => {
    const world = createWorld()
    world.runs[0] = async (context) => context.handOver({ step: 1 })
    const job = await world.submitProbe()
    await rounds(world, 6)
    // The first hand-over brought a checkpoint; three after it brought nothing.
    const ended = await world.job(job.id)
    expect(ended).toMatchObject({ status: 'error', hops: 3, error: { code: 'no-progress', retryable: false } })
    expect(ended.error?.message).toContain('3 invocations')
  })

  it('may take as long as it likes while its counts rise, or its checkpoint changes', async () => {
    const world = createWorld()
    let step = 0
    world.runs[0] = async (context) => {
      step++
      if (step > 9) return await succeed()
      if (step % 3 === 0) context.progress({ items: { done: step } })
      return context.handOver({ step: Math.floor(step / 2) })
    }
    const job = await world.submitProbe()
    await rounds(world, 12)
    expect(await world.job(job.id)).toMatchObject({ status: 'success', hops: 9 })
  })

  it('for ever ends at the limit of continuations', async () => {
    const world = createWorld({ limits: { hopsMax: 4 } })
    let step = 0
    world.runs[0] = async (context) => context.handOver({ step: ++step })
    const job = await world.submitProbe()
    await rounds(world, 8)
    expect(await world.job(job.id)).toMatchObject({ status: 'error', hops: 4, error: { code: 'hops-exhausted' } })
  })
})
