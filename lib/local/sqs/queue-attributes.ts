/** The attributes a queue can be given: which there are, their ranges and their defaults (SetQueueAttributes). */
import { invalidParameter, SqsError } from './errors.ts'

export type QueueAttributes = Readonly<Record<string, string>>

type Rule =
  | { from: number; to: number; value: string }
  | { oneOf: string[]; fifo?: true }
  | { json: true }
  | { any: true }

const FLAG = ['true', 'false']

/** Ranges and defaults: the reference of SetQueueAttributes; 1 MiB messages since 2025. */
const RULES: Readonly<Record<string, Rule>> = {
  DelaySeconds: { from: 0, to: 900, value: '0' },
  MaximumMessageSize: { from: 1024, to: 1_048_576, value: '1048576' },
  MessageRetentionPeriod: { from: 60, to: 1_209_600, value: '345600' },
  ReceiveMessageWaitTimeSeconds: { from: 0, to: 20, value: '0' },
  VisibilityTimeout: { from: 0, to: 43_200, value: '30' },
  KmsDataKeyReusePeriodSeconds: { from: 60, to: 86_400, value: '300' },
  SqsManagedSseEnabled: { oneOf: FLAG },
  KmsMasterKeyId: { any: true },
  Policy: { json: true },
  RedrivePolicy: { json: true },
  RedriveAllowPolicy: { json: true },
  FifoQueue: { oneOf: ['true'], fifo: true },
  ContentBasedDeduplication: { oneOf: FLAG, fifo: true },
  DeduplicationScope: { oneOf: ['messageGroup', 'queue'], fifo: true },
  FifoThroughputLimit: { oneOf: ['perQueue', 'perMessageGroupId'], fifo: true },
}

/** Attributes that are computed and can only be read. */
const READ_ONLY = [
  'QueueArn',
  'ApproximateNumberOfMessages',
  'ApproximateNumberOfMessagesNotVisible',
  'ApproximateNumberOfMessagesDelayed',
  'CreatedTimestamp',
  'LastModifiedTimestamp',
] as const

export const isAttributeName = (name: string): boolean =>
  Object.hasOwn(RULES, name) || (READ_ONLY as readonly string[]).includes(name)

/** What a queue has when nobody says otherwise. */
export function defaultAttributes(fifo: boolean): Record<string, string> {
  const attributes: Record<string, string> = { SqsManagedSseEnabled: 'true' }
  for (const [name, rule] of Object.entries(RULES)) if ('value' in rule) attributes[name] = rule.value
  delete attributes.KmsDataKeyReusePeriodSeconds
  if (!fifo) return attributes
  return {
    ...attributes,
    FifoQueue: 'true',
    ContentBasedDeduplication: 'false',
    DeduplicationScope: 'queue',
    FifoThroughputLimit: 'perQueue',
  }
}

/** Throws InvalidAttributeName or InvalidAttributeValue (InvalidParameterValue for JSON), as the service does. */
export function checkAttributes(attributes: QueueAttributes, fifo: boolean): void {
  for (const [name, value] of Object.entries(attributes)) {
    const rule = Object.hasOwn(RULES, name) ? RULES[name] : undefined
    if (!rule || ('fifo' in rule && !fifo)) throw new SqsError('InvalidAttributeName', `Unknown Attribute ${name}.`)
    if ('json' in rule && value !== '') parseJson(name, value)
    const bad =
      ('from' in rule && !(/^\d+$/.test(value) && Number(value) >= rule.from && Number(value) <= rule.to)) ||
      ('oneOf' in rule && !rule.oneOf.includes(value))
    if (bad) throw new SqsError('InvalidAttributeValue', `Invalid value for the parameter ${name}.`)
  }
}

function parseJson(name: string, value: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(value)
    if (typeof parsed === 'object' && parsed !== null) return parsed as Record<string, unknown>
  } catch {
    // told below, together with JSON that is no object
  }
  throw invalidParameter(name, value, 'Policy is not valid JSON.')
}

export interface Redrive {
  deadLetterTargetArn: string
  maxReceiveCount: number
}

/** The redrive policy, with the number that some tools write as text; undefined when there is none. */
export function readRedrive(attributes: QueueAttributes): Redrive | undefined {
  const text = attributes.RedrivePolicy
  if (!text) return undefined
  const policy = parseJson('RedrivePolicy', text)
  const maxReceiveCount = Number(policy.maxReceiveCount)
  const { deadLetterTargetArn } = policy
  if (typeof deadLetterTargetArn !== 'string' || deadLetterTargetArn === '')
    throw invalidParameter(
      'RedrivePolicy',
      text,
      'Redrive policy does not contain mandatory attribute: deadLetterTargetArn.',
    )
  if (!Number.isInteger(maxReceiveCount) || maxReceiveCount < 1 || maxReceiveCount > 1000)
    throw invalidParameter('RedrivePolicy', text, 'Invalid value for maxReceiveCount: must be from 1 to 1000.')
  return { deadLetterTargetArn, maxReceiveCount }
}
