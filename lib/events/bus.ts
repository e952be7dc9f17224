/** Events on an EventBridge bus: the event's type is the `detail-type`, the whole event the `detail`. */
import { type EventBridgeClient, PutEventsCommand, type PutEventsRequestEntry } from '@aws-sdk/client-eventbridge'
import { type Clock, systemClock } from '../clock.ts'
import { LongshoreError } from '../errors.ts'
import type { DomainEvent, Events } from './port.ts'

/** PutEvents takes ten entries ... */
const ENTRIES_MAX = 10
/** ... of 256 KB together (newer documentation says 1 MB; a job event is 1 KB, so the older limit costs nothing). */
const BYTES_MAX = 262_144
/** EventBridge counts a time as 14 bytes. */
const TIME_BYTES = 14
/** Entries fail alone, mostly by throttling: one pause, one more try, then the next sweep hands over again. */
const PAUSE_MS = 200

export interface EventBusOptions {
  client: EventBridgeClient
  /** Name or ARN. */
  busName: string
  source: string
  clock?: Clock
}

/** Throws `queue-unavailable` when an event was not taken twice, `item-too-large` for one that can never be taken. */
export function eventBusEvents({ client, busName, source, clock = systemClock }: EventBusOptions): Events {
  const entryOf = (event: DomainEvent): PutEventsRequestEntry => ({
    EventBusName: busName,
    Source: source,
    DetailType: event.type,
    Time: new Date(event.time),
    Detail: JSON.stringify(event),
  })

  /** The entries that were not taken, each with what EventBridge said. */
  const send = async (entries: PutEventsRequestEntry[]) => {
    const answer = await client.send(new PutEventsCommand({ Entries: entries })).catch((cause: Error) => {
      throw new LongshoreError(
        'queue-unavailable',
        `the event bus ${busName} cannot be reached (${cause.name}: ${cause.message})`,
        {
          cause,
        },
      )
    })
    return entries.flatMap((entry, i) => {
      const { ErrorCode, ErrorMessage } = answer.Entries?.[i] ?? { ErrorCode: 'NoAnswer' }
      return ErrorCode === undefined ? [] : [{ entry, why: `${ErrorCode}: ${ErrorMessage ?? 'no message'}` }]
    })
  }

  return {
    async put(events) {
      for (const entries of groups(events.map(entryOf))) {
        let refused = await send(entries)
        if (refused.length === 0) continue
        await clock.sleep(PAUSE_MS)
        refused = await send(refused.map(({ entry }) => entry))
        if (refused.length > 0)
          throw new LongshoreError(
            'queue-unavailable',
            `the event bus ${busName} refused ${refused.length} of ${entries.length} events twice (${refused[0]!.why})`,
          )
      }
    },
  }
}

function groups(entries: PutEventsRequestEntry[]): PutEventsRequestEntry[][] {
  const result: PutEventsRequestEntry[][] = []
  let bytes = 0
  for (const entry of entries) {
    const size = sizeOf(entry)
    if (size > BYTES_MAX)
      throw new LongshoreError(
        'item-too-large',
        `an event ${entry.DetailType} has ${size} bytes; EventBridge takes ${BYTES_MAX}`,
      )
    const current = result.at(-1)
    if (current && current.length < ENTRIES_MAX && bytes + size <= BYTES_MAX) {
      current.push(entry)
      bytes += size
    } else {
      result.push([entry])
      bytes = size
    }
  }
  return result
}

const sizeOf = (entry: PutEventsRequestEntry): number =>
  TIME_BYTES +
  Buffer.byteLength(entry.Source!) +
  Buffer.byteLength(entry.DetailType!) +
  Buffer.byteLength(entry.Detail!)
