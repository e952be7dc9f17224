/**
 * How long a call of AWS may take, the same for every client: one that hangs must not eat a worker's time, nor land later
 * than the rest of the protocol reckons with. Without `throwOnRequestTimeout` the SDK only warns and goes on waiting.
 */

/** One call and its repetitions by the SDK, told to each client so that no default of a new version changes the sum. */
const TRIES = 3
/** DynamoDB, SQS, EventBridge and Secrets Manager answer within milliseconds. */
const ANSWER_MS = 5_000
/** Before a repetition, after a throttled one too (SDK: 500 ms, then 1 s, with jitter). */
const PAUSE_MS = 2_000

/** A write lands so much later than its stamp at most: all tries used up, and a pause after each. */
export const WRITE_LATE_SECONDS = (TRIES * (ANSWER_MS + PAUSE_MS)) / 1000

const requestHandler = {
  connectionTimeout: 2_000,
  /** From the first byte of the request to the headers of the answer. */
  requestTimeout: ANSWER_MS,
  throwOnRequestTimeout: true,
  /** Of silence on the socket: the body of an answer may stand still, too. */
  socketTimeout: ANSWER_MS,
  httpAgent: { maxSockets: 256 },
  httpsAgent: { maxSockets: 256 },
}

/** For calls whose requests and answers are small. */
export const awsCalls = { maxAttempts: TRIES, requestHandler }

/**
 * For the bucket: a revision's file of 100 MB may take its time as long as bytes flow. Three tries that stand still end
 * within 26 s, less than what a worker keeps for its hand-over.
 */
export const awsTransfers = {
  maxAttempts: TRIES,
  requestHandler: { ...requestHandler, requestTimeout: 60_000, socketTimeout: 8_000 },
}
