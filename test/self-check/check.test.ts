/** What the self-check finds, each part broken in turn, and that it finds nothing where all is well. */
import { describe, expect, test } from 'vitest'
import { LongshoreError } from '../../lib/errors.ts'
import type { OperatorLog } from '../../lib/job/environment.ts'
import { beat, heartbeatKey, OldestWaiting } from '../../lib/job/heartbeat.ts'
import { sweep } from '../../lib/job/sweep.ts'
import { memoryQueue } from '../../lib/queue/memory.ts'
import type { QueueSettings } from '../../lib/queue/port.ts'
import { type Checked, selfCheck } from '../../lib/self-check/check.ts'
import { problemOf } from '../../lib/self-check/model.ts'
import { checkAtTick } from '../../lib/self-check/tick.ts'
import { createWorld } from '../job/world.ts'

/** A service that is well: visibility as in serverless.yml, a revision, a sweep just now. */
async function healthy() {
  const world = createWorld()
  const { env, clock } = world
  const settings = memoryQueue({ clock, visibilityTimeoutSeconds: 1_800 }).settings
  const checked: Checked = { ...env, queue: { ...env.queue, settings } }
  await env.blobs.put('advisories/current.json', JSON.stringify({ revision: 'r1' }))
  const createdAt = new Date(clock.now() - 7_200_000).toISOString()
  await env.blobs.put('advisories/revisions/r1.json', JSON.stringify({ createdAt }))
  const tick = async () => {
    const waiting = new OldestWaiting(clock.now())
    await sweep(env, (job) => waiting.met(job))
    await beat(waiting, env)
  }
  await tick()
  const with_ = (name: string, change: Partial<QueueSettings> | undefined): Checked => ({
    ...checked,
    queue: {
      ...checked.queue,
      settings: async (queue) => {
        const known = await settings(queue)
        return queue === name ? change && { ...known!, ...change } : known
      },
    },
  })
  return { ...world, checked, tick, withQueue: with_ }
}

