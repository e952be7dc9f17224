/** Tables and queues of serverless.yml, made in the embedded servers: so the file itself is run at every start. */
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { CreateQueueCommand, GetQueueAttributesCommand, type SQSClient } from '@aws-sdk/client-sqs'
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { createTable } from './dynamo.ts'

export interface Resource {
  Type: string
  Properties: { [name: string]: unknown }
}
export type Resources = { [logicalId: string]: Resource }

const ofType = (resources: Resources, type: string): [string, Resource][] =>
  Object.entries(resources).filter(([, resource]) => resource.Type === type)

/** Name of the one table; created when it is not there. */
export async function makeTable(resources: Resources, client: DynamoDBClient): Promise<string> {
  const [table] = ofType(resources, 'AWS::DynamoDB::Table')
  const name = table?.[1].Properties.TableName
  if (typeof name !== 'string') throw new LongshoreError('config-invalid', 'serverless.yml names no table')
  await createTable(client, name)
  return name
}

/** Queue names by logical id; dead-letter queues come first, because redrive policies name them. */
export async function makeQueues(
  resources: Resources,
  client: SQSClient,
  limits: Pick<Limits, 'functionTimeoutSeconds'>,
): Promise<Map<string, string>> {
  const arns = new Map<string, string>()
  const names = new Map<string, string>()
  const queues = ofType(resources, 'AWS::SQS::Queue')
  const isSource = ([, { Properties }]: [string, Resource]) => Properties.RedrivePolicy !== undefined
  for (const [id, { Properties }] of [...queues.filter((queue) => !isSource(queue)), ...queues.filter(isSource)]) {
    const name = String(Properties.QueueName)
    const { QueueUrl } = await client.send(
      new CreateQueueCommand({ QueueName: name, Attributes: attributesOf(Properties, arns, limits) }),
    )
    const answer = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }))
    arns.set(id, answer.Attributes?.QueueArn ?? '')
    names.set(id, name)
  }
  return names
}

/** "Set the source queue's visibility timeout to at least six times the timeout of your function" (AWS Lambda with SQS). */
const VISIBILITY_PER_TIMEOUT = 6

function attributesOf(
  properties: Resource['Properties'],
  arns: Map<string, string>,
  { functionTimeoutSeconds }: Pick<Limits, 'functionTimeoutSeconds'>,
): Record<string, string> {
  const attributes: Record<string, string> = {}
  for (const name of ['VisibilityTimeout', 'MessageRetentionPeriod', 'ReceiveMessageWaitTimeSeconds', 'DelaySeconds'])
    if (properties[name] !== undefined) attributes[name] = String(properties[name])
  const visibility = Math.min(Number(attributes.VisibilityTimeout), VISIBILITY_PER_TIMEOUT * functionTimeoutSeconds)
  if (attributes.VisibilityTimeout !== undefined) attributes.VisibilityTimeout = String(visibility)
  const redrive = properties.RedrivePolicy as { deadLetterTargetArn?: unknown; maxReceiveCount?: number } | undefined
  if (redrive) {
    const deadLetterTargetArn = arns.get(logicalIdOf(redrive.deadLetterTargetArn))
    attributes.RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: redrive.maxReceiveCount })
  }
  return attributes
}

/** The logical id in `!GetAtt Queue.Arn`. */
export function logicalIdOf(intrinsic: unknown): string {
  const value = (intrinsic as { 'Fn::GetAtt'?: string | string[] } | undefined)?.['Fn::GetAtt']
  return (Array.isArray(value) ? value[0] : value?.split('.')[0]) ?? ''
}
