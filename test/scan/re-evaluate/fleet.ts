/** A fleet of images in memory: inventories, revisions, and every function that touches them as a task that takes turns. */
import { expect } from 'vitest'
import { buildRevision } from '../../../lib/advisories/build.ts'
import { openAdvisories } from '../../../lib/advisories/open.ts'
import type { AdvisorySource } from '../../../lib/advisories/source.ts'
import { memoryBlobs } from '../../../lib/blobs/memory.ts'
import { defaultLimits, type Limits } from '../../../lib/config.ts'
import { memoryEvents } from '../../../lib/events/memory.ts'
import type { DomainEvent } from '../../../lib/events/port.ts'
import type { JobContext } from '../../../lib/job/define.ts'
import { type Environment, silentLog } from '../../../lib/job/environment.ts'
import { handOverEvents } from '../../../lib/job/event-cursor.ts'
import { imageItems } from '../../../lib/job/image-items.ts'
import { RE_EVALUATE } from '../../../lib/job/message.ts'
import { memoryQueue } from '../../../lib/queue/memory.ts'
import { recordOf } from '../../../lib/scan/images/record.ts'
import { saveImage } from '../../../lib/scan/inventories.ts'
import { runScan } from '../../../lib/scan/job.ts'
import { buildReport } from '../../../lib/scan/match.ts'
import type { ImageInventory } from '../../../lib/scan/model.ts'
import { compact } from '../../../lib/scan/package-index/compact.ts'
import { indexEntry } from '../../../lib/scan/package-index/entry.ts'
import { openPackageIndex } from '../../../lib/scan/package-index/open.ts'
import { reEvaluate } from '../../../lib/scan/re-evaluate/images.ts'
import { tick } from '../../../lib/scan/re-evaluate/tick.ts'
import { memoryStore } from '../../../lib/store/memory.ts'
import type { Doc } from '../../advisories/dumps.ts'
import { seededRandom } from '../../job/world.ts'
import { virtualClock } from '../../queue/virtual-clock.ts'
import { steps, type Task } from './steps.ts'

const TENANT = 'main'
const TIMEOUT_MS = 300_000

export interface Fleet {
  images: ImageInventory[]
  /** OSV records by ecosystem, one after the other current. */
  revisions: Record<string, Doc[]>[]
}

const sourceOf = (records: Record<string, Doc[]>): AdvisorySource => ({
  name: 'a generated revision',
  ecosystems: async () => Object.keys(records),
  async *records(ecosystem) {
    for (const one of records[ecosystem] ?? [])
      yield { name: `${String(one.id)}.json`, bytes: Buffer.from(JSON.stringify(one)) }
  },
})