describe('a self-check', () => {
  test('finds nothing where all is well, and says what it looked at', async () => {
    const { checked } = await healthy()

    const checks = await selfCheck(checked)

    expect(problemOf(checks)).toBeUndefined()
    expect(checks.map(({ name, detail }) => [name, detail])).toEqual([
      ['table', 'answers, and its indexes members and open too'],
      ['queues', 'all 7 are there and set up as the protocol needs'],
      ['clock', 'agrees with that of the queues within 0 s'],
      ['bucket', 'answers'],
      ['advisories', 'revision r1, its newest data is 2 hours old'],
      ['sweeper', 'the last sweep ended 0 s ago'],
      ['waiting', 'nothing overdue'],
    ])
  })

  test.each([
    ['probe', undefined, 'queues: there is no queue probe; compare infrastructure/queues.yml and deploy again'],
    ['fan-out-dlq', undefined, 'queues: there is no queue fan-out-dlq; compare'],
    ['probe-bulk', { visibilitySeconds: 299 }, 'the queue probe-bulk hides a message for 299 s, a run may last 300 s'],
    [
      'probe',
      { deadLetters: { queue: 'other-dlq', afterReceives: 5 } },
      'the queue probe does not hand dead letters to probe-dlq',
    ],
    [
      'fan-out',
      { deadLetters: { queue: 'fan-out-dlq', afterReceives: 1 } },
      'the queue fan-out gives up after 1 receives, not 5',
    ],
    ['fan-out', { visibilitySeconds: 299 }, 'the queue fan-out hides a message for 299 s, a run may last 300 s'],
    [
      're-evaluate',
      { visibilitySeconds: 299 },
      'the queue re-evaluate hides a message for 299 s, a run may last 300 s',
    ],
  ])('tells of the queue %s with %j', async (queue, change, sentence) => {
    const { withQueue } = await healthy()

    expect(problemOf(await selfCheck(withQueue(queue, change)))).toContain(sentence)
  })

  test.each([
    [30_000, 'clock: this clock is 30 s behind that of the queues'],
    [-32_000, 'clock: this clock is 31 s ahead of that of the queues'],
  ])('tells of a clock that differs by %i ms', async (ms, sentence) => {
    const { withQueue, clock } = await healthy()

    expect(problemOf(await selfCheck(withQueue('probe', { answeredAt: clock.now() + ms })))).toContain(sentence)
  })

  test('does not take the second that a Date header cuts off for a skew', async () => {
    const { withQueue, clock } = await healthy()

    expect(problemOf(await selfCheck(withQueue('probe', { answeredAt: clock.now() - 999 })))).toBeUndefined()
  })

  test('tells of an index that is not there, in one line (fault 51)', async () => {
    const { checked } = await healthy()
    const query: typeof checked.store.query = async ({ index }) => {
      throw new LongshoreError('store-unavailable', `the index ${index} does not exist`)
    }

    const problem = problemOf(await selfCheck({ ...checked, store: { ...checked.store, query } }))

    expect(problem).toMatch(
      /^table: the index members does not exist; compare LONGSHORE_TABLE .*\(also wrong: sweeper\)$/,
    )
  })

  test('tells of a bucket that cannot be read, and of a revision that is missing', async () => {
    const { checked, env } = await healthy()
    const get = async () => {
      throw new LongshoreError('store-unavailable', 'the bucket says AccessDenied')
    }
    expect(problemOf(await selfCheck({ ...checked, blobs: { ...env.blobs, get } }))).toMatch(/^bucket: the bucket says/)

    await env.blobs.delete('advisories/revisions/r1.json')
    expect(problemOf(await selfCheck(checked))).toMatch(/^advisories: revision r1 is gone/)

    await env.blobs.delete('advisories/current.json')
    expect(problemOf(await selfCheck(checked))).toMatch(/^advisories: no revision yet/)
  })

  test('tells when the sweeper has been silent for more than three ticks', async () => {
    const { checked, clock, env } = await healthy()

    await clock.advance(180_000)
    expect(problemOf(await selfCheck(checked))).toBeUndefined()
    await clock.advance(1_000)
    expect(problemOf(await selfCheck(checked))).toContain(
      'sweeper: the last sweep ended 181 s ago, it is due every 60 s',
    )

    await env.store.delete(heartbeatKey)
    expect(problemOf(await selfCheck(checked))).toContain('sweeper: no sweep has ended yet')
  })

  test('tells of a job that waits for more than 15 minutes, though the sweep looks at it only now and then', async () => {
    const { checked, clock, submitProbe, tick } = await healthy()
    const job = await submitProbe()

    for (let minute = 0; minute < 15; minute++) {
      await clock.advance(60_000)
      await tick()
    }
    const early = await selfCheck(checked)
    expect(problemOf(early)).toBeUndefined()
    expect(early.at(-1)?.detail).toBe(`job ${job.id} of the queue probe waits longest: 900 s`)

    await clock.advance(60_000)
    await tick()
    expect(problemOf(await selfCheck(checked))).toBe(
      `waiting: job ${job.id} of the queue probe waits for 960 s; look at GET /v1/queues and the log of its function`,
    )
  })

  test('forgets a job that no longer waits', async () => {
    const { checked, clock, submitProbe, tick, deliver } = await healthy()
    await submitProbe()
    await clock.advance(61_000)
    await tick()
    await deliver()
    await tick()

    expect((await selfCheck(checked)).at(-1)?.detail).toBe('nothing overdue')
  })
})

test('at a tick a problem is one line of the log and one count; a deployment without advisories has none', async () => {
  const { checked, env, withQueue } = await healthy()
  const lines: string[] = []
  const counts: string[] = []
  const line = (message: string, fields?: object) => void lines.push(`${message} ${JSON.stringify(fields)}`)
  const log: OperatorLog = { info: line, warn: line, error: line }
  const metrics = {
    count: (name: string, type: string) => void counts.push(`${name} ${type}`),
    measure: () => {},
    flush: () => {},
  }
  const tick = (one: Checked, get = async (): Promise<undefined> => undefined) =>
    checkAtTick({ ...env, ...one, log, metrics, blobs: { ...env.blobs, get } })

  expect(await tick(checked)).toBeUndefined()
  expect([lines, counts]).toEqual([[], []])

  expect(await tick(withQueue('probe', undefined))).toContain('there is no queue probe')
  expect(lines).toHaveLength(1)
  expect(counts).toEqual(['selfCheckProblems all'])

  expect(await tick(checked, () => Promise.reject(new Error('AccessDenied')))).toMatch(/^bucket: AccessDenied; compare/)
  expect(lines).toHaveLength(2)
})
