import { expect, test } from 'vitest'
import { shareOf } from '../../lib/local/worker-processes.ts'

const mappings = [
  { queue: 'scan', maximumConcurrency: 4 },
  { queue: 'fan-out', maximumConcurrency: 1 },
  { queue: 'scan-bulk', maximumConcurrency: 8 },
]

test.each([1, 2, 3, 5, 16])('a pool that is spread over %i processes keeps its size', (count) => {
  const shares = Array.from({ length: count }, (_, index) => shareOf(mappings, index, count)).flat()
  for (const { queue, maximumConcurrency } of mappings)
    expect(
      shares.filter((share) => share.queue === queue).reduce((sum, share) => sum + share.maximumConcurrency, 0),
    ).toBe(maximumConcurrency)
  expect(shares.every((share) => share.maximumConcurrency > 0)).toBe(true)
})
