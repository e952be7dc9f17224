/**
 * Configuration -> ports. Every function calls this once and hands the result to its one entry, so that a worker never
 * bundles the HTTP stack. The same variables choose the cloud's services and the laptop's files; nothing below here
 * knows which.
 *
 * LONGSHORE_TABLE          name of the table                  LONGSHORE_QUEUE_PREFIX  queue URL = prefix + queue name
 * LONGSHORE_BLOBS          s3://bucket or file:/folder        LONGSHORE_SECRETS       aws:prefix or file:/folder
 * LONGSHORE_EVENTS         bus:name, file:/path or none       LONGSHORE_REGISTRIES    JSON list of registry objects
 * LONGSHORE_WORKERS_DEAD_BEFORE  milliseconds since the epoch, see Environment
 */
import { fileURLToPath } from 'node:url'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { SQSClient } from '@aws-sdk/client-sqs'
import { diskBlobs } from './blobs/disk.ts'
import type { BlobStore } from './blobs/port.ts'
import { systemClock } from './clock.ts'
import { readLimits } from './config.ts'
import { LongshoreError } from './errors.ts'
import { fileEvents } from './events/file.ts'
import type { Events } from './events/port.ts'
import type { Environment, JobTypes, OperatorLog } from './job/environment.ts'
import { ecrToken } from './oci/ecr.ts'
import { type RegistryObjects, readRegistries, registryObjects } from './oci/objects.ts'
import { createOpenRegistry } from './oci/open.ts'
import { sqsQueue } from './queue/sqs.ts'
import { systemRandom } from './random.ts'
import { fileSecrets } from './secrets/file.ts'
import type { SecretStore } from './secrets/port.ts'
import { dynamoStore } from './store/dynamo.ts'

export interface App extends Environment {
  objects: RegistryObjects
}

export interface AppOptions {
  types: JobTypes
  log: OperatorLog
  /** How long registry clients (connections, tokens) are kept; 0: each run opens its own and counts its own requests. */
  keepClientsMs: number
}

type Variables = Record<string, string | undefined>

/** A call that hangs must not eat a worker's time: the SDK retries after these. */
const requestHandler = {
  connectionTimeout: 2_000,
  requestTimeout: 10_000,
  httpAgent: { maxSockets: 256 },
  httpsAgent: { maxSockets: 256 },
}

/** Throws `config-invalid` naming the variable. */
export async function createApp(variables: Variables, options: AppOptions): Promise<App> {
  const limits = readLimits(variables)
  const clock = systemClock
  const random = systemRandom
  const store = dynamoStore({
    client: new DynamoDBClient({ requestHandler }),
    table: required(variables, 'LONGSHORE_TABLE'),
  })
  const queue = sqsQueue({
    client: new SQSClient({ requestHandler }),
    prefix: required(variables, 'LONGSHORE_QUEUE_PREFIX'),
  })
  const [blobs, secrets, events] = await Promise.all([
    createBlobs(variables),
    secretsOf(variables),
    eventsOf(variables),
  ])
  const literalAllowed = required(variables, 'LONGSHORE_SECRETS').startsWith('file:')
  const fixed = readRegistries(variables.LONGSHORE_REGISTRIES, literalAllowed)
  const objects = registryObjects({ store, secrets, fixed })

  const open = (tenant: string) =>
    createOpenRegistry({ find: (host) => objects.find(tenant, host), ecrToken, limits, clock, random })
  const kept = new Map<string, { at: number; open: ReturnType<typeof open> }>()
  const registries = (tenant: string) => {
    if (options.keepClientsMs === 0) return open(tenant)
    const known = kept.get(tenant)
    if (known && clock.now() - known.at < options.keepClientsMs) return known.open
    const fresh = { at: clock.now(), open: open(tenant) }
    kept.set(tenant, fresh)
    return fresh.open
  }
  return {
    store,
    queue,
    blobs,
    events,
    clock,
    random,
    limits,
    types: options.types,
    log: options.log,
    registries,
    objects,
    workersDeadBefore: Number(variables.LONGSHORE_WORKERS_DEAD_BEFORE ?? 0),
  }
}

function required(variables: Variables, name: string): string {
  const value = variables[name]
  if (!value)
    throw new LongshoreError('config-invalid', `${name} is not set; serverless.yml sets it for every function`)
  return value
}

const folder = (url: string): string => (url.startsWith('file://') ? fileURLToPath(url) : url.slice('file:'.length))

const unknown = (name: string, value: string, known: string): LongshoreError =>
  new LongshoreError('config-invalid', `${name}=${value} is not understood; write ${known}`)

/** Clients of the services a function may never need are loaded when it needs them: they cost 40 ms of start each. */
export async function createBlobs(variables: Variables): Promise<BlobStore> {
  const url = required(variables, 'LONGSHORE_BLOBS')
  if (url.startsWith('file:')) return diskBlobs(folder(url))
  if (!url.startsWith('s3://')) throw unknown('LONGSHORE_BLOBS', url, 's3://bucket or file:/folder')
  const { openS3 } = await import('./blobs/s3-client.ts')
  return openS3(url.slice('s3://'.length).replace(/\/$/, ''))
}

async function secretsOf(variables: Variables): Promise<SecretStore> {
  const url = required(variables, 'LONGSHORE_SECRETS')
  if (url.startsWith('file:')) return fileSecrets(folder(url))
  if (!url.startsWith('aws:')) throw unknown('LONGSHORE_SECRETS', url, 'aws:prefix or file:/folder')
  const { openSecretsManager } = await import('./secrets/aws-client.ts')
  return openSecretsManager(url.slice('aws:'.length))
}

async function eventsOf(variables: Variables): Promise<Events> {
  const url = required(variables, 'LONGSHORE_EVENTS')
  if (url === 'none') return { put: async () => {} }
  if (url.startsWith('file:')) return fileEvents(folder(url))
  if (!url.startsWith('bus:')) throw unknown('LONGSHORE_EVENTS', url, 'bus:name, file:/path or none')
  const { openBus } = await import('./events/bus-client.ts')
  return openBus(url.slice('bus:'.length))
}
