/**
 * One invocation of a replication as a process of its own, to be killed. Its record is whoever reads its output: a line
 * of JSON per event. Bundled and started by resume.lab.test.ts.
 */
import { readFileSync } from 'node:fs'
import { systemClock } from '../../lib/clock.ts'
import { defaultLimits } from '../../lib/config.ts'
import type { Json } from '../../lib/glossary.ts'
import type { JobContext } from '../../lib/job/define.ts'
import { tagClaims } from '../../lib/job/tag-claims.ts'
import { createOpenRegistry } from '../../lib/oci/open.ts'
import { systemRandom } from '../../lib/random.ts'
import { runReplicate } from '../../lib/replicate/job.ts'
import { memoryStore } from '../../lib/store/memory.ts'

/** Of this process alone: getrusage's maximum begins with that of the parent, which is a test runner. */
const peakMB = (): number =>
  Math.round(Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1_024)

export interface Order {
  source: { registry: string; repository: string; digest: string }
  sourceText: string
  target: string
  seconds: number
  checkpoint?: Json
}

export type Told =
  | { kind: 'saved' | 'handedOver'; checkpoint: Json }
  | { kind: 'result'; result: Json; peakMB: number }
  | { kind: 'error'; message: string }

const order = JSON.parse(process.argv[2] ?? '') as Order
const tell = (event: Told) => void process.stdout.write(`${JSON.stringify(event)}\n`)
const until = Date.now() + order.seconds * 1_000

class HandedOver extends Error {}

const context: JobContext = {
  jobId: 'lab',
  tenant: 'main',
  attempt: 1,
  image: order.source,
  log: { info: () => {}, warn: () => {} },
  phase: () => {},
  progress: () => {},
  signal: new AbortController().signal,
  clock: systemClock,
  limits: defaultLimits,
  blobs: undefined as never, // a replication keeps nothing
  registry: createOpenRegistry({
    find: async (host) => ({ host, insecure: true, allowPrivate: true }),
    ecrToken: () => Promise.reject(new Error('none')),
    limits: defaultLimits,
    clock: systemClock,
    random: systemRandom,
  }),
  order: {
    acceptance: '1',
    leaseUntil: until,
    claims: tagClaims(memoryStore(), 'main', defaultLimits),
    followUp: async () => 'none',
  },
  leases: undefined as never,
  images: undefined as never,
  checkpoint: order.checkpoint,
  save: (checkpoint) => tell({ kind: 'saved', checkpoint }),
  isStopped: () => false,
  remainingMs: () => until - Date.now(),
  wholeRunMs: order.seconds * 1_000,
  cancel: (reason) => {
    throw new Error(reason)
  },
  snooze: () => {
    throw new Error('snoozed')
  },
  handOver: (checkpoint) => {
    tell({ kind: 'handedOver', checkpoint })
    throw new HandedOver()
  },
}

runReplicate({ source: order.sourceText, target: order.target }, context).then(
  ({ result }) => {
    tell({ kind: 'result', result, peakMB: peakMB() })
    process.exit(0)
  },
  (error: Error) => {
    if (!(error instanceof HandedOver)) tell({ kind: 'error', message: error.message })
    process.exit(0)
  },
)
