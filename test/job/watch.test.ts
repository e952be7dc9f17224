/** Who watches over a run does not hang with what hangs, and forgets nothing that the run has told meanwhile. */
import { describe, expect, it } from 'vitest'
import { LongshoreError } from '../../lib/errors.ts'
import type { JobContext, JobResult } from '../../lib/job/define.ts'
import type { JobRecord } from '../../lib/job/record.ts'
import type { Store } from '../../lib/store/port.ts'
import { createWorld, succeed, TIMEOUT_MS, type World } from './world.ts'

const never = <T>() => new Promise<T>(() => {})

/** A run that goes on until it is told to end, or until `done` resolves. */
const untilAborted = (context: JobContext, done: Promise<void> = never()): Promise<JobResult> =>
  new Promise((resolve, reject) => {
    context.signal.addEventListener('abort', () => reject(new Error('aborted')))
    void done.then(() => resolve({ result: { ok: true } }))
  })

/** Delivers and lets the time go on, a second after the other, until the job is as asked or the function's time is up. */
async function deliverUntil(world: World, id: string, holds: (job: JobRecord) => boolean): Promise<number> {
  const from = world.clock.now()
  void world.deliver()
  for (;;) {
    await world.clock.advance(1_000)
    if (holds(await world.job(id)) || world.clock.now() - from > TIMEOUT_MS) return world.clock.now() - from
  }
}

describe('a read of the record that is never answered', () => {
  const hangingWorld = () => {
    const state = { hangs: false }
    const world = createWorld({
      store: (inner): Store => {
        const get: Store['get'] = (key) => (state.hangs && key.pk.startsWith('J#') ? never() : inner.get(key))
        return { ...inner, get }
      },
    })
    // The tests' own look at the record does not hang.
    const job: World['job'] = async (id) => {
      state.hangs = false
      const seen = await world.job(id)
      state.hangs = true
      return seen
    }
    return { world: { ...world, job }, state }
  }

  it('does not keep the run from handing over at the end of the time', async () => {
    const { world } = hangingWorld()
    world.runs[0] = (context) => untilAborted(context)
    const { id } = await world.submitProbe()
    const ms = await deliverUntil(world, id, ({ hops }) => hops === 1)
    expect(await world.job(id)).toMatchObject({ hops: 1, failures: 0 })
    expect(ms).toBeLessThanOrEqual(TIMEOUT_MS - world.env.limits.handOverMs + 1_000)
  })

  it('does not keep a finished run from ending', async () => {
    const { world, state } = hangingWorld()
    let finish = () => {}
    const done = new Promise<void>((resolve) => (finish = resolve))
    world.runs[0] = (context) => untilAborted(context, done)
    const { id } = await world.submitProbe()
    void world.deliver()
    state.hangs = true
    await world.clock.advance(10_000)
    finish()
    await world.clock.advance(1)
    expect(await world.job(id)).toMatchObject({ status: 'success' })
  })
})

describe('a log that is never written', () => {
  it('neither fails the job nor keeps it from ending within seconds', async () => {
    const world = createWorld()
    world.env.blobs.put = () => never()
    const { id } = await world.submitProbe()
    const ms = await deliverUntil(world, id, ({ status }) => status !== 'running')
    expect(await world.job(id)).toMatchObject({ status: 'success', failures: 0, attempting: 1 })
    expect(ms).toBeLessThanOrEqual(5_000)
  })
})

describe('what a run tells while its progress is being written', () => {
  /** The first report hangs until told to end; `fails`: by an error. */
  const slowReport = (fails: boolean) => {
    let answer = () => {}
    let reports = 0
    const world = createWorld({
      store: (inner): Store => ({
        ...inner,
        async update(...args) {
          if (args[1].set?.checkpoint === undefined || reports++ > 0) return await inner.update(...args)
          const written = fails ? undefined : await inner.update(...args)
          await new Promise<void>((resolve) => (answer = resolve))
          if (!written) throw new LongshoreError('store-unavailable', 'down')
          return written
        },
      }),
    })
    return { world, answer: () => answer() }
  }

  it.each([
    ['is written by the next report', false],
    ['is written by the next report when this one failed', true],
  ])('%s', async (_name, fails) => {
    const { world, answer } = slowReport(fails)
    let told: JobContext | undefined
    world.runs[0] = (context) => {
      told = context
      context.save({ at: 1 })
      return untilAborted(context)
    }
    const { id } = await world.submitProbe()
    void world.deliver()
    await world.clock.advance(6_000)
    if (!fails) told!.save({ at: 2 })
    answer()
    await world.clock.advance(10_000)
    expect(await world.job(id)).toMatchObject({ status: 'running', checkpoint: { at: fails ? 1 : 2 } })
  })
})

it('a run without trouble waits for nothing', async () => {
  const world = createWorld()
  world.runs[0] = succeed
  const { id } = await world.submitProbe()
  await world.deliver()
  expect(await world.job(id)).toMatchObject({ status: 'success' })
  await world.clock.awake()
})
