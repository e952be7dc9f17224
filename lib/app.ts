/**
 * Configuration -> ports. Every function calls this once with the openers of what it needs and hands the result to its
 * one entry, so that no function bundles a client it never uses. The same variables choose the cloud's services and the
 * laptop's files; nothing below here knows which.
 *
 * LONGSHORE_TABLE                name of the table
 * LONGSHORE_QUEUE_PREFIX         URL of a queue = prefix + name
 * LONGSHORE_BLOBS                s3://bucket or file:/folder
 * LONGSHORE_SECRETS              aws:prefix or file:/folder
 * LONGSHORE_EVENTS               bus:name, file:/path or none
 * LONGSHORE_REGISTRIES           JSON list of registry objects
 * LONGSHORE_METRICS              namespace of the metrics; none are written without it
 * LONGSHORE_WORKERS_DEAD_BEFORE  milliseconds since the epoch, see Environment
 */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { SQSClient } from '@aws-sdk/client-sqs'
import type { openBlobs } from './blobs/open.ts'
import { systemClock } from './clock.ts'
import { readLimits } from './config.ts'
import { LongshoreError } from './errors.ts'
import type { openEvents } from './events/open.ts'
import type { Environment, JobTypes, Metrics, OperatorLog } from './job/environment.ts'
import { awsCalls } from './limits/aws-calls.ts'
import type { openRegistries } from './oci/open-registries.ts'
import type { Queue, QueueConsumer, QueueSetup } from './queue/port.ts'
import { sqsQueue } from './queue/sqs.ts'
import { systemRandom } from './random.ts'
import { dynamoStore } from './store/dynamo.ts'
import { requiredVariable, type Variables } from './variables.ts'

export interface AppOptions {
  types: JobTypes
  log: OperatorLog
  metrics?: Metrics | undefined
  blobs?: typeof openBlobs
  events?: typeof openEvents
  registries?: typeof openRegistries
  /** How long registry clients are kept; default 0: each run opens its own. */
  keepClientsMs?: number
}

/** Throws `config-invalid` naming the variable. */
export function createApp(
  variables: Variables,
  options: AppOptions,
): Environment & {
  queue: Queue & QueueConsumer & QueueSetup
  objects: () => ReturnType<typeof openRegistries>['objects']
} {
  const limits = readLimits(variables)
  const clock = systemClock
  const random = systemRandom
  const { types, log, metrics, keepClientsMs = 0 } = options
  const store = dynamoStore({
    client: new DynamoDBClient(awsCalls),
    table: requiredVariable(variables, 'LONGSHORE_TABLE'),
  })
  const prefix = requiredVariable(variables, 'LONGSHORE_QUEUE_PREFIX')
  const queue = sqsQueue({ client: new SQSClient(awsCalls), prefix })
  const registries = options.registries?.(variables, { store, limits, clock, random, keepClientsMs })
  return {
    store,
    queue,
    blobs: options.blobs?.(variables) ?? none('blobs'),
    events: options.events?.(variables) ?? none('events'),
    clock,
    random,
    limits,
    types,
    log,
    ...(metrics ? { metrics } : {}),
    registries: (tenant) => (registries ?? none<NonNullable<typeof registries>>('registries')).of(tenant),
    objects: () => (registries ?? none<NonNullable<typeof registries>>('registries')).objects,
    workersDeadBefore: Number(variables.LONGSHORE_WORKERS_DEAD_BEFORE ?? 0),
  }
}

/** A port this function was not given: touching it is a mistake of ours, told by name. */
function none<T extends object>(port: string): T {
  return new Proxy({} as T, {
    get(_, name) {
      throw new LongshoreError('config-invalid', `this function was not given ${port} (${String(name)})`)
    },
  })
}
