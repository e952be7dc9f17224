import { describe, expect, it } from 'vitest'
import type { Random } from '../../lib/clock.ts'
import { memoryQueue } from '../../lib/queue/memory.ts'
import { queueConformance } from './conformance.ts'
import { virtualClock } from './virtual-clock.ts'

queueConformance('in memory', async () => {
  const clock = virtualClock()
  return { queue: memoryQueue({ clock }), clock, close: async () => {} }
})

/** Zero, a half, zero, a half, ... */
function alternating(): Random {
  let turn = 0
  return { next: () => (turn++ % 2) / 2, bytes: (count) => new Uint8Array(count) }
}

describe('the queue in memory', () => {
  it('sleeps only while somebody waits', async () => {
    const clock = virtualClock()
    const queue = memoryQueue({ clock })
    await queue.send('scan', [{ body: 'x', delaySeconds: 5 }, { body: 'y' }])
    await queue.receive('scan', { max: 10, waitSeconds: 0 })
    expect(clock.sleepers).toBe(0)
  })

  it('takes the visibility timeout per queue and the number of receives', async () => {
    const clock = virtualClock()
    const visibilityTimeoutSeconds = (name: string) => (name === 'scan' ? 5 : 50)
    const queue = memoryQueue({ clock, visibilityTimeoutSeconds, maxReceiveCount: 1 })
    await queue.send('scan', [{ body: 'x' }])
    await queue.receive('scan', { max: 1, waitSeconds: 0 })
    await clock.advance(5_000)
    expect(await queue.receive('scan', { max: 1, waitSeconds: 0 })).toEqual([])
    expect(await queue.receive('scan-dlq', { max: 1, waitSeconds: 0 })).toHaveLength(1)
    await clock.advance(49_000)
    expect(await queue.depth('scan-dlq')).toMatchObject({ inFlight: 1 })
  })

  it('delivers a second time when told to, under a receipt of its own', async () => {
    const queue = memoryQueue({ clock: virtualClock(), faults: { random: alternating(), duplicates: 0.4 } })
    await queue.send('scan', [{ body: 'a' }, { body: 'b' }])
    const first = await queue.receive('scan', { max: 2, waitSeconds: 0 })
    for (const { receipt } of first) await queue.remove('scan', receipt)
    const again = await queue.receive('scan', { max: 10, waitSeconds: 0 })
    expect(again.map((m) => [m.messageId, m.body])).toEqual([[first[0]!.messageId, 'a']])
  })

  it('gives out in another order when told to', async () => {
    const order = async (reorder: boolean) => {
      const random = { ...alternating(), next: alternatingFrom([0.9, 0.1, 0.5, 0.2]) }
      const queue = memoryQueue({ clock: virtualClock(), faults: { random, reorder } })
      await queue.send(
        'scan',
        ['a', 'b', 'c', 'd'].map((body) => ({ body })),
      )
      return (await queue.receive('scan', { max: 10, waitSeconds: 0 })).map((m) => m.body).join('')
    }
    expect([await order(false), await order(true)]).toEqual(['abcd', 'bdca'])
  })
})

function alternatingFrom(values: number[]): () => number {
  let turn = 0
  return () => values[turn++ % values.length]!
}
