/** The life of a job: leases, retries, the sweep, logs. */
import { WRITE_LATE_SECONDS } from './aws-calls.ts'
import { limit } from './limit.ts'

/** Two clocks of ours differ by this at most; Lambda keeps them within milliseconds, the self-check tells when they do not. */
const CLOCK_SKEW_MS = 5_000
/** What the index shows follows the table within a second; half a minute is what a bad day of DynamoDB is given. */
export const INDEX_LAG_SECONDS = 29
/**
 * What has ended shows in the index, in the order of its times, after: the write that took all its tries, stamped by a clock
 * that was behind, read by one that is ahead, and the lag of the index. Less would pass over an event for ever.
 */
const SETTLE_SECONDS = WRITE_LATE_SECONDS + (2 * CLOCK_SKEW_MS) / 1000 + INDEX_LAG_SECONDS

export const JOB_LIMITS = {
  leaseMarginSeconds: limit(
    60,
    0,
    900,
    'Lambda kills at a known instant; the margin covers clock skew and writes still on the way.',
  ),
  handOverMs: limit(
    60_000,
    100,
    600_000,
    'Time kept at the end of an invocation to checkpoint and hand over; at most 20 % of the timeout.',
  ),
  maxAttempts: limit(5, 1, 100, 'Attempts that ended by crash or transient error before the job ends as error.'),
  retryBaseSeconds: limit(10, 0, 3_600, 'First backoff; doubles with full jitter.'),
  retryMaxSeconds: limit(3_600, 1, 86_400, 'Backoff cap: an hour outlives a registry deployment.'),
  hopsMax: limit(200, 1, 100_000, 'Continuations of one job: 200 invocations of 15 minutes are two days.'),
  stallsMax: limit(
    3,
    1,
    1_000,
    'Continuations in a row without any progress before the job says that it stands still.',
  ),
  snoozesMax: limit(
    1_000,
    1,
    1_000_000,
    'A job that was put off a thousand times waits for something that never comes.',
  ),
  throttlesMax: limit(500, 1, 1_000_000, 'Parked by 429 five hundred times: the registry will not serve this job.'),
  deadLettersMax: limit(3, 1, 100, 'Dead letters without a claim between, before the message counts as poison.'),
  redriveBatchMax: limit(
    100,
    1,
    1_000,
    'Dead letters that one request moves back: ten receives, sends and deletes each stay far under the 30 s of HTTP API.',
  ),
  resendBatchMax: limit(500, 1, 10_000, 'Re-sends per sweep: a long queue is never flooded.'),
  sweepPageMax: limit(
    1_000,
    10,
    1_000,
    'Records one sweep looks at per shard, at most what a query gives; the rest waits for the next minute.',
  ),
  eventSettleSeconds: limit(
    SETTLE_SECONDS,
    0,
    900,
    'Events are handed over, and executions closed or retried, this long after the end so that none is passed over: a write lands 21 s late at most (three tries), two clocks differ by 5 s each, an index lags for up to 29 s.',
  ),
  emptyQueueSeconds: limit(
    30,
    0,
    900,
    'A queue that tells that it is empty so long after a send has lost the message: its counts are approximate for some seconds.',
  ),
  stopPollMs: limit(2_000, 10, 60_000, 'A stop takes effect within 5 s: one poll and one abort.'),
  progressWriteSeconds: limit(5, 0, 300, 'At most one progress write in this time; short jobs write none.'),
  tickSeconds: limit(
    60,
    1,
    3_600,
    'How often schedule and sweep are called: each minute by serverless.yml, as set here locally. A self-check counts in it.',
  ),
  functionTimeoutSeconds: limit(
    900,
    1,
    900,
    'Longest life of a function (Lambda ends it at 15 minutes). serverless.yml says less for most; locally, as set here, it bounds all workers and ticks, and a message is hidden for at most six times as long.',
  ),
  clockSkewMsMax: limit(
    CLOCK_SKEW_MS,
    1_000,
    900_000,
    'Clocks that differ by more could pass over an event (eventSettleSeconds pays for twice this) or take a living lease for dead (leaseMarginSeconds); Lambda keeps them within milliseconds.',
  ),
  waitingSecondsMax: limit(
    900,
    1,
    86_400,
    'A job that a person waits for has waited too long after 15 minutes, as the alarm on the age of its queue says.',
  ),
  logPartBytesMax: limit(65_536, 1_024, 1_048_576, 'A log part is flushed at this size or after logFlushMs.'),
  logFlushMs: limit(1_000, 10, 60_000, 'A reader sees a line a second after it was written.'),
  logWaitMs: limit(
    3_000,
    10,
    60_000,
    'The end of a run waits no longer for the last part of its log: a bucket that hangs delays no job.',
  ),
  logBytesMax: limit(1_048_576, 4_096, 67_108_864, 'Per run; after that one line says that the log was cut.'),
  recordBytesMax: limit(16_384, 1_024, 400_000, 'A job record is meant to fit 1 KB (1 WRU); DynamoDB refuses 400 KB.'),
  messageImagesMax: limit(
    500,
    1,
    500,
    'Images to be matched anew that one message names: 37 KB of digests, two or three seconds of work.',
  ),
  historyDays: limit(
    90,
    15,
    3_650,
    'Terminal records expire after this; not less than the 14 days a message may live, or a late message would find no record.',
  ),
} as const
