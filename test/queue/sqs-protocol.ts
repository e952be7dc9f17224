/**
 * What SQS promises, as tests that any endpoint can be held against (local-stack §4). The embedded server must pass
 * all; another implementation is a judge of the tests: AWS_ENDPOINT_URL_SQS=http://127.0.0.1:5000 npx vitest run
 * test/queue/sqs-judge.test.ts
 */
import { deadLetterTests } from './sqs-protocol/dead-letters.ts'
import { groupTests } from './sqs-protocol/groups.ts'
import { longPollTests } from './sqs-protocol/long-polls.ts'
import { messageTests } from './sqs-protocol/messages.ts'
import { queueTests } from './sqs-protocol/queues.ts'
import { visibilityTests } from './sqs-protocol/visibility.ts'
import type { Place } from './sqs-protocol/world.ts'

export function sqsProtocol(place: Place): void {
  queueTests(place)
  messageTests(place)
  visibilityTests(place)
  longPollTests(place)
  deadLetterTests(place)
  groupTests(place)
}
