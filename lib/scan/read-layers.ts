/**
 * All layers of an image as inventories: those seen before from the blob store, the others from the registry, each by one
 * scan of the whole fleet.
 */
import type { BlobStore } from '../blobs/port.ts'
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import type { Json } from '../glossary.ts'
import type { JobContext } from '../job/define.ts'
import type { RegistryClient } from '../oci/types.ts'
import { loadLayer, saveLayer } from './inventories.ts'
import { readLayer } from './layer.ts'
import { LayerInventories } from './layer-inventories.ts'
import { ANALYZER_VERSION, type LayerInventory } from './model.ts'
import type { ImageLayer } from './target.ts'

/** Milliseconds before the end of the run in which nothing can be finished any more, at most a tenth of it. */
const MARGIN_MS = 1_000
/** What a run must have left of a whole one, so that a layer which does not end in it ends in none. */
const WHOLE_SHARE = 0.8
/** Runs in a row that began late in their invocation and had one layer to read, before that counts as well. */
const SHORT_RUNS_MAX = 3

export interface ReadLayers {
  /** Bottom up, one per layer of the image. */
  layers: LayerInventory[]
  reused: number
}

/**
 * A diffID is trusted when it was read before: the config that names it is verified by its digest, and a runtime refuses
 * to start an image whose blobs do not unpack to the diffIDs of its config.
 *
 * Hands the job over when the time is nearly used; what was read by then is kept, so the next run goes on from there. A
 * layer is read whole or not at all: after a run that finished none, the largest gets a run to itself, and when it does
 * not end in a whole one the job ends, because no other run could be longer.
 *
 * @throws LongshoreError those of `readLayer`; `layer-too-large` when a layer does not fit one run of the worker
 */
export async function readLayers(
  wanted: readonly ImageLayer[],
  client: RegistryClient,
  repository: string,
  context: JobContext,
  limits: Limits,
): Promise<ReadLayers> {
  const { blobs, log, signal } = context
  const found = new LayerInventories(limits)
  const missing = new Map<string, ImageLayer>()
  for (const layer of wanted) {
    if (found.has(layer.diffId) || missing.has(layer.diffId)) continue
    if (layer.unreadable) {
      found.set(layer.diffId, emptyLayer(layer))
      log.warn(`layer ${layer.descriptor.digest} is not read: ${layer.unreadable}`)
      continue
    }
    const known = await loadLayer(blobs, layer.diffId)
    if (known) {
      found.set(layer.diffId, known)
      log.info(`layer ${layer.descriptor.digest} reused: ${counts(known)}`)
    } else missing.set(layer.diffId, layer)
  }
  const items = { done: wanted.length - missing.size, failed: 0, skipped: 0, total: wanted.length }
  const bytes = { done: 0, total: sum([...missing.values()].map((layer) => layer.descriptor.size)) }
  const tell = () => context.progress({ items: { ...items }, bytes: { ...bytes } })
  tell()

  const before = readCheckpoint(context.checkpoint)
  const alone = before.alone || missing.size === 1
  const begun = new Set<ImageLayer>()
  const elsewhere: ImageLayer[] = []
  const arrived = new Map<string, number>()
  const startedAt = context.clock.now()
  const isWhole = context.remainingMs() >= context.wholeRunMs * WHOLE_SHARE
  const budget = timeBudget(context)
  try {
    // Largest first, so that a big one does not begin when all others are done.
    const queue = [...missing.values()].sort((a, b) => b.descriptor.size - a.descriptor.size)
    await inParallel(queue, alone ? 1 : limits.layersInParallelMax, budget, async (layer) => {
      const { descriptor, diffId } = layer
      // Whoever waited longer than a lease lasts takes no notice of it: read twice, a layer comes out the same.
      if (before.waits < limits.layerWaitsMax && (await context.leases.take(leaseName(diffId))) !== undefined) {
        elsewhere.push(layer)
        return
      }
      begun.add(layer)
      const startedAt = context.clock.now()
      const source = {
        digest: descriptor.digest,
        diffId,
        size: descriptor.size,
        signal: budget.signal,
        open: () => client.blob(repository, descriptor, { signal: budget.signal }),
        onBytes: (count: number) => {
          arrived.set(diffId, (arrived.get(diffId) ?? 0) + count)
          bytes.done = Math.min(bytes.total, bytes.done + count)
          tell()
        },
      }
      let inventory: LayerInventory
      try {
        inventory = await readLayer(source, limits)
        await saveLayer(blobs, inventory)
      } catch (error) {
        // What ended this run need not end another's.
        await context.leases
          .release(leaseName(diffId))
          .catch(() => log.warn(`layer ${descriptor.digest}: its lease stays`))
        throw error
      }
      found.set(diffId, inventory)
      items.done++
      tell()
      const seconds = ((context.clock.now() - startedAt) / 1000).toFixed(1)
      log.info(`layer ${descriptor.digest} read: ${descriptor.size} bytes in ${seconds} s, ${counts(inventory)}`)
      for (const gap of inventory.gaps.slice(0, 5)) log.warn(`layer ${descriptor.digest}: ${gap}`)
    })
  } catch (error) {
    if (signal.aborted || !budget.isOver) throw error
    const left = [...missing.values()].filter((layer) => !found.has(layer.diffId))
    const finished = missing.size - left.length
    const tried = left.filter((layer) => begun.has(layer))
    const largest = (tried.length > 0 ? tried : left).reduce((a, b) => (b.descriptor.size > a.descriptor.size ? b : a))
    const shortRuns = !alone || finished > 0 || isWhole ? 0 : before.shortRuns + 1
    if (alone && finished === 0 && (isWhole || shortRuns >= SHORT_RUNS_MAX))
      throw tooLarge(largest, arrived.get(largest.diffId) ?? 0, context.clock.now() - startedAt)
    log.info(`${left.length} of ${wanted.length} layers are left for the next run`)
    // After a run in which several shared the time and none was finished, one gets it all, from then on.
    context.handOver({ alone: before.alone || finished === 0, shortRuns, waits: 0 })
  } finally {
    budget.end()
  }
  const waitingFor = await readElsewhere(elsewhere, found, blobs)
  if (waitingFor > 0) {
    log.info(`another scan reads ${waitingFor} of these layers; this one looks again in ${limits.layerWaitSeconds} s`)
    context.snooze(limits.layerWaitSeconds, { ...before, waits: before.waits + 1 })
  }
  items.done = wanted.length
  tell()
  // An unreadable layer is neither read nor reused.
  const read = new Set([...begun].map(({ diffId }) => diffId))
  const reused = wanted.filter(({ unreadable, diffId }) => !unreadable && !read.has(diffId)).length
  return { layers: wanted.map((layer) => found.get(layer.diffId)!), reused }
}

