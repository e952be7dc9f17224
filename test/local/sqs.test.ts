import { embedded } from '../queue/sqs-protocol/world.ts'
import { sqsProtocol } from '../queue/sqs-protocol.ts'

sqsProtocol(embedded)
