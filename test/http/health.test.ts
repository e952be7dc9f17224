import { describe, expect, test } from 'vitest'
import { LongshoreError } from '../../lib/errors.ts'
import { beat, OldestWaiting } from '../../lib/job/heartbeat.ts'
import { apiWorld, expectProblem } from './world.ts'

async function sweptWorld() {
  const world = await apiWorld()
  await world.publishAdvisories()
  await beat(new OldestWaiting(world.clock.now()), world.env)
  return world
}

describe('GET /healthz?deep=1', () => {
  test('answers 200 with what it looked at', async () => {
    const { get } = await sweptWorld()

    const { status, json } = await get('/healthz?deep=1')

    expect(status).toBe(200)
    expect(json).toMatchObject({ status: 'ok', version: '0.0.0-test' })
    expect(json.checks.map(({ name, ok }: { name: string; ok: boolean }) => `${name} ${ok}`)).toEqual(
      ['table', 'queues', 'clock', 'bucket', 'advisories', 'sweeper', 'waiting'].map((name) => `${name} true`),
    )
  })

  test('says in one line what is wrong and what to do, and names each part that is', async () => {
    const world = await apiWorld()

    const answer = await world.get('/healthz?deep=1')

    expectProblem(answer, 503, 'not-healthy', '/checks/advisories')
    expect(answer.json.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
      '/checks/advisories',
      '/checks/sweeper',
    ])
    expect(answer.json.detail).toMatch(/^advisories: no revision yet, .*look at the log of .*\(also wrong: sweeper\)$/)
  })

  test('looks once in ten seconds, however many ask', async () => {
    const world = await sweptWorld()
    const { queue, clock } = world.env
    let looks = 0
    const { settings } = queue
    queue.settings = async (name) => {
      looks += name === 'scan' ? 1 : 0
      return await settings(name)
    }

    await Promise.all(Array.from({ length: 20 }, () => world.get('/healthz?deep=1')))
    await world.get('/healthz?deep=1')
    expect(looks).toBe(1)

    await world.clock.advance(10_000)
    expect(clock.now()).toBe(world.clock.now())
    await world.get('/healthz?deep=1')
    expect(looks).toBe(2)
  })

  test('is not asked by a plain GET /healthz, which answers though nothing behind it does', async () => {
    const world = await apiWorld()
    world.env.store.get = async () => {
      throw new LongshoreError('store-unavailable', 'the table is gone')
    }

    expect((await world.get('/healthz')).json).toEqual({ status: 'ok', version: '0.0.0-test' })
    expect((await world.get('/healthz?deep=0')).status).toBe(200)
    expectProblem(await world.get('/healthz?deep=1'), 503, 'not-healthy', '/checks/table')
  })
})
