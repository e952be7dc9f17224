/**
 * What a person sets for the local run (design section 9): LONGSHORE_PORT (3000), LONGSHORE_DEMO_PORTS (5001,5002),
 * LONGSHORE_DEMO=off, LONGSHORE_DATA (.longshore), LONGSHORE_ADVISORIES, LONGSHORE_ENRICHMENT, LONGSHORE_REGISTRIES,
 * LONGSHORE_TICK_SECONDS (60), LONGSHORE_WORKER_PROCESSES (0: the pools run in the service's own process), AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL_SQS.
 */
import { resolve } from 'node:path'
import { LongshoreError } from '../errors.ts'
import { type RegistryInput, readRegistries } from '../oci/objects.ts'

export interface Settings {
  port: number
  /** Absent with LONGSHORE_DEMO=off. */
  demoPorts?: [number, number]
  dataDir: string
  /** A folder or URL of `<Ecosystem>/all.zip`; absent: the bundled demo advisories. */
  advisories?: string
  enrichment?: string
  /** Of LONGSHORE_REGISTRIES; empty when it is not set. */
  registries: RegistryInput[]
  defaultRegistry?: string
  tickSeconds: number
  /** How many processes the worker pools are spread over; 0: they run in this one. */
  workerProcesses: number
  dynamoEndpoint?: string
  sqsEndpoint?: string
}

type Variables = Record<string, string | undefined>

/** Throws `config-invalid` naming the variable and its value. */
export function readSettings(env: Variables): Settings {
  const demoOff = env.LONGSHORE_DEMO?.toLowerCase() === 'off'
  if (env.LONGSHORE_DEMO && !demoOff && env.LONGSHORE_DEMO.toLowerCase() !== 'on')
    throw new LongshoreError('config-invalid', `LONGSHORE_DEMO=${env.LONGSHORE_DEMO} is neither "on" nor "off"`)
  const ports = (env.LONGSHORE_DEMO_PORTS || '5001,5002').split(',')
  if (ports.length !== 2)
    throw new LongshoreError(
      'config-invalid',
      `LONGSHORE_DEMO_PORTS=${env.LONGSHORE_DEMO_PORTS} must be two ports, e.g. 5001,5002`,
    )
  const path = (value: string) => (/^https?:/.test(value) ? value : resolve(value))
  const optional = (name: string, key: keyof Settings, map = (value: string) => value) =>
    env[name] ? { [key]: map(env[name]) } : {}
  const port = numberOf('LONGSHORE_PORT', env.LONGSHORE_PORT || '3000', 1, 65_535)
  const demoPorts = ports.map((text) => numberOf('LONGSHORE_DEMO_PORTS', text, 1, 65_535)) as [number, number]
  if (!demoOff && new Set([port, ...demoPorts]).size < 3)
    throw new LongshoreError(
      'config-invalid',
      `LONGSHORE_PORT=${port} and LONGSHORE_DEMO_PORTS=${demoPorts} must be three different ports`,
    )
  return {
    port,
    ...(demoOff ? {} : { demoPorts }),
    dataDir: resolve(env.LONGSHORE_DATA || '.longshore'),
    tickSeconds: numberOf('LONGSHORE_TICK_SECONDS', env.LONGSHORE_TICK_SECONDS || '60', 1, 3_600),
    workerProcesses: numberOf('LONGSHORE_WORKER_PROCESSES', env.LONGSHORE_WORKER_PROCESSES || '0', 0, 16),
    ...optional('LONGSHORE_ADVISORIES', 'advisories', path),
    ...optional('LONGSHORE_ENRICHMENT', 'enrichment', path),
    registries: readRegistries(env.LONGSHORE_REGISTRIES, true),
    ...optional('LONGSHORE_DEFAULT_REGISTRY', 'defaultRegistry'),
    ...optional('AWS_ENDPOINT_URL_DYNAMODB', 'dynamoEndpoint'),
    ...optional('AWS_ENDPOINT_URL_SQS', 'sqsEndpoint'),
  }
}

function numberOf(name: string, text: string, min: number, max: number): number {
  const value = Number(text.trim())
  if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max)
    throw new LongshoreError('config-invalid', `${name}=${text} is not a whole number from ${min} to ${max}`)
  return value
}
