/**
 * THE table of a job's life. Every change of a job record is one row here: from which statuses, under which condition,
 * to which status, with which changes. Pure data in, pure data out: the store applies it in one conditional write, the
 * model checker and the simulator read the same rows.
 *
 *   scheduled, pending, retrying --claim--> running --finish--> success | error
 *   running --handOver--> retrying          running --fail--> retrying | error
 *   running --recover--> retrying | error | stopped           (its lease is dead)
 *   scheduled, pending, retrying --stop--> stopped            running --askStop--> running (+ stop) --settleStop--> stopped
 *   scheduled, pending, running, retrying --cancel--> canceled
 */
import type { Json, Status, TerminalStatus } from '../glossary.ts'
import { absent, all, any, eq, le, oneOf } from '../store/condition.ts'
import type { Change, Condition } from '../store/port.ts'
import type { Progress } from './define.ts'
import { type JobPlace, memberKeys, openKeys, outboxKeys } from './keys.ts'
import type { JobError } from './record.ts'

/** Which statuses a transition may leave and which it may reach; the Spin model is checked against this. */
export const TRANSITIONS = {
  claim: { from: ['scheduled', 'pending', 'retrying'], to: ['running'] },
  takeOver: { from: ['running'], to: ['running'] },
  finish: { from: ['running'], to: ['success', 'error', 'canceled'] },
  handOver: { from: ['running'], to: ['retrying'] },
  fail: { from: ['running'], to: ['retrying'] },
  recover: { from: ['running'], to: ['retrying', 'error', 'stopped'] },
  stop: { from: ['scheduled', 'pending', 'retrying'], to: ['stopped'] },
  askStop: { from: ['running'], to: ['running'] },
  settleStop: { from: ['running'], to: ['stopped'] },
  cancel: { from: ['scheduled', 'pending', 'retrying'], to: ['canceled'] },
  poison: { from: ['scheduled', 'pending', 'retrying'], to: ['error'] },
  report: { from: ['running'], to: ['running'] },
  resend: { from: ['scheduled', 'pending', 'retrying'], to: ['scheduled', 'pending', 'retrying'] },
} as const satisfies Record<string, { from: readonly Status[]; to: readonly Status[] }>
export type TransitionName = keyof typeof TRANSITIONS

/** One conditional write. */
export interface Transition {
  name: TransitionName
  when: Condition
  change: Change
}

const from = (name: TransitionName): Condition => oneOf('status', [...TRANSITIONS[name].from])

/** The run that holds this fence, still running, with no stop asked: the condition of everything a worker writes. */
const mine = (fence: number): Condition => all(eq('status', 'running'), eq('fence', fence), absent('stop'))

/** What ends with a run. */
const RUN_FIELDS = ['lease', 'phase', 'stop']
/** What nobody asks of a job that has ended: a record of ordinary names stays under 1 KB, which is one write unit. */
const WAIT_FIELDS = ['dueAt', 'waitReason', 'sentAt', 'nextSendAt']

/** A progress of nothing is not stored: it is what is shown of an absent one, and 90 bytes of the record. */
const told = (progress: Progress | undefined): { progress?: Json } =>
  progress && [progress.items, progress.bytes].some((counts) => Object.values(counts).some((count) => count !== 0))
    ? { progress: structuredClone(progress) as unknown as Json }
    : {}

const change = (job: JobPlace, status: Status, wakeAt: number, more: Change = {}): Change => ({
  ...more,
  set: {
    ...more.set,
    status,
    ...(job.execution ? { m_sk: memberKeys(job, status).m_sk } : {}),
    ...openKeys(job, status, wakeAt),
  },
})

export interface Ending {
  status: TerminalStatus
  now: number
  /** Seconds since the epoch, see `historyDays`. */
  expires: number
  result?: { [name: string]: Json }
  reportKey?: string
  error?: JobError
  progress?: Progress
  finishedBy?: string
}

