/**
 * The log of a job. Written in parts while it runs, one object each, named by fence and number, so that the parts of all
 * attempts in key order are the log and nothing is ever rewritten. Losing a part never fails a job. The outcome is not
 * stored here: it is rendered from the record, so the last line cannot be lost with a worker.
 */
import type { BlobStore } from '../blobs/port.ts'
import type { Clock } from '../clock.ts'
import type { Limits } from '../config.ts'
import type { JobLog } from './define.ts'
import type { OperatorLog } from './environment.ts'
import type { JobPlace } from './keys.ts'
import { attemptOf, isTerminal, type JobRecord } from './record.ts'
import { logLine } from './redact.ts'

export const logPrefix = (job: Pick<JobPlace, 'tenant' | 'id'>): string => `logs/${job.tenant}/${job.id}/`

const line = (at: number, level: string, message: string): string =>
  `${new Date(at).toISOString()} ${level.padEnd(5)} ${logLine(message)}\n`

export interface RunLog extends JobLog {
  /** Writes what is buffered; never throws. */
  flush(): Promise<void>
}

/** The log of one run. Lines are flushed when `logPartBytesMax` is reached or `logFlushMs` after the first of a part. */
export function runLog(
  job: Pick<JobPlace, 'tenant' | 'id'>,
  fence: number,
  env: { blobs: BlobStore; clock: Clock; limits: Limits; log: OperatorLog },
  signal: AbortSignal,
): RunLog {
  const { blobs, clock, limits } = env
  let buffer = ''
  let bytes = 0
  let part = 0
  let waiting = false
  let writing: Promise<void> = Promise.resolve()

  const write = (): void => {
    if (buffer === '') return
    const content = buffer
    const key = `${logPrefix(job)}${String(fence).padStart(6, '0')}-${String(part++).padStart(6, '0')}.log`
    buffer = ''
    writing = writing.then(() =>
      blobs.put(key, content, { contentType: 'text/plain; charset=utf-8' }).catch((thrown: unknown) => {
        env.log.warn('a part of a job log was lost', { jobId: job.id, key, reason: String(thrown) })
      }),
    )
  }
  const add = (level: string, message: string): void => {
    if (bytes > limits.logBytesMax) return
    const text = line(clock.now(), level, message)
    bytes += text.length
    buffer += text
    if (bytes > limits.logBytesMax)
      buffer += line(clock.now(), 'WARN', `the log of this run was cut at ${limits.logBytesMax} bytes`)
    if (buffer.length >= limits.logPartBytesMax) write()
    else if (!waiting) {
      waiting = true
      void clock.sleep(limits.logFlushMs, signal).then(() => {
        waiting = false
        write()
      })
    }
  }
  return {
    info: (message) => add('INFO', message),
    warn: (message) => add('WARN', message),
    async flush() {
      write()
      await writing
    },
  }
}

/** What the record itself says: the first line of a job, and its last one when it is over. */
export function outcomeLine(job: JobRecord): string {
  if (isTerminal(job.status)) {
    const why = job.error ? `: ${job.error.code}: ${job.error.message}` : ''
    return line(
      job.finishedAt ?? job.createdAt,
      job.status === 'error' ? 'ERROR' : 'INFO',
      `job ${job.status} after ${attempts(job)}${why}`,
    )
  }
  return ''
}

const attempts = (job: JobRecord): string => (attemptOf(job) === 1 ? '1 attempt' : `${attemptOf(job)} attempts`)

export const acceptedLine = (job: JobRecord): string =>
  line(
    job.createdAt,
    'INFO',
    `job ${job.id} accepted: ${job.type} ${job.image.registry}/${job.image.repository}${job.image.tag ? `:${job.image.tag}` : ''}@${job.image.digest}`,
  )

/**
 * The log from a byte offset on, at most `bytesMax` of it, to the end of a line. Grows only at its end while the job runs.
 * `end`: where to go on; `isWhole`: that is where it ends, so far.
 */
export async function readLog(
  blobs: BlobStore,
  job: JobRecord,
  after = 0,
  bytesMax = Number.POSITIVE_INFINITY,
): Promise<{ text: string; end: number; isWhole: boolean }> {
  const read = (bytes: Buffer) => ({ size: bytes.length, get: async (): Promise<Uint8Array | undefined> => bytes })
  const parts = [
    read(Buffer.from(acceptedLine(job))),
    ...(await blobs.list(logPrefix(job))).map(({ key, size }) => ({ size, get: () => blobs.get(key) })),
    read(Buffer.from(outcomeLine(job))),
  ]
  const until = after + bytesMax
  const wanted: Promise<Uint8Array>[] = []
  let from = 0
  let at = 0
  for (const { size, get } of parts) {
    if (at + size <= after) from = at + size
    // What has gone since it was listed leaves a blank line of its size: offsets stay what they were.
    else if (at < until) wanted.push(get().then((content) => content ?? Buffer.alloc(size, ' ').fill('\n', size - 1)))
    at += size
  }
  const found = Buffer.concat(await Promise.all(wanted))
  const rest = found.subarray(Math.min(Math.max(0, after - from), found.length))
  const cut = rest.length > bytesMax ? rest.lastIndexOf('\n', bytesMax - 1) + 1 || bytesMax : rest.length
  const end = Math.min(after, at) + cut
  return { text: rest.subarray(0, cut).toString('utf8'), end, isWhole: cut === rest.length && at <= until }
}
