/** A process that reads one hostile layer with the limits as they are, and tells what came of it and what it took. */
import { existsSync, readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { defaultLimits } from '../../../lib/config.ts'
import { LongshoreError } from '../../../lib/errors.ts'
import { readLayer } from '../../../lib/scan/layer.ts'
import { mergeLayers } from '../../../lib/scan/merge.ts'
import { LAYERS, type LayerName } from './hostile-layers.ts'

export interface LayerOutcome {
  code?: string
  packages: string[]
  /** Of the image that is this layer alone. */
  gaps: string[]
  entries: number
  bytes: number
  packedBytes: number
  plainBytes: number
  /** Bytes of the inventory as it is stored. */
  inventoryBytes: number
  /** Resident memory above what the process had before it read. */
  grownMiB: number
  peakMiB: number
}

const [, , name, scale, limits, size] = process.argv
const layer = LAYERS[name as LayerName](Number(scale))
const outcome: LayerOutcome = {
  packages: [],
  gaps: [],
  entries: 0,
  bytes: 0,
  packedBytes: layer.packedBytes,
  plainBytes: layer.plainBytes,
  inventoryBytes: 0,
  grownMiB: 0,
  peakMiB: 0,
}
/**
 * MiB. What Linux says of a process's children begins with what the parent had when they were forked, so a large test
 * runner would count: VmHWM is of this program alone.
 */
const peak = (): number => {
  const told = existsSync('/proc/self/status') && /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))
  return (told ? Number(told[1]) : process.resourceUsage().maxRSS) / 1024
}
const before = peak()
try {
  const inventory = await readLayer(
    {
      digest: 'sha256:blob',
      diffId: layer.diffId,
      size: Number(size),
      open: async () => Readable.from(layer.packed(), { objectMode: false }),
    },
    { ...defaultLimits, ...JSON.parse(limits ?? '{}') },
  )
  const merged = mergeLayers([inventory], defaultLimits)
  outcome.packages = merged.packages.slice(0, 10).map(({ name }) => name)
  outcome.gaps = merged.gaps
  outcome.entries = inventory.entries
  outcome.bytes = inventory.bytes
  outcome.inventoryBytes = JSON.stringify(inventory).length
} catch (error) {
  if (!(error instanceof LongshoreError)) throw error
  outcome.code = error.code
}
outcome.grownMiB = Math.round(peak() - before)
outcome.peakMiB = Math.round(peak())
process.stdout.write(JSON.stringify(outcome))
