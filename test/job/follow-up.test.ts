import { expect, test } from 'vitest'
import { jobResource } from '../../lib/http/resources.ts'
import { retryJob } from '../../lib/job/control.ts'
import { idOf } from '../../lib/job/id.ts'
import { typesOf } from '../../lib/job/types.ts'
import { createWorld, TENANT, type World } from './world.ts'

/** The probe, which looks back as well. */
function lookingBack(world: World, followUp: () => Promise<{ result: { [name: string]: string } }>) {
  const probe = { ...world.env.types.get('probe')!, followUp }
  world.env.types = typesOf([probe])
}

test('a job leaves one look back, however often it asks; it is a job of its own, run when it is due', async () => {
  const world = createWorld()
  const seen: string[] = []
  lookingBack(world, async () => {
    seen.push('looked')
    return { result: { looked: 'back' } }
  })
  const dueAt = world.clock.now() + 1_800_000
  world.runs[0] = async ({ order }) => {
    const [first, second] = [await order.followUp(dueAt), await order.followUp(dueAt)]
    return { result: { same: first === second } }
  }
  const { id } = await world.submitProbe()
  await world.deliver()
  expect(await world.job(id)).toMatchObject({ status: 'success', result: { same: true } })

  const later = await world.job(idOf('follow-up', TENANT, id))
  expect(later).toMatchObject({ status: 'scheduled', dueAt, followUpOf: id, image: (await world.job(id)).image })
  expect(jobResource(later)).toMatchObject({ followUpOf: id, status: 'scheduled' })

  // Beyond the longest delay of a queue: the sweep sends it when it is due, not before.
  await world.clock.advance(1_790_000)
  await world.sweep()
  expect(await world.deliver()).toEqual([])
  await world.clock.advance(11_000)
  await world.sweep()
  expect(await world.deliver()).toEqual(['acknowledge'])
  expect(seen).toEqual(['looked'])
  expect(await world.job(later.id)).toMatchObject({ status: 'success', result: { looked: 'back' } })
})

test('the retry of a look back that failed looks back, at the same digest', async () => {
  const world = createWorld()
  let tries = 0
  lookingBack(world, async () => {
    if (++tries === 1) throw Object.assign(new Error('broken'), { name: 'ZodError' })
    return { result: { looked: 'back' } }
  })
  world.runs[0] = async ({ order }) => ({ result: { id: await order.followUp(world.clock.now() + 60_000) } })
  const { id } = await world.submitProbe()
  await world.deliver()
  await world.clock.advance(61_000)
  await world.deliver()
  const failed = await world.job(idOf('follow-up', TENANT, id))
  expect(failed.status).toBe('error')
  const again = await retryJob(TENANT, failed.id, world.env)
  expect(again).toMatchObject({ followUpOf: id, retryOf: failed.id, image: failed.image })
  await world.deliver()
  expect(await world.job(again.id)).toMatchObject({ status: 'success', result: { looked: 'back' } })
})

test('the place in the order of acceptance is the time, then the id', async () => {
  const world = createWorld()
  const places: string[] = []
  world.runs[0] = async ({ order }) => {
    places.push(order.acceptance)
    expect(order.leaseUntil).toBeGreaterThan(world.clock.now())
    return { result: {} }
  }
  await world.submitProbe()
  await world.clock.advance(1)
  await world.submitProbe()
  await world.deliver()
  expect(places).toHaveLength(2)
  expect([...places].sort()).toEqual(places)
})
