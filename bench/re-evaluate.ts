/**
 * Question: what does a new advisory revision cost a fleet that has been scanned? How long does a rescan of a stored
 * inventory take, how long until the images that a revision concerns are known, and what does each of those cost?
 *
 *   npx esbuild bench/re-evaluate.ts --bundle --platform=node --format=esm --target=node20 \
 *     --outfile=/tmp/longshore-bench/re-evaluate.mjs \
 *     --banner:js="import{createRequire}from'node:module';const require=createRequire(import.meta.url)"
 *   node /tmp/longshore-bench/re-evaluate.mjs [images=10000] [changed=300]
 *
 * Goals: rescan of 321 packages <= 5 ms p50; 10,000 images and 300 changed packages: affected set <= 50 ms; CPU in
 * proportion to the images that are affected. Tables, queues and blobs are in memory: this is our own time only.
 */
import { cpus } from 'node:os'
import { buildRevision } from '../lib/advisories/build.ts'
import type { AdvisorySource } from '../lib/advisories/source.ts'
import { memoryBlobs } from '../lib/blobs/memory.ts'
import { systemClock } from '../lib/clock.ts'
import { defaultLimits } from '../lib/config.ts'
import { type Environment, silentLog } from '../lib/job/environment.ts'
import { imageItems } from '../lib/job/image-items.ts'
import { RE_EVALUATE } from '../lib/job/message.ts'
import { memoryQueue } from '../lib/queue/memory.ts'
import { systemRandom } from '../lib/random.ts'
import { revisionOf } from '../lib/scan/current-advisories.ts'
import { judgeImage } from '../lib/scan/images/judge.ts'
import { keepScan } from '../lib/scan/images/keep.ts'
import { loadImageByDigest, saveImage } from '../lib/scan/inventories.ts'
import { ANALYZER_VERSION, type ImageInventory, type ImagePackage } from '../lib/scan/model.ts'
import { decodeBase, EMPTY_BASE, encodeBase, entriesWith, mergeIndex } from '../lib/scan/package-index/base.ts'
import { indexEntry, keyOfPackage } from '../lib/scan/package-index/entry.ts'
import type { Segment } from '../lib/scan/package-index/segment.ts'
import { reEvaluate } from '../lib/scan/re-evaluate/images.ts'
import { tick } from '../lib/scan/re-evaluate/tick.ts'
import { memoryStore } from '../lib/store/memory.ts'
import type { Store } from '../lib/store/port.ts'

const FLEET = Number(process.argv[2] ?? 10_000)
const CHANGED = Number(process.argv[3] ?? 300)
const BASES = 50
const OS_PACKAGES = 110
const NPM_PACKAGES = 211
const NPM_NAMES = 5_000

const say = (what: string, value: string) => console.log(`${what.padEnd(58)} ${value}`)
const median = (times: number[]): number => times.sort((a, b) => a - b)[times.length >> 1]!
const ms = (value: number): string => `${value.toFixed(1)} ms`
say('machine', `${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}`)

/** Seeded, so that two runs measure the same fleet. */
let state = 7
const random = (below: number): number => {
  // mulberry32
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) % below
}

const sha = (kind: string, n: number) => `sha256:${`${kind}${n}`.padStart(64, '0')}`

/** Debian packages of one of 50 bases, and an application's own choice of npm packages, as `node_modules` has them. */
function inventoryOf(n: number): ImageInventory {
  const base = n % BASES
  const os = Array.from({ length: OS_PACKAGES }, (_, i): ImagePackage => {
    const name = `os${(base * 7 + i) % 400}`
    const version = `1.${base % 5}-1`
    return {
      kind: 'dpkg',
      name: `lib${name}`,
      version,
      architecture: 'amd64',
      source: { name, version },
      path: 'var/lib/dpkg/status',
      layer: sha('b', base),
    }
  })
  const npm = Array.from({ length: NPM_PACKAGES }, (_, i): ImagePackage => {
    const name = `pkg${random(NPM_NAMES)}`
    return {
      kind: 'npm',
      name,
      version: `${random(4)}.${i}.0`,
      path: `app/node_modules/${i}/package.json`,
      layer: sha('a', n),
    }
  })
  return {
    analyzer: ANALYZER_VERSION,
    digest: sha('d', n),
    platform: 'linux/amd64',
    os: { id: 'debian', version: '12' },
    packages: [...os, ...npm],
    layers: [sha('b', base), sha('a', n)].map((diffId) => ({ digest: diffId, diffId })),
    gaps: [],
    kind: 'image',
  }
}

