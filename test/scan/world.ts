/** A scan's surroundings for tests: the embedded registry, blobs in memory, and a job context that keeps its log. */

import { memoryBlobs } from '../../lib/blobs/memory.ts'
import type { BlobStore } from '../../lib/blobs/port.ts'
import { systemClock } from '../../lib/clock.ts'
import { defaultLimits, type Limits } from '../../lib/config.ts'
import type { JobContext, Progress } from '../../lib/job/define.ts'
import { imageItems } from '../../lib/job/image-items.ts'
import { leasesOf } from '../../lib/job/leases.ts'
import type { BuiltImage, BuiltIndex } from '../../lib/local/demo/build.ts'
import { push } from '../../lib/local/demo/push.ts'
import { type RegistryOptions, startRegistry } from '../../lib/local/registry/server.ts'
import { createOpenRegistry } from '../../lib/oci/open.ts'
import { memoryQueue } from '../../lib/queue/memory.ts'
import type { Queue } from '../../lib/queue/port.ts'
import { systemRandom } from '../../lib/random.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import type { Store } from '../../lib/store/port.ts'
import { orderOf } from '../job/order.ts'

/** What `cancel`, `snooze` and `handOver` throw here. */
export class Ended extends Error {
  readonly ending: unknown
  constructor(ending: unknown) {
    super(`ended: ${JSON.stringify(ending)}`)
    this.ending = ending
  }
}

export async function scanWorld(options: RegistryOptions = {}, limits: Limits = defaultLimits) {
  const registry = await startRegistry(options)
  const open = createOpenRegistry({
    find: async (host) => ({ host, insecure: true, allowPrivate: true }),
    ecrToken: async () => {
      throw new Error('no ECR here')
    },
    limits,
    clock: systemClock,
    random: systemRandom,
  })
  const blobs = memoryBlobs()
  const store = memoryStore()
  const queue = memoryQueue({ clock: systemClock, visibilityTimeoutSeconds: 1_800 })
  return {
    registry,
    blobs,
    store,
    queue,
    open,
    push: (built: BuiltImage | BuiltIndex, tag = 'latest') => push(registry.url, 'team/app', tag, built),
    /** GETs and HEADs of the registry so far, by kind. */
    count: (kind: 'blobs' | 'manifests') => registry.requests.filter((r) => r.path.includes(`/${kind}/`)).length,
    context: (digest: string, changes: Partial<JobContext> = {}) =>
      contextOf(registry.host, digest, { blobs, store, queue, open }, changes),
    async close() {
      open.close()
      await registry.close()
    },
  }
}

export type ScanWorld = Awaited<ReturnType<typeof scanWorld>>

function contextOf(
  host: string,
  digest: string,
  { blobs, store, queue, open }: { blobs: BlobStore; store: Store; queue: Queue; open: JobContext['registry'] },
  changes: Partial<JobContext>,
) {
  const lines: string[] = []
  const phases: string[] = []
  const progress: Progress = { items: { done: 0, failed: 0, skipped: 0, total: 0 }, bytes: { done: 0, total: 0 } }
  const end = (ending: unknown): never => {
    throw new Ended(ending)
  }
  const context: JobContext = {
    jobId: 'job-1',
    tenant: 'default',
    attempt: 1,
    image: { registry: host, repository: 'team/app', tag: 'latest', digest },
    log: { info: (line) => void lines.push(line), warn: (line) => void lines.push(`! ${line}`) },
    phase: (name) => void phases.push(name),
    progress(update) {
      Object.assign(progress.items, update.items)
      Object.assign(progress.bytes, update.bytes)
    },
    signal: new AbortController().signal,
    clock: systemClock,
    limits: defaultLimits,
    blobs,
    registry: open,
    order: orderOf(),
    leases: leasesOf(
      { id: changes.jobId ?? 'job-1', fence: 1, lease: Date.now() + 300_000 },
      { store, clock: systemClock, workersDeadBefore: 0 },
    ),
    images: imageItems({ store, queue, clock: systemClock, limits: defaultLimits }, 'default'),
    checkpoint: undefined,
    save: () => {},
    isStopped: () => false,
    remainingMs: () => 60_000,
    wholeRunMs: 60_000,
    cancel: (reason) => end({ canceled: reason }),
    snooze: (seconds, checkpoint) => end({ snoozed: seconds, ...(checkpoint === undefined ? {} : { checkpoint }) }),
    handOver: (checkpoint) => end({ handedOver: checkpoint }),
    ...changes,
  }
  return Object.assign(context, { lines, phases, seen: progress })
}
