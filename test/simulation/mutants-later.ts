/** Flaws in what comes after a job's first run: continuations, executions that are retried, and whose they are. */
import { type Mutant, mutant } from './mutants.ts'

export const LATER_MUTANTS: readonly Mutant[] = [
  // Continuations (I6).
  mutant(
    'continuations that bring nothing have no end',
    'lib/job/settle.ts',
    'if (stalls >= limits.stallsMax)',
    'if (stalls < 0)',
    95,
  ),
  mutant(
    'every continuation counts as progress',
    'lib/job/settle.ts',
    '!isDeepStrictEqual(checkpoint, job.checkpoint) ||',
    'true ||',
    95,
  ),
  mutant(
    'one continuation more than allowed',
    'lib/job/settle.ts',
    '(job[why] ?? 0) >= max',
    '(job[why] ?? 0) > max',
    80,
  ),
  mutant(
    'a hand-over forgets its checkpoint',
    'lib/job/transitions.ts',
    'set: { ...(checkpoint === undefined ? {} : { checkpoint }), ...(stalls > 0',
    'set: { ...(stalls > 0',
    80,
  ),
  // Executions that are retried.
  mutant(
    'a retry begins whatever the execution has become',
    'lib/job/execution-retry.ts',
    'all(...same, ...unflagged)',
    "absent('nothing')",
    942,
  ),
  mutant(
    'a child leaves the count before its successor is there',
    'lib/job/children.ts',
    '  const left = new Map<JobRecord, unknown>()\n',
    '  const left = new Map<JobRecord, unknown>()\n  await supersede(children, execution, env)\n',
    16,
  ),
  mutant(
    'a retry that is cut by a stop leaves its page as it is',
    'lib/job/children.ts',
    'children.filter((child) => there.has(keyOf(child).pk)),',
    'children.filter(() => false),',
    994,
  ),
  mutant('a retried child stays in the count', 'lib/job/children.ts', ', m_sk: supersededKey(child) }', ' }', 16),
  mutant(
    'successors have random ids',
    'lib/job/children.ts',
    "idOf('child-retry', execution.tenant, execution.id, child.id)",
    "idOf('child-retry', execution.tenant, execution.id, child.id, String(execution.fence))",
    716,
  ),
  // Dead letters moved by hand.
  mutant(
    'a dead letter is taken away before it is sent',
    'lib/job/redrive.ts',
    '      await env.queue.send(home,',
    '      await env.queue.remove(queue, receipt)\n      await env.queue.send(home,',
    108,
  ),
  // Tenants (I15).
  mutant(
    'all children are of one tenant',
    'lib/job/children.ts',
    'const { tenant, generation = 0 } = execution',
    "const { generation = 0 } = execution\n  const tenant = 'main'",
    19,
  ),
  mutant(
    'all events are told to one tenant',
    'lib/job/event-cursor.ts',
    '    tenant: job.tenant,\n    data',
    "    tenant: 'main',\n    data",
    5,
  ),
  // Schedules.
  mutant(
    'a policy fires beside its own run',
    'lib/schedule/due.ts',
    'const skip = previous ?',
    'const skip = previous?.id === id ?',
    178,
  ),
  mutant(
    'the stop of an execution ends a run whose worker lives',
    'lib/job/claim.ts',
    "if (seen?.status === 'running' && isDead(seen, env)) await endDead",
    "if (seen?.status === 'running') await endDead",
    2119,
  ),
  mutant(
    'a child that begins and ends while its execution is counted is in no count',
    'lib/job/execution-counts.ts',
    'if (openCount(counts) > 0) return counts',
    'return counts',
    2255,
  ),
]
