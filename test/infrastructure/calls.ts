/**
 * Which AWS actions a function needs, read from two bundles of it: the shipped one says which commands of the SDK are in
 * it (it cannot call more), a plain one says which methods of our ports its code calls (it needs no less).
 */
import { roomOf } from '../architecture/sources.ts'

const SERVICES: Record<string, string> = {
  'client-dynamodb': 'dynamodb',
  'client-sqs': 'sqs',
  'client-s3': 's3',
  'client-secrets-manager': 'secretsmanager',
  'client-eventbridge': 'events',
}

/** Where an action is not named like its operation. */
const RENAMED: Record<string, string> = {
  's3:ListObjectsV2': 's3:ListBucket',
  'sqs:SendMessageBatch': 'sqs:SendMessage',
}

const COMMAND = /@aws-sdk\/([^/]+)\/dist-es\/commands\/(\w+)Command\.js$/

/** Actions of the commands that are really in a bundle. */
export function actionsInBundle(inputs: { [path: string]: { bytesInOutput: number } }): Set<string> {
  const actions = new Set<string>()
  for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
    // The one call that we sign ourselves.
    if (path.endsWith('lib/oci/ecr.ts') && bytesInOutput > 0) actions.add('ecr:GetAuthorizationToken')
    const [, client = '', operation] = COMMAND.exec(path) ?? []
    if (!operation || bytesInOutput === 0) continue
    const action = `${SERVICES[client] ?? client}:${operation}`
    actions.add(RENAMED[action] ?? action)
  }
  return actions
}

/** Methods of the ports -> actions. Whoever reads a blob must be able to tell a missing one, see s3.ts. */
const PORTS: Record<string, Record<string, string[]>> = {
  store: {
    get: ['dynamodb:GetItem'],
    getMany: ['dynamodb:BatchGetItem'],
    put: ['dynamodb:PutItem'],
    update: ['dynamodb:UpdateItem'],
    delete: ['dynamodb:DeleteItem'],
    query: ['dynamodb:Query'],
    count: ['dynamodb:Query'],
  },
  queue: {
    send: ['sqs:SendMessage'],
    depth: ['sqs:GetQueueAttributes'],
    settings: ['sqs:GetQueueAttributes'],
    receive: ['sqs:ReceiveMessage'],
    remove: ['sqs:DeleteMessage'],
  },
  blobs: {
    get: ['s3:GetObject', 's3:ListBucket'],
    getRange: ['s3:GetObject', 's3:ListBucket'],
    put: ['s3:PutObject'],
    list: ['s3:ListBucket'],
    delete: ['s3:DeleteObject'],
  },
  secrets: {
    get: ['secretsmanager:GetSecretValue'],
    put: ['secretsmanager:CreateSecret', 'secretsmanager:PutSecretValue'],
    delete: ['secretsmanager:DeleteSecret'],
  },
  events: { put: ['events:PutEvents'] },
}

const CALL = /\b(store|queue|blobs|secrets|events)\.(\w+)\(/g

/** Code that comes along with an object whose other half is used; nobody but the API reaches it. */
const API_ONLY: Record<string, string[]> = {
  'lib/oci/objects.ts': [
    'dynamodb:PutItem',
    'dynamodb:Query',
    'dynamodb:DeleteItem',
    'secretsmanager:CreateSecret',
    'secretsmanager:PutSecretValue',
    'secretsmanager:DeleteSecret',
  ],
}

/** Actions behind the calls of our own code, in a bundle that is not minified: esbuild names each file before its code. */
export function actionsOfCode(name: string, code: string): Set<string> {
  const actions = new Set<string>()
  const parts = code.split(/^\/\/ (lib\/\S+|functions\/\S+)$/m).slice(1)
  for (let i = 0; i < parts.length; i += 2) {
    const [file = '', text = ''] = [parts[i], parts[i + 1]]
    if (['blobs', 'secrets', 'events', 'store', 'queue'].includes(roomOf(file))) continue
    for (const [, port = '', method = ''] of text.matchAll(CALL))
      for (const action of PORTS[port]?.[method] ?? [])
        if (name === 'api' || !API_ONLY[file]?.includes(action)) actions.add(action)
  }
  return actions
}
