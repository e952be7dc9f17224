import { expect, test } from 'vitest'
import { handOverEvents } from '../../lib/job/event-cursor.ts'
import { imageItems } from '../../lib/job/image-items.ts'
import { createWorld, DIGEST, TENANT } from './world.ts'

const EXPIRES = 4_000_000_000

test('of two who saw the same, one writes', async () => {
  const images = imageItems(createWorld().env, TENANT)
  expect(await images.put(DIGEST, { a: 1 }, undefined, { expires: EXPIRES })).toBe(true)
  expect(await images.put(DIGEST, { a: 2 }, undefined, { expires: EXPIRES })).toBe(false)
  const seen = await images.get(DIGEST)
  expect(await images.put(DIGEST, { b: 3 }, seen, { expires: EXPIRES })).toBe(true)
  expect(await images.put(DIGEST, { c: 4 }, seen, { expires: EXPIRES })).toBe(false)
  expect(await images.get(DIGEST)).toEqual({ fields: { b: 3 }, turn: 2 })
})

test('an event is told once it was handed over, and until then the next one must tell it too', async () => {
  const { env, events, clock } = createWorld()
  const images = imageItems(env, TENANT)
  const event = { type: 'image.findings.changed', data: { from: 'r1' } }
  await images.put(DIGEST, {}, undefined, { expires: EXPIRES, event })
  expect((await images.get(DIGEST))?.untold).toEqual({ from: 'r1' })
  // A write that changes nothing leaves the event where it is.
  await images.put(DIGEST, {}, await images.get(DIGEST), { expires: EXPIRES })
  await clock.advance(env.limits.eventSettleSeconds * 1000 + 1)
  expect(await handOverEvents(env)).toBe(1)
  expect(events.received).toEqual([
    expect.objectContaining({ id: `${DIGEST}#1`, subject: DIGEST, sequence: 1, tenant: TENANT, data: { from: 'r1' } }),
  ])
  expect((await images.get(DIGEST))?.untold).toBeUndefined()
  expect(await handOverEvents(env)).toBe(0)
})
