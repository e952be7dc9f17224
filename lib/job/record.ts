/** The job record: the truth about a job. Queue messages are hints, logs are extras; this decides. */
import type { ErrorCode } from '../errors.ts'
import type { Json, Lane, Side, Status, TerminalStatus } from '../glossary.ts'
import { TERMINAL_STATUSES } from '../glossary.ts'
import type { Item } from '../store/port.ts'
import type { Progress, ResolvedImage } from './define.ts'
import { type JobPlace, jobKey } from './keys.ts'

/**
 * Rises when a reader of the version before could not read what we write; readers take N and N-1, of jobs, executions
 * and policies alike. 2: an execution may be `retrying` or canceled, which a reader of 1 would take for ended; children
 * may be superseded by their retry; open jobs lie in partitions by kind. An item of 1 is read as it is: what it lacks is
 * optional, and its keys change with its next transition.
 */
export const RECORD_VERSION = 2

export interface JobError {
  code: ErrorCode
  message: string
  side?: Side
  retryable: boolean
}

/** Times are milliseconds since the epoch. Kept under 1 KB: one write unit per write. */
export interface JobRecord extends JobPlace {
  v: number
  lane: Lane
  status: Status
  /** A stop was asked while it ran. */
  stop?: boolean
  phase?: string
  /** As submitted. */
  params: { [name: string]: Json }
  image: ResolvedImage
  /** Runs that ended by crash or error. The attempt users see is `failures + attempting`. */
  failures: number
  /** 1 from a claim until its attempt ends by crash or error; a snooze or a continuation keeps it. */
  attempting: number
  maxAttempts: number
  /** Rises at every claim; only its holder writes. */
  fence: number
  /** Who claimed: a hash of request id and message id, so that a retried write knows itself. */
  claim?: string
  claimedAt?: number
  lease?: number
  dueAt?: number
  /** When a message was last sent, and when the sweep may send the next. Removed at the end, as `claimedAt` is. */
  sentAt: number
  nextSendAt: number
  sends: number
  startedAt?: number
  finishedAt?: number
  /** The claim whose finish was committed. */
  finishedBy?: string
  progress?: Progress
  checkpoint?: Json
  hops?: number
  /** Continuations in a row that brought nothing; see `stallsMax`. */
  stalls?: number
  snoozes?: number
  throttles?: number
  /** Dead letters since the claim with this fence. */
  deadLetters?: number
  deadLettersFence?: number
  result?: { [name: string]: Json }
  reportKey?: string
  error?: JobError
  /** What the last run said before it was put off or failed; shown until the job ends. */
  waitReason?: string
  /** It only looks back at what this job left behind. */
  followUpOf?: string
  retryOf?: string
  retriedBy?: string
  /** Of a child that a retry of its execution made: the how many-th (see `ExecutionRecord.generation`). */
  generation?: number
  /** Hash of the request, to tell a repeated one from a reused idempotency key. */
  requestHash?: string
  /** Random per submit call, so that a retried put knows itself. */
  submitToken?: string
  /** Sequence of the terminal event. */
  eventSequence?: number
  /** Seconds since the epoch: DynamoDB's TTL. Reads treat an expired record as absent. */
  expires?: number
}

/** The item of a record without its index keys. Tenant and id are told by the key alone: 38 bytes of each write. */
export function itemOfJob({ tenant, id, ...record }: JobRecord): Item {
  return { ...(record as unknown as Item), ...jobKey(tenant, id) }
}

/** The attributes of an item without its keys. Throws for a version that this code does not read. */
export function attributesOf(item: Item): { [name: string]: Json | undefined } {
  const version = item.v
  if (version !== RECORD_VERSION && version !== RECORD_VERSION - 1)
    throw new Error(
      `${item.pk}: record version ${String(version)} is neither ${RECORD_VERSION} nor ${RECORD_VERSION - 1}; deploy the newer code first`,
    )
  const { pk, sk, m_pk, m_sk, o_pk, o_sk, ...attributes } = item
  return attributes
}

/** Parses at the border: an item of another version or shape is an error of ours, never a silent default. */
export function jobOfItem(item: Item): JobRecord {
  const [, tenant, id] = item.pk.split('#')
  const record = attributesOf(item)
  record.tenant = tenant
  record.id = id
  return record as unknown as JobRecord
}

export const attemptOf = (job: JobRecord): number => job.failures + job.attempting

export const isTerminal = (status: Status): status is TerminalStatus =>
  (TERMINAL_STATUSES as readonly Status[]).includes(status)

export const isExpired = (item: { [name: string]: Json | undefined }, nowMs: number): boolean =>
  typeof item.expires === 'number' && item.expires * 1000 <= nowMs
