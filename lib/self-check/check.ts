/**
 * Whether everything the job protocol stands on is there and set up as it relies on. Cheap: three reads of the table, one of
 * the bucket, one call a queue. It looks with the rights of whoever calls it, so it says nothing about another function's.
 */
import { CURRENT_KEY, revisionKey } from '../advisories/model.ts'
import type { BlobStore } from '../blobs/port.ts'
import type { Clock } from '../clock.ts'
import type { Limits } from '../config.ts'
import { asLongshoreError } from '../errors.ts'
import type { JobTypes } from '../job/environment.ts'
import { type Heartbeat, lastBeat } from '../job/heartbeat.ts'
import type { Queue, QueueSetup } from '../queue/port.ts'
import { INDEXES, type IndexName, type Store } from '../store/port.ts'
import type { Check } from './model.ts'
import { type Answered, checkQueues } from './queues.ts'

export interface Checked {
  store: Store
  queue: Queue & QueueSetup
  blobs: BlobStore
  clock: Clock
  limits: Limits
  types: JobTypes
}

/** The parts in the order in which they build on each other. Never throws. */
export async function selfCheck(env: Checked): Promise<Check[]> {
  const [table, { check: queues, answered }, bucket] = await Promise.all([
    checkTable(env),
    checkQueues(env),
    checkBucket(env.blobs, env.clock.now()),
  ])
  const beat = table.ok ? await lastBeat(env).catch(() => undefined) : undefined
  return [table, queues, checkClock(answered, env), ...bucket, checkSweeper(beat, env), checkWaiting(beat, env)]
}

/** By use: a read that names the keys fails where the table, an index or its key schema is another, or still being built. */
async function checkTable(env: Checked): Promise<Check> {
  try {
    await env.store.get({ pk: 'C#self-check', sk: '#' })
    for (const index of Object.keys(INDEXES) as IndexName[])
      await env.store.query({ index, pk: 'C#self-check', from: '0', to: '1', limit: 1 })
    return { name: 'table', ok: true, detail: `answers, and its indexes ${Object.keys(INDEXES).join(' and ')} too` }
  } catch (thrown) {
    const detail = `${asLongshoreError(thrown).message}; compare LONGSHORE_TABLE and the table with serverless.yml and deploy again`
    return { name: 'table', ok: false, detail }
  }
}

async function checkBucket(blobs: BlobStore, now: number): Promise<Check[]> {
  try {
    const pointer = await blobs.get(CURRENT_KEY)
    const bucket: Check = { name: 'bucket', ok: true, detail: 'answers' }
    return [bucket, await checkAdvisories(blobs, pointer, now)]
  } catch (thrown) {
    const detail = `${asLongshoreError(thrown).message}; compare LONGSHORE_BLOBS with the bucket and the rights of the function`
    return [{ name: 'bucket', ok: false, detail }]
  }
}

/** An old revision is no problem of ours: it is as old as the newest change of its sources. None is: scans wait for it. */
async function checkAdvisories(blobs: BlobStore, pointer: Uint8Array | undefined, now: number): Promise<Check> {
  const name = 'advisories'
  if (!pointer)
    return { name, ok: false, detail: 'no revision yet, so scans wait; look at the log of the function advisories' }
  const { revision } = parse<{ revision?: string }>(pointer)
  const manifest = revision ? await blobs.get(revisionKey(revision)) : undefined
  if (!manifest)
    return {
      name,
      ok: false,
      detail: `revision ${String(revision)} is gone, so scans wait; invoke the function advisories`,
    }
  const { createdAt } = parse<{ createdAt?: string }>(manifest)
  const age = Math.floor((now - Date.parse(createdAt ?? '')) / 3_600_000)
  return { name, ok: true, detail: `revision ${revision}, its newest data is ${age} hours old` }
}

function parse<T extends object>(bytes: Uint8Array): Partial<T> {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as Partial<T>
  } catch {
    return {}
  }
}

/** A lease is compared with the clock of whoever looks at it. The margin pays for that, as far as it goes. */
function checkClock(answered: readonly Answered[], { limits }: Checked): Check {
  const name = 'clock'
  // A Date header is cut to the second and was written while we waited: only what is beyond both counts.
  const skews = answered.map(({ serverTime, sentAt, receivedAt }) =>
    serverTime > receivedAt ? serverTime - receivedAt : Math.min(0, serverTime + 1_000 - sentAt),
  )
  const [worst] = skews.sort((a, b) => Math.abs(b) - Math.abs(a))
  if (worst === undefined) return { name, ok: true, detail: 'not compared: no queue said what time it is' }
  if (Math.abs(worst) <= limits.clockSkewMsMax)
    return { name, ok: true, detail: `agrees with that of the queues within ${Math.ceil(Math.abs(worst) / 1000)} s` }
  const seconds = Math.round(Math.abs(worst) / 1000)
  const detail = `this clock is ${seconds} s ${worst > 0 ? 'behind' : 'ahead of'} that of the queues, at most ${limits.clockSkewMsMax / 1000} s are safe; set it by NTP`
  return { name, ok: false, detail }
}

function checkSweeper(beat: Heartbeat | undefined, { clock, limits }: Checked): Check {
  const name = 'sweeper'
  const todo = 'lost work stays lost; look at the rule and the log of the function sweep'
  if (!beat) return { name, ok: false, detail: `no sweep has ended yet; ${todo}` }
  const age = Math.floor((clock.now() - beat.at) / 1000)
  return age > 3 * limits.tickSeconds
    ? { name, ok: false, detail: `the last sweep ended ${age} s ago, it is due every ${limits.tickSeconds} s; ${todo}` }
    : { name, ok: true, detail: `the last sweep ended ${Math.max(0, age)} s ago` }
}

/** Bulk lanes may wait for hours; a person may not. */
function checkWaiting(beat: Heartbeat | undefined, { clock, limits }: Checked): Check {
  const name = 'waiting'
  const waits = Object.entries(beat?.oldest ?? {}).map(([queue, { id, lane, since }]) => ({
    lane,
    seconds: Math.floor((clock.now() - since) / 1000),
    text: `job ${id} of the queue ${queue}`,
  }))
  const [longest] = waits.sort((a, b) => b.seconds - a.seconds)
  const late = waits.find(({ lane, seconds }) => lane === 'interactive' && seconds > limits.waitingSecondsMax)
  if (late) {
    const detail = `${late.text} waits for ${late.seconds} s; look at GET /v1/queues and the log of its function`
    return { name, ok: false, detail }
  }
  return { name, ok: true, detail: longest ? `${longest.text} waits longest: ${longest.seconds} s` : 'nothing overdue' }
}
