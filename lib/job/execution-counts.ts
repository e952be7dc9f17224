/** The children of an execution, counted, and what their counts say about it. Nothing of it is stored while it runs. */
import type { Limits } from '../config.ts'
import { STATUSES } from '../glossary.ts'
import { COUNT_LIMIT_MAX } from '../store/port.ts'
import type { Environment } from './environment.ts'
import type { ExecutionRecord, ExecutionStatus, StatusCounts } from './execution-record.ts'
import { childrenPartition, MEMBER_SHARDS, STATUS_LETTERS, SUPERSEDED_LETTER } from './keys.ts'
import { isTerminal } from './record.ts'

const LETTERS = [...Object.values(STATUS_LETTERS), SUPERSEDED_LETTER].sort()

/**
 * Children by status, from the index. Eventually consistent, exact when nothing moves. What moves between the counts of two
 * statuses may be in neither: before nothing is said to be open, all are counted together, and who was missed is running.
 */
export async function countChildren(
  execution: Pick<ExecutionRecord, 'tenant' | 'id'>,
  env: Pick<Environment, 'store'>,
): Promise<StatusCounts> {
  const counted = await Promise.all(STATUSES.map((status) => countLetters([STATUS_LETTERS[status]], execution, env)))
  const counts = Object.fromEntries(STATUSES.map((status, n) => [status, counted[n]])) as StatusCounts
  counts.total = counted.reduce((sum, count) => sum + count, 0)
  if (openCount(counts) > 0) return counts
  const missed = Math.max(0, (await countAll(execution, env)) - counts.total)
  counts.running += missed
  counts.total += missed
  return counts
}

/** All children, whatever their status; a successor stands for the one it was retried from. */
export async function countAll(
  execution: Pick<ExecutionRecord, 'tenant' | 'id'>,
  env: Pick<Environment, 'store'>,
): Promise<number> {
  const [all, superseded] = await Promise.all([
    countLetters([LETTERS[0]!, LETTERS.at(-1)!], execution, env),
    countLetters([SUPERSEDED_LETTER], execution, env),
  ])
  return all - superseded
}

/** Children whose letter is this one, or in this range: all of them, as a bound would make the counts of a status wrong. */
async function countLetters(
  [from, to = from]: readonly [from: string, to?: string],
  { tenant, id }: Pick<ExecutionRecord, 'tenant' | 'id'>,
  { store }: Pick<Environment, 'store'>,
): Promise<number> {
  const shards = await Promise.all(
    Array.from({ length: MEMBER_SHARDS }, (_, shard) =>
      store.count({
        index: 'members',
        pk: childrenPartition(tenant, id, shard),
        from: `${from}#`,
        to: `${to}#~`,
        limit: COUNT_LIMIT_MAX,
      }),
    ),
  )
  return shards.reduce((sum, count) => sum + count, 0)
}

/**
 * When the index shows every child at the latest, of an execution whose listing is over or was stopped. A page that was being
 * submitted when the stop came may still show up; a listing that failed or handed over just before holds no lease any more,
 * but has noted when.
 */
export const shownAt = ({ listedAt = 0, lease, sentAt = 0 }: ExecutionRecord, limits: Limits): number =>
  Math.max(listedAt, lease, sentAt) + limits.eventSettleSeconds * 1000

export const openCount = (counts: StatusCounts): number =>
  STATUSES.filter((status) => !isTerminal(status)).reduce((sum, status) => sum + counts[status], 0)

/** What the counts say about an execution that has not been closed yet. */
export function statusOf(execution: ExecutionRecord, counts: StatusCounts): ExecutionStatus {
  if (execution.status !== 'running') return execution.status
  const waiting = openCount(counts) - counts.running
  // A flag decides what waits, and what was not listed yet; one that came when all had ended decides nothing.
  const cut = waiting > 0 || execution.fanOut !== 'done'
  const flagged = execution.stop ? 'stopped' : execution.cancel && (cut || counts.canceled > 0) ? 'canceled' : undefined
  if (openCount(counts) > 0) return flagged && counts.running === 0 ? flagged : 'running'
  if (flagged) return flagged
  if (execution.fanOut !== 'done') return 'running'
  return counts.error + execution.unresolved > 0 || execution.error ? 'error' : 'success'
}