/** The same bytes analysed in the same way give the same inventory: that is what is read once. */
const leaseName = (diffId: string): string => `${diffId}#${ANALYZER_VERSION}`

/** Adds what others have read by now; returns how many layers are still missing. */
async function readElsewhere(
  layers: readonly ImageLayer[],
  found: Map<string, LayerInventory>,
  blobs: BlobStore,
): Promise<number> {
  const loaded = await Promise.all(layers.map(({ diffId }) => loadLayer(blobs, diffId)))
  for (const layer of loaded) if (layer) found.set(layer.diffId, layer)
  return loaded.filter((layer) => layer === undefined).length
}

/** `waits`: how often in a row the job was put off for layers that others read. */
interface Checkpoint {
  [field: string]: Json
  alone: boolean
  shortRuns: number
  waits: number
}

/** What a former run left; anything missing or strange is the beginning. */
function readCheckpoint(value: Json | undefined): Checkpoint {
  const fields = typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
  const count = (field: Json | undefined) => (typeof field === 'number' ? field : 0)
  return { alone: fields.alone === true, shortRuns: count(fields.shortRuns), waits: count(fields.waits) }
}

const tooLarge = ({ descriptor }: ImageLayer, bytes: number, ms: number): LongshoreError =>
  new LongshoreError(
    'layer-too-large',
    `layer ${descriptor.digest} does not fit into one run of the worker: ${bytes} of its ${descriptor.size} bytes were ` +
      `read in ${(ms / 1000).toFixed(1)} s, with nothing else to read. Give the scan function more time or memory, or run it nearer to the registry`,
    { side: 'source' },
  )

interface Budget {
  signal: AbortSignal
  readonly isOver: boolean
  end(): void
}

/** Aborts with the job, and a moment before its time is used, so that the hand-over can say what was done. */
function timeBudget(context: JobContext): Budget {
  const over = new AbortController()
  const ended = new AbortController()
  const stop = () => over.abort(context.signal.reason)
  if (context.signal.aborted) stop()
  else context.signal.addEventListener('abort', stop, { once: true })
  let isOver = false
  const marginMs = Math.min(MARGIN_MS, context.remainingMs() / 10)
  void context.clock.sleep(Math.max(0, context.remainingMs() - marginMs), ended.signal).then(() => {
    if (ended.signal.aborted) return
    isOver = true
    over.abort(new Error('the time of this run is used'))
  })
  return {
    signal: over.signal,
    get isOver() {
      return isOver
    },
    end() {
      context.signal.removeEventListener('abort', stop)
      ended.abort()
    },
  }
}

/** Runs the work for all items, so many at a time. After a failure none begins; those under way end first. */
async function inParallel<T>(
  items: readonly T[],
  count: number,
  budget: Budget,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = [...items]
  const failures: unknown[] = []
  const worker = async () => {
    while (failures.length === 0) {
      const item = waiting.shift()
      if (item === undefined) return
      try {
        budget.signal.throwIfAborted()
        await work(item)
      } catch (error) {
        failures.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(count, items.length) }, worker))
  if (failures.length > 0) throw failures[0]
}

const counts = (layer: LayerInventory) => `${layer.packages.length} packages in ${layer.entries} entries`

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0)

/** What is known of a layer that cannot be read: that it was not. */
export function emptyLayer(layer: ImageLayer): LayerInventory {
  return {
    analyzer: ANALYZER_VERSION,
    diffId: layer.diffId,
    packages: [],
    databases: [],
    unread: {},
    osFiles: {},
    whiteouts: [],
    opaque: [],
    shadows: [],
    directories: [],
    links: {},
    entries: 0,
    bytes: 0,
    gaps: [`layer ${layer.descriptor.digest} was not read: ${layer.unreadable}`],
  }
}
