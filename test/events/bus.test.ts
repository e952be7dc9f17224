import { EventBridgeClient } from '@aws-sdk/client-eventbridge'
import { expect, test } from 'vitest'
import type { Clock } from '../../lib/clock.ts'
import { eventBusEvents } from '../../lib/events/bus.ts'
import type { DomainEvent } from '../../lib/events/port.ts'
import { AwsError, awsJsonDouble, doubleClient } from '../secrets/aws-json-double.ts'
import { eventsConformance } from './conformance.ts'
import { event } from './events.ts'

interface Entry {
  EventBusName: string
  Source: string
  DetailType: string
  Detail: string
  Time: number
}

/** Takes every entry, but for the positions that `refuses` names, call by call. */
async function open(refuses: (call: number, position: number) => string | undefined = () => undefined) {
  const batches: Entry[][] = []
  const slept: number[] = []
  const double = await awsJsonDouble((_, input) => {
    const batch = input.Entries as Entry[]
    const call = batches.push(batch)
    const Entries = batch.map((entry, position) => {
      const ErrorCode = refuses(call, position)
      return ErrorCode ? { ErrorCode, ErrorMessage: 'slow down' } : { EventId: entry.Detail.slice(0, 9) }
    })
    return { FailedEntryCount: Entries.filter((entry) => 'ErrorCode' in entry).length, Entries }
  })
  const clock: Clock = {
    now: () => 0,
    sleep: async (ms) => {
      slept.push(ms)
    },
  }
  const client = new EventBridgeClient({ ...doubleClient(double.endpoint), maxAttempts: 1 })
  const events = eventBusEvents({ client, busName: 'jobs', source: 'longshore', clock })
  const sequences = () =>
    batches.map((batch) => batch.map((entry) => (JSON.parse(entry.Detail) as DomainEvent).sequence))
  return { events, batches, sequences, slept, close: double.close }
}

eventsConformance('EventBridge, against a protocol double', async () => {
  const { events, batches, close } = await open()
  const received = async () => batches.flat().map((entry) => JSON.parse(entry.Detail) as DomainEvent)
  return { events, received, close }
})

test('an entry names bus, source, type and time (protocol double)', async () => {
  const { events, batches, close } = await open()
  await events.put([event(1)])
  expect(batches[0]![0]).toMatchObject({
    EventBusName: 'jobs',
    Source: 'longshore',
    DetailType: 'job.success',
    Time: Date.parse('2026-11-22T12:00:00.000Z') / 1000,
  })
  await close()
})

test('a call carries ten events and at most 256 KB (protocol double)', async () => {
  const { events, sequences, close } = await open()
  await events.put([
    ...Array.from({ length: 12 }, (_, i) => event(i)),
    ...Array.from({ length: 3 }, (_, i) => event(20 + i, 'é'.repeat(50_000))),
  ])
  expect(sequences()).toEqual([[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [10, 11, 20, 21], [22]])
  await expect(events.put([event(1), event(2, 'x'.repeat(262_144))])).rejects.toMatchObject({ code: 'item-too-large' })
  expect(sequences()).toHaveLength(3)
  await close()
})

test('entries that were refused, and only those, are tried once more after a pause (protocol double)', async () => {
  const { events, sequences, slept, close } = await open((call, position) =>
    call === 1 && position % 2 === 1 ? 'ThrottlingException' : undefined,
  )
  await events.put([event(0), event(1), event(2), event(3)])
  expect(sequences()).toEqual([
    [0, 1, 2, 3],
    [1, 3],
  ])
  expect(slept).toEqual([200])
  await close()
})

test('entries that are refused twice make the hand-over fail with the reason (protocol double)', async () => {
  const { events, sequences, close } = await open((_, position) => (position === 0 ? 'ThrottlingException' : undefined))
  const failed = {
    code: 'queue-unavailable',
    message: expect.stringMatching(/1 of 3 events twice \(ThrottlingException: slow down\)/),
  }
  await expect(events.put([event(0), event(1), event(2)])).rejects.toMatchObject(failed)
  expect(sequences()).toEqual([[0, 1, 2], [0]])
  await close()
})

test('a bus that refuses the call or cannot be reached is queue-unavailable (protocol double)', async () => {
  const double = await awsJsonDouble(() => {
    throw new AwsError('InternalException', 'broken', 500)
  })
  const client = new EventBridgeClient({ ...doubleClient(double.endpoint), maxAttempts: 1 })
  const events = eventBusEvents({ client, busName: 'jobs', source: 'longshore' })
  await expect(events.put([event(1)])).rejects.toMatchObject({
    code: 'queue-unavailable',
    message: expect.stringContaining('jobs'),
  })
  await double.close()
  await expect(events.put([event(1)])).rejects.toMatchObject({ code: 'queue-unavailable' })
})