/** A terminal status, its reason and its event in one write: who sees the one sees the other. */
function end(job: JobPlace, ending: Ending, more: Change = {}): Change {
  const { status, now, expires, result, reportKey, error, progress, finishedBy } = ending
  return {
    ...more,
    set: {
      ...more.set,
      status,
      finishedAt: now,
      expires,
      eventSequence: 1,
      ...(job.execution ? { m_sk: memberKeys(job, status).m_sk } : {}),
      ...outboxKeys(job.id, now),
      ...(result ? { result } : {}),
      ...(reportKey ? { reportKey } : {}),
      ...(error ? { error: { ...error } } : {}),
      ...told(progress),
      ...(finishedBy ? { finishedBy } : {}),
    },
    remove: [...RUN_FIELDS, ...WAIT_FIELDS, 'claimedAt', 'checkpoint', ...(more.remove ?? [])],
  }
}

/** A worker takes a waiting job that is due. Claimed right before running, never ahead. */
export function claim(job: JobPlace, by: { claim: string; now: number; lease: number }): Transition {
  return {
    name: 'claim',
    when: all(from('claim'), any(absent('dueAt'), le('dueAt', by.now))),
    change: change(job, 'running', by.lease, {
      set: { claim: by.claim, claimedAt: by.now, lease: by.lease, attempting: 1 },
      setOnce: { startedAt: by.now },
      add: { fence: 1 },
      remove: ['dueAt', 'phase'],
    }),
  }
}

/** A worker takes a running job whose lease is dead; `seen` is what it read, attempts must be left. */
export function takeOver(
  job: JobPlace,
  seen: { fence: number; lease: number; attempting: number },
  by: { claim: string; now: number; lease: number },
): Transition {
  return {
    name: 'takeOver',
    when: all(mine(seen.fence), eq('lease', seen.lease)),
    change: change(job, 'running', by.lease, {
      set: { claim: by.claim, claimedAt: by.now, lease: by.lease, attempting: 1 },
      add: { fence: 1, failures: seen.attempting },
      remove: ['phase'],
    }),
  }
}

/** The worker's last word: success, error, or canceled by the job itself. */
export function finish(job: JobPlace, fence: number, ending: Ending): Transition {
  return { name: 'finish', when: mine(fence), change: end(job, ending) }
}

export interface Wait {
  now: number
  dueAt: number
  nextSendAt: number
  reason: string
  progress?: Progress
}

const wait = (job: JobPlace, w: Wait, more: Change): Change =>
  change(job, 'retrying', w.nextSendAt, {
    ...more,
    set: {
      ...more.set,
      dueAt: w.dueAt,
      sentAt: w.now,
      nextSendAt: w.nextSendAt,
      // Counts the message that follows this write; one that is due later is sent, and counted, by the sweep.
      sends: w.nextSendAt > w.dueAt ? 1 : 0,
      waitReason: w.reason,
      ...told(w.progress),
    },
    remove: [...RUN_FIELDS, ...(more.remove ?? [])],
  })

/** Put off without counting an attempt: a snooze, a 429, or the function's time is used up. */
export function handOver(
  job: JobPlace,
  fence: number,
  why: 'hops' | 'snoozes' | 'throttles',
  w: Wait,
  checkpoint: Json | undefined,
  stalls = 0,
): Transition {
  return {
    name: 'handOver',
    when: mine(fence),
    change: wait(job, w, {
      add: { [why]: 1 },
      set: { ...(checkpoint === undefined ? {} : { checkpoint }), ...(stalls > 0 ? { stalls } : {}) },
      remove: why === 'hops' && stalls === 0 ? ['stalls'] : [],
    }),
  }
}

/** The attempt ended by an error that a retry may help; the next one goes on from what was saved. */
export function fail(job: JobPlace, fence: number, w: Wait, checkpoint?: Json): Transition {
  const set = { attempting: 0, ...(checkpoint === undefined ? {} : { checkpoint }) }
  return { name: 'fail', when: mine(fence), change: wait(job, w, { set, add: { failures: 1 } }) }
}

const deadLease = (seen: { fence: number; lease: number }): Condition =>
  all(eq('status', 'running'), eq('fence', seen.fence), eq('lease', seen.lease))

