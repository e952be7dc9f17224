import { expect, test } from 'vitest'
import { LongshoreError } from '../../lib/errors.ts'
import { createWorld } from './world.ts'

// Found by test/models/outbox.pml: with the time of the first try its event would have been behind the cursor.
test('a finish that the store takes only at the third try bears the time of that try', async () => {
  let down = 0
  const world = createWorld({
    store: (inner) => ({
      ...inner,
      get: inner.get.bind(inner),
      getMany: inner.getMany.bind(inner),
      put: inner.put.bind(inner),
      query: inner.query.bind(inner),
      count: inner.count.bind(inner),
      delete: inner.delete.bind(inner),
      async update(...args) {
        if (args[1].set?.status === 'success' && down-- > 0) {
          await world.clock.advance(20_000)
          throw new LongshoreError('store-unavailable', 'the store does not answer')
        }
        return await inner.update(...args)
      },
    }),
  })
  const job = await world.submitProbe()
  down = 2
  let delivered = false
  const delivery = world.deliver().then(() => {
    delivered = true
  })
  while (!delivered) await world.clock.advance(100)
  await delivery
  const { finishedAt, createdAt, status } = await world.job(job.id)
  expect(status).toBe('success')
  expect(finishedAt! - createdAt).toBeGreaterThanOrEqual(40_000)
})