// The index: how large, how fast.
const segments: Segment[] = Array.from({ length: FLEET }, (_, n) => ({ ...indexEntry(inventoryOf(n), []), at: 1 }))
let at = performance.now()
const merged = mergeIndex(EMPTY_BASE, segments)
say(`merge ${FLEET} segments into a base`, ms(performance.now() - at))
say(
  'keys, groups, numbers',
  `${merged.keys.length}, ${merged.groupIds.length}, ${merged.groups.values.length + merged.members.values.length}`,
)
at = performance.now()
const file = encodeBase(merged)
say('write it, gzipped', `${ms(performance.now() - at)}, ${(file.length / 1e6).toFixed(1)} MB`)
at = performance.now()
const opened = decodeBase(file)
say('read it', ms(performance.now() - at))
segments.length = 0
const changed = new Set<string>()
while (changed.size < CHANGED)
  changed.add(
    changed.size % 3 === 0
      ? keyOfPackage('Debian:12', `os${random(400)}`)
      : keyOfPackage('npm', `pkg${random(NPM_NAMES)}`),
  )
const queries: number[] = []
let affected = 0
for (let i = 0; i < 31; i++) {
  at = performance.now()
  affected = new Set(entriesWith(opened, changed).map(({ digest }) => digest)).size
  queries.push(performance.now() - at)
}
say(
  `affected set of ${CHANGED} changed packages, first / median`,
  `${ms(queries[0]!)} / ${ms(median(queries))}, ${affected} images`,
)
const one = new Set([keyOfPackage('npm', 'pkg17')])
queries.length = 0
for (let i = 0; i < 31; i++) {
  at = performance.now()
  affected = entriesWith(opened, one).length
  queries.push(performance.now() - at)
}
say('images that hold one package, median', `${ms(median(queries))}, ${affected} images`)

// Re-evaluation: so many images are stored, so many are affected.
const records = (fixed: string, hot: number) => ({
  npm: Array.from({ length: 500 }, (_, i) => osv(`GHSA-npm-${i}`, 'npm', `pkg${i * 3}`, '2.0.0')),
  Debian: [
    ...Array.from({ length: 200 }, (_, i) => osv(`CVE-2024-${1_000 + i}`, 'Debian:12', `os${i * 2}`, '1.3-1')),
    // One package of the bases below `hot`: those images are the affected ones.
    ...Array.from({ length: hot }, (_, base) => osv(`CVE-2025-${1_000 + base}`, 'Debian:12', `hot${base}`, fixed)),
  ],
})
const osv = (id: string, ecosystem: string, name: string, fixed: string) => ({
  id,
  modified: '2026-01-02T03:04:05Z',
  summary: `a flaw of ${name}`,
  severity: [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' }],
  affected: [
    { package: { ecosystem, name }, ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed }] }] },
  ],
})
const sourceOf = (all: Record<string, object[]>): AdvisorySource => ({
  name: 'the benchmark',
  ecosystems: async () => Object.keys(all),
  async *records(ecosystem) {
    for (const [n, record] of (all[ecosystem] ?? []).entries())
      yield { name: `${n}.json`, bytes: Buffer.from(JSON.stringify(record)) }
  },
})

