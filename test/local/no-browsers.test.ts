import { expect, test } from 'vitest'
import { startDynamo } from '../../lib/local/dynamo.ts'
import { startSqs } from '../../lib/local/sqs/server.ts'

const asked = async (endpoint: string, target: string, headers: Record<string, string>, method = 'POST') => {
  const answer = await fetch(endpoint, {
    method,
    headers: {
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': target,
      authorization:
        'AWS4-HMAC-SHA256 Credential=x/20261130/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=x',
      'x-amz-date': '20261130T000000Z',
      ...headers,
    },
    ...(method === 'POST' ? { body: '{}' } : {}),
  })
  return [answer.status, answer.headers.get('access-control-allow-origin')]
}

test.each([
  ['DynamoDB', startDynamo, 'DynamoDB_20120810.ListTables'],
  ['SQS', startSqs, 'AmazonSQS.ListQueues'],
])('no page of a web site may use the embedded %s, not even by asking first', async (_, start, target) => {
  const { endpoint, close } = await start()
  try {
    const origin = { origin: 'http://evil.example' }
    expect(await asked(endpoint, target, {})).toEqual([200, null])
    expect(await asked(endpoint, target, origin)).toEqual([403, null])
    expect(await asked(endpoint, target, { ...origin, 'access-control-request-method': 'POST' }, 'OPTIONS')).toEqual([
      403,
      null,
    ])
  } finally {
    await close()
  }
})
