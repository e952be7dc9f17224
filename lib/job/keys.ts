/**
 * Keys and access patterns of the one table. No route reads by status alone: no partition gets hot by it.
 *
 * | item            | pk / sk                      | members index (m_pk / m_sk)                        | open index (o_pk / o_sk)        |
 * | job, by hand    | J#tenant#id / #              | M#tenant#type#yyyymmdd#0..3 / created#id           | O#type#0..15 / wake#id          |
 * | job of an exec. | J#tenant#id / #              | X#tenant#execution#0..3 / letter#created#id        | O#type-bulk#0..15 / wake#id     |
 * | running job     |                              | the same                                           | O#type-running#0..15 / lease#id |
 * | terminal job    |                              | the same                                           | E#0..15 / finished#id (outbox)  |
 * | execution       | X#tenant#id / #              | XM#tenant#yyyymm / created#id                      | O#execution#0..3 / wake#id      |
 * | policy          | P#tenant / id                |                                                    | O#policy#0..3 / nextRun#id      |
 * | registry        | R#tenant / host              |                                                    |                                 |
 * | exception       | V#tenant / name              |                                                    |                                 |
 * | tag claim       | G#tenant#registry/repository:tag / # |                                            |                                 |
 * | request budget  | B#tenant / host              |                                                    |                                 |
 * | retention       | C#retention / tenant         |                                                    |                                 |
 * | image           | I#tenant#digest / #          | IM#tenant#0..3 / first seen#digest                 | E#0..15 / changed#digest        |
 * | work lease      | L#name / #                   |                                                    |                                 |
 * | package index   | C#package-index / tenant     |                                                    |                                 |
 * | followed, marks | C#followed / #, C#marks / tenant#digest |                                         |                                 |
 * | event cursor    | C#events / shard             |                                                    |                                 |
 */
import type { Status } from '../glossary.ts'
import type { Key } from '../store/port.ts'
import { shardOf } from './id.ts'

export const OPEN_SHARDS = 16
export const MEMBER_SHARDS = 4
export const EXECUTION_SHARDS = 4

/** One letter per status, so that an execution's children are counted by status with plain range queries. */
export const STATUS_LETTERS: Record<Status, string> = {
  scheduled: 'd',
  pending: 'p',
  running: 'r',
  retrying: 'y',
  success: 's',
  error: 'e',
  stopped: 't',
  canceled: 'c',
}

/** In place of the letter of a child that its execution has retried: still listed, no longer counted. */
export const SUPERSEDED_LETTER = 'x'

/** Milliseconds as 13 digits: they sort as text until the year 2286. */
export const stamp = (ms: number): string => String(Math.max(0, Math.floor(ms))).padStart(13, '0')

/** yyyymmdd in UTC. */
export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10).replaceAll('-', '')

export const jobKey = (tenant: string, id: string): Key => ({ pk: `J#${tenant}#${id}`, sk: '#' })
export const executionKey = (tenant: string, id: string): Key => ({ pk: `X#${tenant}#${id}`, sk: '#' })
export const policyKey = (tenant: string, id: string): Key => ({ pk: `P#${tenant}`, sk: id })
export const retentionKey = (tenant: string): Key => ({ pk: 'C#retention', sk: tenant })
export const eventCursorKey = (shard: number): Key => ({ pk: 'C#events', sk: String(shard) })

export const jobListPartition = (tenant: string, type: string, day: string, shard: number): string =>
  `M#${tenant}#${type}#${day}#${shard}`
export const childrenPartition = (tenant: string, execution: string, shard: number): string =>
  `X#${tenant}#${execution}#${shard}`
export const executionListPartition = (tenant: string, month: string): string => `XM#${tenant}#${month}`
export const openPartition = (type: string, shard: number): string => `O#${type}#${shard}`
export const outboxPartition = (shard: number): string => `E#${shard}`

/** What identifies a job's place in the indexes; a queue message carries it, so that a claim needs no read. */
export interface JobPlace {
  tenant: string
  id: string
  type: string
  createdAt: number
  execution?: string
}

/** The members key at this status. Jobs submitted by hand keep theirs for life: a change of status costs no index write. */
export function memberKeys(job: JobPlace, status: Status): { m_pk: string; m_sk: string } {
  const suffix = `${stamp(job.createdAt)}#${job.id}`
  return job.execution
    ? {
        m_pk: childrenPartition(job.tenant, job.execution, shardOf(job.id, MEMBER_SHARDS)),
        m_sk: `${STATUS_LETTERS[status]}#${suffix}`,
      }
    : {
        m_pk: jobListPartition(job.tenant, job.type, dayOf(job.createdAt), shardOf(job.id, MEMBER_SHARDS)),
        m_sk: suffix,
      }
}

/**
 * What the sweep looks through one by one, so that a hundred thousand waiting children never stand before a dead lease
 * or before the job a person waits for.
 */
export const OPEN_KINDS = ['running', 'interactive', 'bulk'] as const
export type OpenKind = (typeof OPEN_KINDS)[number]

export const openJobsPartition = (type: string, kind: OpenKind, shard: number): string =>
  openPartition(kind === 'interactive' ? type : `${type}-${kind}`, shard)

/** Where the sweep finds the job: at `wakeAt` (the next send, or the end of the lease) something may be overdue. */
export const openKeys = (job: JobPlace, status: Status, wakeAt: number): { o_pk: string; o_sk: string } => {
  const kind = status === 'running' ? 'running' : job.execution ? 'bulk' : 'interactive'
  return {
    o_pk: openJobsPartition(job.type, kind, shardOf(job.id, OPEN_SHARDS)),
    o_sk: `${stamp(wakeAt)}#${job.id}`,
  }
}

/** The members key of a child that its retry stands for. */
export const supersededKey = (job: JobPlace): string => `${SUPERSEDED_LETTER}#${stamp(job.createdAt)}#${job.id}`

export const imagePartition = (tenant: string, digest: string): string => `I#${tenant}#${digest}`
export const imageListPartition = (tenant: string, shard: number): string => `IM#${tenant}#${shard}`

/** The place of an image in the list of a tenant: for life, so that only its first write costs an index write. */
export const imageKeys = (tenant: string, digest: string, shard: number, firstSeenAt: number) => ({
  m_pk: imageListPartition(tenant, shard % MEMBER_SHARDS),
  m_sk: `${stamp(firstSeenAt)}#${digest}`,
})

/** Where the sweep finds a terminal job whose event is to be handed over. */
export const outboxKeys = (id: string, finishedAt: number): { o_pk: string; o_sk: string } => ({
  o_pk: outboxPartition(shardOf(id, OPEN_SHARDS)),
  o_sk: `${stamp(finishedAt)}#${id}`,
})
