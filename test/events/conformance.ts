/** What every event port must do alike; `received` tells what arrived. */
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import type { DomainEvent, Events } from '../../lib/events/port.ts'
import { event } from './events.ts'

export interface EventsUnderTest {
  events: Events
  received(): Promise<DomainEvent[]>
  close(): Promise<void>
}

export function eventsConformance(name: string, open: () => Promise<EventsUnderTest>): void {
  describe(`an event port (${name})`, () => {
    let underTest: EventsUnderTest
    const opened: EventsUnderTest[] = []
    beforeEach(async () => {
      underTest = await open()
      opened.push(underTest)
    })
    afterAll(() => Promise.all(opened.map((one) => one.close())))

    test('hands over whole events in order', async () => {
      await underTest.events.put([event(1), event(2, null)])
      await underTest.events.put([event(3, [1, 'two', { three: null }])])
      expect(await underTest.received()).toEqual([event(1), event(2, null), event(3, [1, 'two', { three: null }])])
    })

    test('does nothing for no events', async () => {
      await underTest.events.put([])
      expect(await underTest.received()).toEqual([])
    })

    test('hands over a hundred at once', async () => {
      const many = Array.from({ length: 100 }, (_, i) => event(i))
      await underTest.events.put(many)
      expect(await underTest.received()).toEqual(many)
    })

    test('hands over the same event as often as it is asked', async () => {
      await underTest.events.put([event(1)])
      await underTest.events.put([event(1)])
      expect(await underTest.received()).toEqual([event(1), event(1)])
    })

    test('takes calls that overlap', async () => {
      await Promise.all(Array.from({ length: 20 }, (_, i) => underTest.events.put([event(i), event(i + 100)])))
      const sequences = (await underTest.received()).map((one) => one.sequence).sort((a, b) => a - b)
      expect(sequences).toEqual([...Array(20).keys(), ...Array.from({ length: 20 }, (_, i) => i + 100)])
    })

    test('is not changed by what the caller does with the event later', async () => {
      const mine = event(1, { digest: 'before' })
      await underTest.events.put([mine])
      ;(mine.data as { digest: string }).digest = 'after'
      expect(await underTest.received()).toEqual([event(1, { digest: 'before' })])
    })
  })
}