const STORED = Math.min(FLEET, 1_000)
const counts = { reads: 0, writes: 0, messages: 0 }
const inner = memoryStore()
const store: Store = {
  ...inner,
  get: (key) => {
    counts.reads++
    return inner.get(key)
  },
  getMany: (keys) => {
    counts.reads += Math.ceil(keys.length / 100)
    return inner.getMany(keys)
  },
  update: (...args) => {
    counts.writes++
    return inner.update(...args)
  },
}
const blobs = memoryBlobs()
const queue = memoryQueue({ clock: systemClock, visibilityTimeoutSeconds: 1_800 })
const env: Environment = {
  store,
  blobs,
  queue: {
    ...queue,
    send: (name, messages) => {
      counts.messages += messages.length
      return queue.send(name, messages)
    },
  },
  events: { put: async () => {} },
  clock: systemClock,
  random: systemRandom,
  limits: defaultLimits,
  types: new Map(),
  log: silentLog,
  registries: () => {
    throw new Error('a registry was asked')
  },
  workersDeadBefore: 0,
}
const invocation = { requestId: 'bench', remainingMs: () => 300_000, timeoutMs: 300_000 }
const publish = (fixed: string, hot: number) =>
  buildRevision({ source: sourceOf(records(fixed, hot)), blobs, limits: defaultLimits })
const first = await publish('1.0-1', BASES)
const keeper = { images: imageItems(env, 'bench'), blobs, clock: systemClock, limits: defaultLimits, tenant: 'bench' }
const scans: number[] = []
/** What a scan of a known digest does once it runs. */
async function rescan(n: number): Promise<number> {
  const at = performance.now()
  const known = (await loadImageByDigest(blobs, sha('d', n)))!
  const database = await revisionOf(blobs, first.revision)
  await keepScan(await judgeImage(`registry.example/team/app${n}:1`, known, database, env), known.digest, keeper)
  return performance.now() - at
}
for (let n = 0; n < STORED; n++) {
  const inventory = inventoryOf(n)
  const hot = `hot${n % BASES}`
  inventory.packages[0] = { ...inventory.packages[0]!, name: `lib${hot}`, source: { name: hot, version: '1.0-1' } }
  await saveImage(blobs, inventory, { digest: inventory.digest, platform: '' })
  scans.push(await rescan(n))
}
say(
  'first scan of a stored inventory of 321 packages, median',
  `${ms(median(scans))} with report, item and index segment`,
)
scans.length = 0
for (let n = 0; n < STORED; n++) scans.push(await rescan(n))
say('rescan of it, median', `${ms(median(scans))} with report and item`)
await tick(env, { ...invocation, requestId: 'tick-0' })
for (;;) {
  const [message] = await queue.receive(RE_EVALUATE, { max: 1, waitSeconds: 0 })
  if (!message) break
  await reEvaluate(message.body, env, invocation)
  await queue.remove(RE_EVALUATE, message.receipt)
}
const row: string[] = []
for (const [i, hot] of [2, 5, 10, 20, 40].entries()) {
  // Only the first `hot` bases have another fix than before.
  const all = records(`1.${i + 1}-1`, hot)
  const rest = records('1.0-1', BASES).Debian.slice(200 + hot)
  await buildRevision({ source: sourceOf({ ...all, Debian: [...all.Debian, ...rest] }), blobs, limits: defaultLimits })
  Object.assign(counts, { reads: 0, writes: 0, messages: 0 })
  const cpu = process.cpuUsage()
  at = performance.now()
  const { images = 0 } = await tick(env, { ...invocation, requestId: `tick-${i + 1}` })
  const found = performance.now() - at
  for (;;) {
    const [message] = await queue.receive(RE_EVALUATE, { max: 1, waitSeconds: 0 })
    if (!message) break
    await reEvaluate(message.body, env, invocation)
    await queue.remove(RE_EVALUATE, message.receipt)
  }
  const { user, system } = process.cpuUsage(cpu)
  const each = (user + system) / 1000 / images
  row.push(`${images}: ${each.toFixed(2)}`)
  say(
    `${images} of ${STORED} images affected`,
    `tick ${ms(found)}, ${each.toFixed(2)} ms CPU each, per image ${(counts.reads / images).toFixed(2)} reads, ` +
      `${(counts.writes / images).toFixed(2)} writes, ${(counts.messages / images).toFixed(3)} messages`,
  )
}
say('ms CPU for each affected image', row.join(', '))
