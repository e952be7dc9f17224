/** What operators see of a job: its lines with job, attempt, type and request, and its counts. */
import { expect, test } from 'vitest'
import { LongshoreError } from '../../lib/errors.ts'
import type { Metrics, OperatorLog } from '../../lib/job/environment.ts'
import { createWorld } from './world.ts'

function watched() {
  const world = createWorld({ limits: { retryBaseSeconds: 1 } })
  const lines: { message: string; [field: string]: unknown }[] = []
  const counts: string[] = []
  const line = (message: string, fields: object = {}) => void lines.push({ message, ...fields })
  const log: OperatorLog = { info: line, warn: line, error: line }
  const metrics: Metrics = {
    count: (name, type, by = 1) => void counts.push(`${name} ${type} ${by}`),
    measure: (name, type, value) => void counts.push(`${name} ${type} ${value}`),
    flush: () => {},
  }
  Object.assign(world.env, { log, metrics })
  return { ...world, lines, counts }
}

test('a job that fails once and then succeeds is told line by line, each with job, attempt, type and request', async () => {
  const world = watched()
  world.runs.unshift(async () => {
    throw new LongshoreError('registry-unavailable', 'the registry is away')
  })
  const { id } = await world.submitProbe()

  await world.deliver()
  await world.clock.advance(60_000)
  await world.deliver()

  expect(world.lines.map(({ message, attempt }) => `${message} ${attempt}`)).toEqual([
    'a run starts 1',
    'the attempt failed and will be made again 1',
    'a run starts 2',
    'the job ended 2',
  ])
  for (const line of world.lines)
    expect(line).toMatchObject({ jobId: id, type: 'probe', requestId: expect.stringMatching(/^request-\d+$/) })
  expect(world.lines.at(-1)).toMatchObject({ status: 'success', ms: expect.any(Number), bytes: 0 })
  expect(world.counts.filter((count) => !count.startsWith('runMs'))).toEqual([
    'submitted probe 1',
    'started probe 1',
    'retried probe 1',
    'started probe 1',
    'succeeded probe 1',
  ])
})

test('a job whose worker died is told by the sweep', async () => {
  const world = watched()
  let died: () => void = () => {}
  const started = new Promise<void>((resolve) => {
    died = resolve
  })
  world.runs.unshift(async () => {
    died()
    return await new Promise(() => {})
  })
  const { id } = await world.submitProbe()
  void world.deliver()
  await started
  world.lines.length = 0

  // The worker never comes back: its lease ends five minutes and a margin later.
  world.env.workersDeadBefore = world.clock.now() + 1
  await world.sweep()

  expect(world.lines).toEqual([
    expect.objectContaining({ message: 'a job whose worker died was recovered', jobId: id, type: 'probe', attempt: 1 }),
  ])
  expect(world.counts).toContain('recovered probe 1')
})
