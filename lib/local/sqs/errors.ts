/** The errors of SQS as they go over the wire, with the code of the old Query protocol that SDKs still hand out. */
interface Row {
  /** Code of the Query protocol, sent in the header `x-amzn-query-error`. */
  query: string
  status: number
  namespace?: string
}

const SIMPLE = 'AWS.SimpleQueueService'

/** Codes and statuses: the error shapes of the SQS service model. */
const ROWS = {
  BatchEntryIdsNotDistinct: { query: `${SIMPLE}.BatchEntryIdsNotDistinct`, status: 400 },
  BatchRequestTooLong: { query: `${SIMPLE}.BatchRequestTooLong`, status: 400 },
  EmptyBatchRequest: { query: `${SIMPLE}.EmptyBatchRequest`, status: 400 },
  InvalidAddress: { query: 'InvalidAddress', status: 404 },
  InvalidAttributeName: { query: 'InvalidAttributeName', status: 400 },
  InvalidAttributeValue: { query: 'InvalidAttributeValue', status: 400 },
  InvalidBatchEntryId: { query: `${SIMPLE}.InvalidBatchEntryId`, status: 400 },
  InvalidMessageContents: { query: 'InvalidMessageContents', status: 400 },
  InvalidParameterValueException: {
    query: 'InvalidParameterValue',
    status: 400,
    namespace: 'com.amazon.coral.service',
  },
  MissingRequiredParameterException: {
    query: 'MissingParameter',
    status: 400,
    namespace: 'com.amazon.coral.service',
  },
  SerializationException: { query: 'MalformedInput', status: 400, namespace: 'com.amazon.coral.service' },
  InternalFailure: { query: 'InternalFailure', status: 500, namespace: 'com.amazon.coral.service' },
  MessageNotInflight: { query: `${SIMPLE}.MessageNotInflight`, status: 400 },
  OverLimit: { query: 'OverLimit', status: 403 },
  PurgeQueueInProgress: { query: `${SIMPLE}.PurgeQueueInProgress`, status: 403 },
  QueueDoesNotExist: { query: `${SIMPLE}.NonExistentQueue`, status: 400 },
  QueueNameExists: { query: 'QueueAlreadyExists', status: 400 },
  ReceiptHandleIsInvalid: { query: 'ReceiptHandleIsInvalid', status: 404 },
  ResourceNotFoundException: { query: 'ResourceNotFoundException', status: 404 },
  TooManyEntriesInBatchRequest: { query: `${SIMPLE}.TooManyEntriesInBatchRequest`, status: 400 },
  UnsupportedOperation: { query: `${SIMPLE}.UnsupportedOperation`, status: 400 },
} as const satisfies Record<string, Row>

export type SqsErrorName = keyof typeof ROWS

/** What an action throws when the caller is to blame (and `InternalFailure` when we are). */
export class SqsError extends Error {
  readonly code: SqsErrorName

  constructor(code: SqsErrorName, message: string) {
    super(message)
    this.name = 'SqsError'
    this.code = code
  }

  get row(): Row {
    return ROWS[this.code]
  }

  /** The value of `x-amzn-query-error`. */
  get queryError(): string {
    return `${this.row.query};${this.row.status < 500 ? 'Sender' : 'Receiver'}`
  }

  /** The body of the answer. */
  get body(): string {
    return JSON.stringify({
      __type: `${this.row.namespace ?? 'com.amazonaws.sqs'}#${this.code}`,
      message: this.message,
    })
  }
}

/** In the words of the service, which name the value, the parameter and the reason. */
export function invalidParameter(parameter: string, value: unknown, reason: string): SqsError {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'null')
  const shown = text.length > 200 ? `${text.slice(0, 200)}...` : text
  return new SqsError(
    'InvalidParameterValueException',
    `Value ${shown} for parameter ${parameter} is invalid. Reason: ${reason}`,
  )
}
