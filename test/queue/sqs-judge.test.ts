import { describe, it } from 'vitest'
import { endpoint } from './sqs-protocol/world.ts'
import { sqsProtocol } from './sqs-protocol.ts'

const url = process.env.AWS_ENDPOINT_URL_SQS

if (url) sqsProtocol(endpoint(url))
else
  describe('another SQS as the judge', () => {
    it.skip('set AWS_ENDPOINT_URL_SQS to hold the protocol tests against it', () => {})
  })
