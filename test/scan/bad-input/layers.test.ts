/**
 * Layers made to use up time or memory, each read by a process of its own whose heap is smaller than any of them, with
 * the limits as they are. Full size with LONGSHORE_BIG=1, else a fiftieth.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { defaultLimits, type Limits } from '../../../lib/config.ts'
import type { LayerName } from './hostile-layers.ts'
import type { LayerOutcome } from './layer-reader.ts'

const IS_BIG = process.env.LONGSHORE_BIG === '1'
const SCALE = IS_BIG ? 1 : 0.02
/** Ends what hangs; nothing here is about speed. */
const ENDS_MS = IS_BIG ? 1_200_000 : 240_000
const MIB = 1_048_576

const folder = mkdtempSync(join(tmpdir(), 'longshore-bad-layers-'))
const script = join(folder, 'layer-reader.mjs')
beforeAll(async () => {
  await build({
    entryPoints: [join(import.meta.dirname, 'layer-reader.ts')],
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'silent',
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url)" },
  })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Asked {
  limits?: Partial<Limits>
  scale?: number
  heapMiB?: number
  /** What a manifest tells: of a large layer gzip is unpacked in a thread of its own. */
  size?: number
}
const UNPACKERS = [
  ['node:zlib', 0],
  ['our thread', 2 ** 30],
] as const

/** In a heap of 96 MB what kept the layer, or a path of each entry, would end the process. */
async function read(
  name: LayerName,
  { limits = {}, scale = SCALE, heapMiB = 96, size = 0 }: Asked = {},
): Promise<LayerOutcome> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [`--max-old-space-size=${heapMiB}`, script, name, String(scale), JSON.stringify(limits), String(size)],
    { timeout: ENDS_MS, maxBuffer: 64 * MIB },
  )
  return JSON.parse(stdout) as LayerOutcome
}

test.each(UNPACKERS)(
  'ten GB of zeros in ten MB of gzip are read in flat memory by %s, for gzip cannot be stopped by its ratio',
  async (_, size) => {
    const outcome = await read('ten GB of zeros in ten MB of gzip', { scale: IS_BIG ? 1 : 0.1, size })
    expect(outcome.plainBytes / outcome.packedBytes).toBeGreaterThan(900)
    expect(outcome).toMatchObject({ packages: ['last'], bytes: outcome.plainBytes, entries: 2 })
    expect(outcome.grownMiB).toBeLessThan(128)
  },
  ENDS_MS,
)

test.each(UNPACKERS)(
  'ten GB of zeros end at the limit of what a layer may inflate to, by %s',
  async (_, size) => {
    const outcome = await read('ten GB of zeros in ten MB of gzip', {
      scale: 0.1,
      size,
      limits: { layerInflatedBytesMax: 100 * MIB },
    })
    expect(outcome).toMatchObject({ code: 'layer-too-large', packages: [] })
    expect(outcome.grownMiB).toBeLessThan(128)
  },
  ENDS_MS,
)

test.each<[LayerName, size?: number]>([
  ['a million gzip members'],
  ['a million gzip members', 2 ** 30],
  ['a million zstd frames'],
])(
  '%s are one archive, in flat memory',
  async (name, size) => {
    const outcome = await read(name, size === undefined ? {} : { size })
    expect(outcome).toMatchObject({ bytes: outcome.plainBytes, entries: 1_000_000 * SCALE, gaps: expect.any(Array) })
    expect(outcome.grownMiB).toBeLessThan(128)
  },
  ENDS_MS,
)

test(
  'ten million entries are walked in flat memory, and leave nothing behind',
  async () => {
    const outcome = await read('ten million entries')
    expect(outcome.entries).toBe(10_000_000 * SCALE)
    expect(outcome.inventoryBytes).toBeLessThan(1_024)
    expect(outcome.grownMiB).toBeLessThan(128)
  },
  ENDS_MS,
)

test(
  'ten million entries end at the limit of entries',
  async () => {
    expect(await read('ten million entries', { scale: 0.02, limits: { layerEntriesMax: 100_000 } })).toMatchObject({
      code: 'layer-too-large',
    })
    expect(defaultLimits.layerEntriesMax).toBeLessThanOrEqual(20_000_000)
  },
  ENDS_MS,
)

test(
  'three million tiny files are passed over within 200 MB, and the package behind them is found',
  async () => {
    const outcome = await read('three million tiny files')
    expect(outcome).toMatchObject({ packages: ['last'], entries: 3_000_000 * SCALE + 1 })
    expect(outcome.inventoryBytes).toBeLessThan(1_024)
    expect(outcome.peakMiB).toBeLessThan(200)
  },
  ENDS_MS,
)

test(
  'three million manifests that are empty are a gap, not a clean image, and no more is kept than may be',
  async () => {
    const scale = IS_BIG ? 1 : 0.005
    const outcome = await read('three million files in node_modules', { heapMiB: 512, scale })
    expect(outcome.entries).toBe(3_000_000 * scale + 1)
    expect(outcome.gaps.length).toBeGreaterThan(0)
    expect(outcome.gaps.length).toBeLessThanOrEqual(defaultLimits.gapsMax + 1)
    expect(outcome.inventoryBytes).toBeLessThan(4 * defaultLimits.layerKeptPathBytesMax)
    expect(outcome.grownMiB).toBeLessThan(512)
  },
  ENDS_MS,
)

test.each<[LayerName]>([['a package.json of 100 MB'], ['a package.json of 100 MB of open brackets']])(
  '%s is never in memory, and is told',
  async (name) => {
    const outcome = await read(name)
    expect(outcome.packages).toEqual(['last'])
    expect(outcome.gaps).toContainEqual(
      expect.stringMatching(/"app\/node_modules\/huge\/package\.json" was not read because it has more than 1048576/),
    )
    expect(outcome.grownMiB).toBeLessThan(32)
  },
  ENDS_MS,
)

test(
  'a jar of sixteen jars of sixteen jars, six floors deep, is read as far as the limits go, and told',
  async () => {
    const outcome = await read('a jar of jars of jars', { heapMiB: 256 })
    expect(outcome.plainBytes).toBeLessThan(4 * MIB)
    expect(outcome.packages).toContain('last')
    expect(outcome.gaps).toContainEqual(
      expect.stringMatching(/"opt\/app\/bomb\.jar" holds .* which cannot be read \(and \d+ more inside it\)/),
    )
    expect(outcome.grownMiB).toBeLessThan(256)
  },
  ENDS_MS,
)

test(
  'links in a chain or a circle end: what is behind more than 40 of them is in no container',
  async () => {
    const outcome = await read('a chain of a hundred thousand links')
    expect(outcome.code).toBeUndefined()
    expect(outcome.packages.length).toBeGreaterThan(0)
    expect(outcome.grownMiB).toBeLessThan(128)
  },
  ENDS_MS,
)
