/** From a Lambda event to the handlers of `job/`: batches with partial answers, and what an invocation knows of itself. */
import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda'
import type { Invocation } from './job/environment.ts'
import type { Verdict } from './job/verdict.ts'

/** Of one invocation. `timeoutMs` is what was left at its start. */
export function invocationOf(context: Pick<Context, 'awsRequestId' | 'getRemainingTimeInMillis'>): Invocation {
  return {
    requestId: context.awsRequestId,
    remainingMs: () => context.getRemainingTimeInMillis(),
    timeoutMs: context.getRemainingTimeInMillis(),
    stopFlags: new Map(),
  }
}

/** One message after the other, each claimed right before it runs; only those that must come again are answered. */
export async function consume(
  event: SQSEvent,
  handle: (message: { messageId: string; body: string }) => Promise<Verdict>,
): Promise<SQSBatchResponse> {
  const batchItemFailures: SQSBatchResponse['batchItemFailures'] = []
  for (const { messageId, body } of event.Records)
    if ((await handle({ messageId, body })) === 'return') batchItemFailures.push({ itemIdentifier: messageId })
  return { batchItemFailures }
}
