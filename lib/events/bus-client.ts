/** An EventBridge bus as the events of a function; a module of its own for the bundle's sake. */
import { EventBridgeClient } from '@aws-sdk/client-eventbridge'
import { eventBusEvents } from './bus.ts'
import type { Events } from './port.ts'

export const openBus = (busName: string): Events =>
  eventBusEvents({ client: new EventBridgeClient({}), busName, source: 'longshore' })
