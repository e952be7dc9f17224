/** What a function's role allows, flat, and what is wrong with it. */
import { at, type Found, list, ofType, PREFIX, queueNamed, referredTo, type Template, type Value } from './template.ts'

export interface Grant {
  action: string
  resource: Value
}

/** Lambda itself does this with the role: it writes the function's output and polls its queues. */
export const OF_LAMBDA = {
  logs: ['logs:CreateLogStream', 'logs:PutLogEvents'],
  polling: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility', 'sqs:GetQueueAttributes'],
}

/** Whoever logs in to ECR then speaks the registry protocol, which ECR judges by these. */
export const OF_ECR = {
  login: 'ecr:GetAuthorizationToken',
  pull: [
    'ecr:BatchGetImage',
    'ecr:BatchCheckLayerAvailability',
    'ecr:GetDownloadUrlForLayer',
    'ecr:ListImages',
    'ecr:DescribeImages',
  ],
  push: ['ecr:PutImage', 'ecr:InitiateLayerUpload', 'ecr:UploadLayerPart', 'ecr:CompleteLayerUpload'],
}

export function roleOf(template: Template, lambda: Found): Found | undefined {
  const id = referredTo(lambda.properties.Role)
  return ofType(template, 'AWS::IAM::Role').find((role) => role.id === id)
}

export function grantsOf(role: Found): Grant[] {
  return list(role.properties.Policies)
    .flatMap((policy) => list(at(policy, 'PolicyDocument', 'Statement')))
    .flatMap((statement) =>
      list(at(statement, 'Action')).flatMap((action) =>
        list(at(statement, 'Resource')).map((resource) => ({ action: String(action), resource })),
      ),
    )
}

/** Stars where a name is possible, actions and resources alike. */
export function starProblems(grants: readonly Grant[]): string[] {
  return grants
    .filter(({ action, resource }) => action.includes('*') || (resource === '*' && action !== OF_ECR.login))
    .map(({ action, resource }) => `${action} on ${JSON.stringify(resource)}`)
}

/** The queues an action is allowed on, by name. */
export function queuesOf(template: Template, grants: readonly Grant[], action: string): string[] {
  const names = new Map(
    ofType(template, 'AWS::SQS::Queue').map(({ id, properties }) => [id, String(properties.QueueName)]),
  )
  return grants
    .filter((grant) => grant.action === action)
    .map(({ resource }) => names.get(referredTo(resource) ?? '')?.slice(PREFIX.length) ?? JSON.stringify(resource))
    .sort()
}

/** The queues a function consumes, by name. */
export function consumedBy(template: Template, lambda: Found): string[] {
  return ofType(template, 'AWS::Lambda::EventSourceMapping')
    .filter(({ properties }) => referredTo(properties.FunctionName) === lambda.id)
    .map(({ properties }) => template.Resources[referredTo(properties.EventSourceArn) ?? '']?.Properties.QueueName)
    .map((name) => String(name).slice(PREFIX.length))
    .filter((name) => queueNamed(template, name))
    .sort()
}