/** The sweeper: the run is dead and attempts are left. */
export function recover(
  job: JobPlace,
  seen: { fence: number; lease: number; attempting: number },
  w: Wait,
): Transition {
  return {
    name: 'recover',
    when: all(deadLease(seen), absent('stop')),
    change: wait(job, w, { set: { attempting: 0 }, add: { failures: seen.attempting } }),
  }
}

/** The sweeper: the run is dead and that was the last attempt, or a stop was asked meanwhile. */
export function recoverToEnd(
  job: JobPlace,
  seen: { fence: number; lease: number; stop: boolean },
  ending: Ending,
): Transition {
  return {
    name: 'recover',
    when: all(deadLease(seen), seen.stop ? eq('stop', true) : absent('stop')),
    change: end(job, ending),
  }
}

/** A waiting job ends at once. */
export function stop(job: JobPlace, ending: Ending): Transition {
  return { name: 'stop', when: from('stop'), change: end(job, ending) }
}

/** A running job is told to end; from now on nothing but `stopped` can be written by anyone. */
export function askStop(): Transition {
  return { name: 'askStop', when: eq('status', 'running'), change: { set: { stop: true } } }
}

/** The worker obeys a stop of the job, or of the execution it belongs to (then the job itself bears no flag). */
export function settleStop(job: JobPlace, fence: number, ending: Ending): Transition {
  return {
    name: 'settleStop',
    when: all(eq('status', 'running'), eq('fence', fence)),
    change: end(job, ending),
  }
}

/** A waiting job ends because its reason is gone: its policy was disabled, or it was superseded. */
export function cancel(job: JobPlace, ending: Ending): Transition {
  return { name: 'cancel', when: from('cancel'), change: end(job, ending) }
}

/** Three dead letters without a claim between: no worker ever got as far as running it. */
export function poison(job: JobPlace, seenFence: number, ending: Ending): Transition {
  return { name: 'poison', when: all(from('poison'), eq('fence', seenFence)), change: end(job, ending) }
}

/**
 * Counts a dead letter of a waiting job and sends again. `deadLettersFence` starts the count anew after a claim. As at a re-send
 * `nextSendAt` moves first: two letters of one job at once are one count and one message.
 */
export function countDeadLetter(
  job: JobPlace,
  seen: { fence: number; count: number; status: Status; nextSendAt: number },
  next: { now: number; nextSendAt: number },
): Transition {
  return {
    name: 'resend',
    when: all(eq('status', seen.status), eq('fence', seen.fence), eq('nextSendAt', seen.nextSendAt)),
    change: {
      set: {
        deadLetters: seen.count,
        deadLettersFence: seen.fence,
        sentAt: next.now,
        nextSendAt: next.nextSendAt,
        ...openKeys(job, seen.status, next.nextSendAt),
      },
      add: { sends: 1 },
    },
  }
}

/** The sweeper sends a message again; moving `nextSendAt` first keeps two sweepers from sending twice. */
export function resend(
  job: JobPlace,
  seen: { status: Status; nextSendAt: number },
  next: { now: number; nextSendAt: number },
): Transition {
  return {
    name: 'resend',
    when: all(eq('status', seen.status), eq('nextSendAt', seen.nextSendAt), from('resend')),
    change: {
      set: { sentAt: next.now, nextSendAt: next.nextSendAt, ...openKeys(job, seen.status, next.nextSendAt) },
      add: { sends: 1 },
    },
  }
}

/** What a long run tells its watchers: phase and progress; and its successor: the checkpoint. */
export function report(
  fence: number,
  now: { phase?: string; progress?: Progress; checkpoint?: Json | undefined },
): Transition {
  return {
    name: 'report',
    when: all(eq('status', 'running'), eq('fence', fence)),
    change: {
      set: {
        ...(now.phase ? { phase: now.phase } : {}),
        ...(now.checkpoint === undefined ? {} : { checkpoint: structuredClone(now.checkpoint) }),
        ...told(now.progress),
      },
    },
  }
}

/** Whether a lease can no longer be held by a living worker. */
export const leaseIsDead = (
  job: { lease?: number; claimedAt?: number },
  now: number,
  workersDeadBefore: number,
): boolean => (job.lease ?? 0) < now || (job.claimedAt ?? 0) < workersDeadBefore
