import { memoryEvents } from '../../lib/events/memory.ts'
import { eventsConformance } from './conformance.ts'

eventsConformance('memory', async () => {
  const events = memoryEvents()
  return { events, received: async () => events.received, close: async () => {} }
})
