/** Events in memory, for tests and the simulator. */
import type { DomainEvent, Events } from './port.ts'

/** `received` holds everything that was handed over, in order, doubles included. */
export function memoryEvents(): Events & { readonly received: DomainEvent[] } {
  const received: DomainEvent[] = []
  return {
    received,
    async put(events) {
      received.push(...structuredClone(events))
    },
  }
}
