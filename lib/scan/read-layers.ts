/** All layers of an image as inventories: those seen before from the blob store, the others from the registry. */
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import type { JobContext } from '../job/define.ts'
import type { RegistryClient } from '../oci/types.ts'
import { loadLayer, saveLayer } from './inventories.ts'
import { readLayer } from './layer.ts'
import { ANALYZER_VERSION, type LayerInventory } from './model.ts'
import type { ImageLayer } from './target.ts'

/** Time before the hand-over in which nothing can be finished any more. */
const MARGIN_MS = 1_000
/** Runs in a row that finished no layer, before the job says that it never will. */
const STUCK_MAX = 2

export interface ReadLayers {
  /** Bottom up, one per layer of the image. */
  layers: LayerInventory[]
  reused: number
}

/**
 * A diffID is trusted when it was read before: the config that names it is verified by its digest, and a runtime refuses
 * to start an image whose blobs do not unpack to the diffIDs of its config.
 *
 * Hands the job over when the time is nearly used; what was read by then is kept, so the next run goes on from there.
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
  const found = new Map<string, LayerInventory>()
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
  // An unreadable layer is neither read nor reused.
  const reused = wanted.filter((layer) => !layer.unreadable && found.has(layer.diffId)).length
  const items = { done: wanted.length - missing.size, failed: 0, skipped: 0, total: wanted.length }
  const bytes = { done: 0, total: sum([...missing.values()].map((layer) => layer.descriptor.size)) }
  const tell = () => context.progress({ items: { ...items }, bytes: { ...bytes } })
  tell()

  const budget = timeBudget(context)
  try {
    // Largest first, so that a big one does not begin when all others are done.
    const queue = [...missing.values()].sort((a, b) => b.descriptor.size - a.descriptor.size)
    await inParallel(queue, limits.layersInParallelMax, budget, async (layer) => {
      const { descriptor, diffId } = layer
      const startedAt = context.clock.now()
      const source = {
        digest: descriptor.digest,
        diffId,
        open: () => client.blob(repository, descriptor, { signal: budget.signal }),
        onBytes: (count: number) => {
          bytes.done = Math.min(bytes.total, bytes.done + count)
          tell()
        },
      }
      const inventory = await readLayer(source, limits)
      await saveLayer(blobs, inventory)
      found.set(diffId, inventory)
      items.done++
      tell()
      const seconds = ((context.clock.now() - startedAt) / 1000).toFixed(1)
      log.info(`layer ${descriptor.digest} read: ${descriptor.size} bytes in ${seconds} s, ${counts(inventory)}`)
      for (const gap of inventory.gaps.slice(0, 5)) log.warn(`layer ${descriptor.digest}: ${gap}`)
    })
  } catch (error) {
    if (signal.aborted || !budget.isOver) throw error
    handOver(wanted, missing, found, context)
  } finally {
    budget.end()
  }
  return { layers: wanted.map((layer) => found.get(layer.diffId)!), reused }
}

function handOver(
  wanted: readonly ImageLayer[],
  missing: ReadonlyMap<string, ImageLayer>,
  found: ReadonlyMap<string, LayerInventory>,
  context: JobContext,
): never {
  const left = [...missing.values()].filter((layer) => !found.has(layer.diffId))
  const before = context.checkpoint
  const stuckBefore =
    typeof before === 'object' && before !== null && !Array.isArray(before) && typeof before.stuck === 'number'
      ? before.stuck
      : 0
  const stuck = left.length < missing.size ? 0 : stuckBefore + 1
  const largest = left.reduce((max, layer) => Math.max(max, layer.descriptor.size), 0)
  if (stuck >= STUCK_MAX)
    throw new LongshoreError(
      'layer-too-large',
      `in ${stuck} runs of the worker no layer could be read to its end; the largest left has ${largest} bytes. ` +
        'Give the scan function more time or memory, or run it nearer to the registry',
    )
  context.log.info(`${left.length} of ${wanted.length} layers are left for the next run`)
  return context.handOver({ stuck })
}

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
  void context.clock.sleep(Math.max(0, context.remainingMs() - MARGIN_MS), ended.signal).then(() => {
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

function emptyLayer(layer: ImageLayer): LayerInventory {
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
