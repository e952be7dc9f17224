/** Where `LONGSHORE_EVENTS` says that events go: `bus:name`, `file:/path` or `none`. */
import { EventBridgeClient } from '@aws-sdk/client-eventbridge'
import { awsCalls } from '../limits/aws-calls.ts'
import { folderOf, requiredVariable, unknownForm, type Variables } from '../variables.ts'
import { eventBusEvents } from './bus.ts'
import { fileEvents } from './file.ts'
import type { Events } from './port.ts'

/** Throws `config-invalid`. */
export function openEvents(variables: Variables): Events {
  const url = requiredVariable(variables, 'LONGSHORE_EVENTS')
  if (url === 'none') return { put: async () => {} }
  if (url.startsWith('file:')) return fileEvents(folderOf(url))
  if (!url.startsWith('bus:')) throw unknownForm('LONGSHORE_EVENTS', url, 'bus:name, file:/path or none')
  const client = new EventBridgeClient(awsCalls)
  return eventBusEvents({ client, busName: url.slice('bus:'.length), source: 'longshore' })
}
