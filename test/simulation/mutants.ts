/**
 * Flaws, each one line of the protocol changed, that the simulator must find: so that it cannot rot. `seed` is one that
 * finds it, known from a search (`MUTANTS=search npx vitest run test/simulation/mutants.test.ts`).
 */
import type { Mutation } from './bundle.ts'

export interface Mutant extends Mutation {
  name: string
  /** A history that finds it. */
  seed: number
}

const TRANSITIONS = 'lib/job/transitions.ts'
export const mutant = (name: string, file: string, find: string, replace: string, seed: number): Mutant => ({
  name,
  file,
  find,
  replace,
  seed,
})

export const MUTANTS: readonly Mutant[] = [
  // The conditions of the table.
  mutant(
    'a worker writes without its fence',
    TRANSITIONS,
    "all(eq('status', 'running'), eq('fence', fence), absent('stop'))",
    "all(eq('status', 'running'), absent('stop'))",
    28,
  ),
  mutant(
    'a worker writes over a stop',
    TRANSITIONS,
    "all(eq('status', 'running'), eq('fence', fence), absent('stop'))",
    "all(eq('status', 'running'), eq('fence', fence))",
    69,
  ),
  mutant(
    'the finish asks for nothing',
    TRANSITIONS,
    "{ name: 'finish', when: mine(fence), change",
    "{ name: 'finish', when: absent('nothing'), change",
    28,
  ),
  mutant(
    'the finish asks only for a running job',
    TRANSITIONS,
    "{ name: 'finish', when: mine(fence), change",
    "{ name: 'finish', when: eq('status', 'running'), change",
    69,
  ),
  mutant(
    'a failed attempt is written without the fence',
    TRANSITIONS,
    "{ name: 'fail', when: mine(fence), change",
    "{ name: 'fail', when: eq('status', 'running'), change",
    223,
  ),
  mutant(
    'a hand-over is written without the fence',
    TRANSITIONS,
    "name: 'handOver',\n    when: mine(fence),",
    "name: 'handOver',\n    when: eq('status', 'running'),",
    18,
  ),
  mutant(
    'progress is written without the fence',
    TRANSITIONS,
    "name: 'report',\n    when: all(eq('status', 'running'), eq('fence', fence)),",
    "name: 'report',\n    when: eq('status', 'running'),",
    672,
  ),
  mutant(
    'a claim takes what is running or has ended',
    TRANSITIONS,
    "when: all(from('claim'), any(absent('dueAt'), le('dueAt', by.now)))",
    "when: any(absent('dueAt'), le('dueAt', by.now))",
    11,
  ),
  mutant(
    'a claim does not wait until the job is due',
    TRANSITIONS,
    "when: all(from('claim'), any(absent('dueAt'), le('dueAt', by.now)))",
    "when: from('claim')",
    132,
  ),
  mutant(
    'a claim keeps the fence',
    TRANSITIONS,
    "add: { fence: 1 },\n      remove: ['dueAt', 'phase'],",
    "remove: ['dueAt', 'phase'],",
    1,
  ),
  mutant('a take-over looks at no lease', 'lib/job/claim.ts', "if (!isDead(seen, env)) return 'acknowledge'", '', 36),
  mutant('a take-over counts no attempt', 'lib/job/claim.ts', 'if (isAtItsEnd(seen)) {', 'if (seen.stop) {', 182),
  mutant(
    'a stop ends a job whatever it has become',
    TRANSITIONS,
    "{ name: 'stop', when: from('stop'), change",
    "{ name: 'stop', when: absent('nothing'), change",
    613,
  ),
  mutant(
    'a stop is asked of a job that has ended',
    TRANSITIONS,
    "{ name: 'askStop', when: eq('status', 'running'), change",
    "{ name: 'askStop', when: absent('nothing'), change",
    255,
  ),
  mutant(
    'a recovery forgets a stop',
    TRANSITIONS,
    "when: all(deadLease(seen), absent('stop')),\n    change: wait",
    'when: deadLease(seen),\n    change: wait',
    104,
  ),
  mutant(
    'a recovery does not ask whether the lease is still the one it saw',
    TRANSITIONS,
    "all(eq('status', 'running'), eq('fence', seen.fence), eq('lease', seen.lease))",
    "eq('status', 'running')",
    1007,
  ),
  mutant(
    'poison ends a job that was claimed meanwhile',
    TRANSITIONS,
    "{ name: 'poison', when: all(from('poison'), eq('fence', seenFence)), change",
    "{ name: 'poison', when: absent('nothing'), change",
    523,
  ),
  mutant(
    'a dead letter is counted whatever the job has become',
    TRANSITIONS,
    "when: all(eq('status', seen.status), eq('fence', seen.fence), eq('nextSendAt', seen.nextSendAt)),",
    "when: absent('nothing'),",
    194,
  ),
  mutant(
    'two dead letters at once are counted as one and sent as two',
    TRANSITIONS,
    "eq('fence', seen.fence), eq('nextSendAt', seen.nextSendAt)),",
    "eq('fence', seen.fence)),",
    194,
  ),
  mutant(
    'a message is sent again whatever the job has become',
    TRANSITIONS,
    "when: all(eq('status', seen.status), eq('nextSendAt', seen.nextSendAt), from('resend')),",
    "when: absent('nothing'),",
    2141,
  ),
  // The sweep.
  mutant(
    'the sweep passes over running jobs',
    'lib/job/sweep.ts',
    'if (leaseIsDead(job, env.clock.now(), env.workersDeadBefore)) await recover',
    'if (env.clock.now() < 0) await recover',
    1236,
  ),
  mutant(
    'the sweep takes every run for dead',
    'lib/job/sweep.ts',
    'if (leaseIsDead(job, env.clock.now(), env.workersDeadBefore)) await recover',
    'if (env.clock.now() > 0) await recover',
    1251,
  ),
  mutant(
    'the sweep leaves a dead run alone until its next tick',
    'lib/job/sweep.ts',
    'else if (endsBeforeNextTick(job, env))',
    'else if (env.clock.now() < 0)',
    1459,
  ),
  mutant(
    'the sweep never sends again',
    'lib/job/sweep.ts',
    'if (isOverdue(job, env)) return true',
    'if (job.nextSendAt <= 0) return true',
    825,
  ),
  mutant('attempts have no end', 'lib/job/recover.ts', 'attemptOf(job) >= job.maxAttempts', 'job.fence < 0', 1),
  mutant(
    'a recovered run is not counted',
    TRANSITIONS,
    'change: wait(job, w, { set: { attempting: 0 }, add: { failures: seen.attempting } }),\n  }\n}\n\n/** The sweeper: the run is dead and that',
    'change: wait(job, w, { set: { attempting: 0 } }),\n  }\n}\n\n/** The sweeper: the run is dead and that',
    187,
  ),
  mutant(
    'a send does not move the time of the next one',
    'lib/job/resend.ts',
    'nextSendAt: nextSendAt(job.sends + 1, now, job.dueAt) }',
    'nextSendAt: now }',
    85,
  ),
  mutant(
    'an empty queue is answered by ever more messages',
    'lib/job/sweep.ts',
    'settled && job.sends <= 2',
    'settled',
    81,
  ),
  mutant(
    'sends are not counted',
    TRANSITIONS,
    'add: { sends: 1 },\n    },\n  }\n}\n\n/** What a long run',
    '},\n  }\n}\n\n/** What a long run',
    137,
  ),
  // The worker.
  mutant(
    'a repeated claim does not know itself',
    'lib/job/claim.ts',
    "if (seen.status === 'running' && seen.claim === token) return seen",
    '',
    11,
  ),
  mutant(
    'a repeated take-over does not know itself',
    'lib/job/claim.ts',
    "if (now?.status === 'running' && now.claim === by.claim) return now",
    '',
    3880,
  ),
  mutant(
    'the message of an undue job is dropped',
    'lib/job/claim.ts',
    '  if (delay !== undefined) await env.queue.send(queueOf(seen.type',
    '  if (delay === -1) await env.queue.send(queueOf(seen.type',
    132,
  ),
  mutant(
    'the message of a job that became due meanwhile is dropped',
    'lib/job/claim.ts',
    '  if (delay !== undefined) await env.queue.send(queueOf(seen.type',
    '  if (delay !== undefined && delay > 0) await env.queue.send(queueOf(seen.type',
    6562,
  ),
  mutant(
    'a hand-over sends no message',
    'lib/job/settle.ts',
    '  if (delay !== undefined) await env.queue.send',
    '  if (delay === -1) await env.queue.send',
    1,
  ),
  mutant(
    'the stop of an execution is not looked at',
    'lib/job/claim.ts',
    'const halt = place.execution && (await haltOfParent(place.tenant, place.execution, env, invocation).catch(failed))',
    'const halt = place.execution && ((await haltOfParent(place.tenant, place.execution, env, invocation)) as never) && undefined',
    440,
  ),
  // Submit, stop, retry.
  mutant(
    'a repeated submission does not know itself',
    'lib/job/submit.ts',
    'return existing.submitToken === job.submitToken ? job : existing',
    'return existing',
    209,
  ),
  mutant(
    'a key names another job each time',
    'lib/job/submit.ts',
    "const id = idempotencyKey ? idOf('job', tenant, idempotencyKey) : newId(env.clock, env.random)",
    'const id = newId(env.clock, env.random)',
    146,
  ),
  mutant(
    'a retry makes another job each time',
    'lib/job/control.ts',
    "id: idOf('retry', tenant, id),",
    "id: idOf('retry', tenant, id, String(env.clock.now())),",
    555,
  ),
  mutant(
    'a stop is acknowledged and not written',
    'lib/job/control.ts',
    'const asked = await apply(env.store, job, transitions.askStop())',
    'const asked = job',
    36,
  ),
  // Events.
  mutant(
    'the cursor of the events moves on though they were not handed over',
    'lib/job/event-cursor.ts',
    'await env.events.put(events)\n',
    'await env.events.put(events).catch(() => {})\n',
    9,
  ),
  mutant(
    'events do not wait until the index has settled',
    'lib/job/event-cursor.ts',
    'env.limits.eventSettleSeconds * 1000',
    '0',
    89,
  ),
  // Executions and schedules.
  mutant(
    'the cursor of a fan-out moves on before its children are there',
    'lib/job/listing.ts',
    '    const unresolved = [...refused, ',
    '    await checkpoint(execution, last, [], env)\n    const unresolved = [...refused, ',
    411,
  ),
  mutant(
    'children have random ids',
    'lib/job/children.ts',
    "const id = idOf('child', execution.tenant, execution.id, item)",
    "const id = idOf('child', execution.tenant, execution.id, item, String(env.random.next()))",
    16,
  ),
  mutant(
    'a fan-out writes without its fence',
    'lib/job/fan-out-writes.ts',
    "const held = (execution: ExecutionRecord) => all(eq('status', 'running'), eq('fence', execution.fence))",
    "const held = (execution: ExecutionRecord) => all(eq('status', 'running'), absent('nothing'))",
    4557,
  ),
  mutant(
    'a fan-out is taken over alive',
    'lib/job/fan-out.ts',
    '  if (!leaseIsDead(seen, now, env.workersDeadBefore)) return undefined\n',
    '',
    196,
  ),
  mutant(
    'an execution is closed while children are open',
    'lib/job/execution-sweep.ts',
    '  if (openCount(counts) > 0) {\n',
    '  if (openCount(counts) > 1_000) {\n',
    196,
  ),
  mutant(
    'the sweep sends no fan-out again',
    'lib/job/execution-sweep.ts',
    'await resend(execution, env)\n    return false',
    'return false\n    return false',
    16,
  ),
  mutant(
    'a policy goes on without its execution',
    'lib/schedule/due.ts',
    '  const { execution, created } = await createExecution(',
    '  await env.store.update(policyKey(policy.tenant, policy.id), { set: { nextRunAt: instant + 60_000 } })\n  const { execution, created } = await createExecution(',
    178,
  ),
  mutant(
    'an instant has a new execution each time',
    'lib/schedule/due.ts',
    "const id = idOf('tick', policy.tenant, policy.id, String(instant))",
    "const id = idOf('tick', policy.tenant, policy.id, String(instant), String(now))",
    1087,
  ),
]