export function fleetWorld(fleet: Fleet, options: { seed: number; deathRate: number; limits?: Partial<Limits> }) {
  const random = seededRandom(options.seed)
  const clock = virtualClock(Date.UTC(2026, 10, 22, 12))
  const store = memoryStore()
  const blobs = memoryBlobs()
  const queue = memoryQueue({ clock, visibilityTimeoutSeconds: 1_800 })
  const events = memoryEvents()
  const limits = { ...defaultLimits, ...options.limits }
  const turns = steps(random.next, options.deathRate, () => clock.now())
  let runs = 0
  /** A process of its own: what it keeps in memory dies with it. */
  const envOf = (stepped: <Port extends object>(port: Port) => Port): Environment & { queue: typeof queue } => ({
    store: stepped(store),
    blobs: stepped({ ...blobs }),
    queue: stepped(queue),
    events,
    clock,
    random,
    limits,
    types: new Map(),
    log: silentLog,
    registries: () => {
      throw new Error('a registry was asked')
    },
    workersDeadBefore: 0,
  })
  const plain = envOf((port) => port)
  const invocation = () => {
    const until = clock.now() + TIMEOUT_MS
    return {
      requestId: `run-${++runs}`,
      remainingMs: () => until - clock.now(),
      timeoutMs: TIMEOUT_MS,
      stopFlags: new Map(),
    }
  }
  const nameOf = (n: number) => `registry.test/team/app${n}:1`
  const contextOf = (n: number, env: Environment): JobContext => {
    const { digest } = fleet.images[n]!
    const never = () => {
      throw new Error('a scan of a known image waits for nothing')
    }
    return {
      jobId: `job-${n}`,
      tenant: TENANT,
      attempt: 1,
      image: { registry: 'registry.test', repository: `team/app${n}`, digest },
      log: { info: () => {}, warn: () => {} },
      phase: () => {},
      progress: () => {},
      signal: new AbortController().signal,
      clock,
      limits,
      blobs: env.blobs,
      registry: never,
      order: undefined as never,
      leases: undefined as never,
      images: imageItems(env, TENANT),
      checkpoint: undefined,
      save: () => {},
      isStopped: () => false,
      remainingMs: () => TIMEOUT_MS,
      wholeRunMs: TIMEOUT_MS,
      cancel: never,
      snooze: never,
      handOver: never,
    }
  }
  const images = imageItems(plain, TENANT)
  const stored = async (n: number) => recordOf((await images.get(fleet.images[n]!.digest))?.fields)
  const reportOf = async (key: string) => Buffer.from((await blobs.get(key))!).toString()

  return {
    clock,
    random,
    turns,
    store,
    blobs,
    plain,
    events,
    nameOf,
    stored,
    /** Time passes, and with it every function that would have run longer than it may. */
    async pass(ms: number): Promise<void> {
      await clock.advance(ms)
      turns.endOlderThan(TIMEOUT_MS)
    },
    prepare: async () => {
      for (const inventory of fleet.images)
        await saveImage(blobs, inventory, { digest: inventory.digest, platform: '' })
    },
    /** The advisories function. */
    flip: (n: number): Task =>
      turns.begin(`flip ${n}`, (stepped) =>
        buildRevision({ source: sourceOf(fleet.revisions[n]!), blobs: stepped({ ...blobs }), limits, clock }),
      ),
    scan: (n: number): Task =>
      turns.begin(`scan ${n}`, (stepped) => runScan({ image: nameOf(n) }, contextOf(n, envOf(stepped)))),
    tick: (): Task => turns.begin('tick', (stepped) => tick(envOf(stepped), invocation())),
    compact: (): Task => turns.begin('compact', (stepped) => compact(TENANT, envOf(stepped))),
    /** One message, if there is one: it is removed when it was acknowledged, and comes again when its consumer died. */
    consume: async (): Promise<Task | undefined> => {
      const [message] = await queue.receive(RE_EVALUATE, { max: 1, waitSeconds: 0 })
      if (!message) return undefined
      return turns.begin('consume', async (stepped) => {
        if ((await reEvaluate(message.body, envOf(stepped), invocation())) === 'acknowledge')
          await queue.remove(RE_EVALUATE, message.receipt)
      })
    },
    /** Everything that time alone brings: messages that come again, ticks, the outbox. Nothing dies any more. */
    async rest(): Promise<void> {
      for (let round = 0; round < 6; round++) {
        await clock.advance(1_900_000)
        await tick(
          envOf((port) => port),
          invocation(),
        )
        for (;;) {
          const [message] = await queue.receive(RE_EVALUATE, { max: 1, waitSeconds: 0 })
          if (!message) break
          const verdict = await reEvaluate(
            message.body,
            envOf((port) => port),
            invocation(),
          )
          expect(verdict).toBe('acknowledge')
          await queue.remove(RE_EVALUATE, message.receipt)
        }
        await clock.advance(60_000)
        await handOverEvents(plain)
      }
    },
    /** What the image would be told by a scan of it and of nothing else, now. */
    async bruteForce(n: number) {
      const database = await openAdvisories({ ...blobs })
      const { findingsMax } = limits
      return JSON.stringify(await buildReport({ image: nameOf(n), inventory: fleet.images[n]!, database, findingsMax }))
    },
    /** The verdict that is kept; of an image that no change concerned, with the date of the newest revision on it. */
    async verdict(n: number) {
      const record = (await stored(n))!
      const report = JSON.parse(await reportOf(record.reportKey))
      const { revision, createdAt, sources } = await openAdvisories({ ...blobs })
      return { record, text: JSON.stringify({ ...report, createdAt, revision, sources: [...sources] }) }
    },
    findingsIn: async (key: string) => JSON.stringify(JSON.parse(await reportOf(key)).findings),
    eventsOf: (n: number): DomainEvent[] =>
      events.received
        .filter(({ subject }) => subject === fleet.images[n]!.digest)
        .sort((a, b) => a.sequence - b.sequence),
    /** Images in the index under each key that one of them has. */
    async indexHolds(n: number) {
      const { record } = await this.verdict(n)
      const { findings } = JSON.parse(await reportOf(record.reportKey))
      const index = await openPackageIndex(TENANT, plain)
      const { digest } = fleet.images[n]!
      return indexEntry(fleet.images[n]!, findings)
        .groups.flatMap(({ keys }) => keys)
        .filter((key) => !index.imagesWith([key]).includes(digest))
    },
  }
}
