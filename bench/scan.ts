/**
 * Question: is a cold scan faster than unpacking the image's layers?
 *
 * Pulls an image over HTTP with all digests and diffIDs verified, makes its inventory, and compares the time with
 * `gzip -dc` of the same layers from files, in pairs. Build and run:
 *
 *   npx esbuild bench/scan.ts --bundle --platform=node --format=esm --outfile=/tmp/longshore-bench/scan.mjs \
 *     --banner:js="import{createRequire}from'node:module';const require=createRequire(import.meta.url)"
 *   node /tmp/longshore-bench/scan.mjs 127.0.0.1:5601/lab/debian:12 [pairs]
 */
import { execFileSync } from 'node:child_process'
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { memoryBlobs } from '../lib/blobs/memory.ts'
import { systemClock } from '../lib/clock.ts'
import { defaultLimits } from '../lib/config.ts'
import type { JobContext } from '../lib/job/define.ts'
import { tagClaims } from '../lib/job/tag-claims.ts'
import { createOpenRegistry } from '../lib/oci/open.ts'
import { parseReference } from '../lib/oci/reference.ts'
import { systemRandom } from '../lib/random.ts'
import { mergeLayers } from '../lib/scan/merge.ts'
import { readLayers } from '../lib/scan/read-layers.ts'
import { findSubject } from '../lib/scan/target.ts'
import { memoryStore } from '../lib/store/memory.ts'

const limits = defaultLimits
const reference = parseReference(process.argv[2] ?? '127.0.0.1:5601/lab/debian:12')
const pairs = Number(process.argv[3] ?? 7)
const open = createOpenRegistry({
  find: async (host) => ({ host, insecure: true, allowPrivate: true }),
  ecrToken: () => Promise.reject(new Error('no ECR in a benchmark')),
  limits,
  clock: systemClock,
  random: systemRandom,
})
const client = await open(reference.registry)
const { repository } = reference
const { signal } = new AbortController()
const found = await client.resolve(repository, reference.digest ?? reference.tag ?? 'latest')
if (!found) throw new Error(`no such image: ${process.argv[2]}`)
const { digest } = found

/** A scan that knows nothing: its blob store is new. */
async function coldScan() {
  const never = () => {
    throw new Error('the benchmark has no end to hand over to')
  }
  const context: JobContext = {
    jobId: 'bench',
    tenant: 'bench',
    attempt: 1,
    image: { registry: reference.registry, repository, digest },
    log: { info() {}, warn() {} },
    phase() {},
    progress() {},
    signal,
    clock: systemClock,
    limits,
    blobs: memoryBlobs(),
    registry: open,
    order: {
      acceptance: '0#bench',
      leaseUntil: 0,
      claims: tagClaims(memoryStore(), 'bench', defaultLimits),
      followUp: async () => 'none',
    },
    leases: { take: async () => undefined, release: async () => {} },
    images: undefined as never,
    checkpoint: undefined,
    save: () => {},
    isStopped: () => false,
    remainingMs: () => 900_000,
    wholeRunMs: 900_000,
    cancel: never,
    snooze: never,
    handOver: never,
  }
  const subject = await findSubject(digest, undefined, { client, repository, limits, signal })
  if (subject.kind !== 'image') throw new Error('not an image')
  const { layers } = await readLayers(subject.layers, client, repository, context, limits)
  return { subject, layers, merged: mergeLayers(layers, limits) }
}

const folder = mkdtempSync(join(tmpdir(), 'longshore-bench-'))
try {
  const { subject, layers, merged } = await coldScan()
  const files: string[] = []
  for (const { descriptor } of subject.layers) {
    const path = join(folder, `${files.length}.gz`)
    await pipeline(await client.blob(repository, descriptor), createWriteStream(path))
    files.push(path)
  }
  const scans: number[] = []
  const unpacks: number[] = []
  for (let i = 0; i < pairs; i++) {
    let startedAt = performance.now()
    await coldScan()
    scans.push(performance.now() - startedAt)
    startedAt = performance.now()
    for (const file of files) execFileSync('sh', ['-c', 'exec gzip -dc "$0" > /dev/null', file])
    unpacks.push(performance.now() - startedAt)
  }
  const ratios = scans.map((ms, i) => ms / unpacks[i]!)
  console.log(
    JSON.stringify({
      bench: 'scan',
      machine: `${cpus().length} x ${cpus()[0]?.model.trim()}`,
      node: process.version,
      image: process.argv[2],
      layers: layers.length,
      packedBytes: subject.layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0),
      tarBytes: layers.reduce((sum, { bytes }) => sum + bytes, 0),
      entries: layers.reduce((sum, { entries }) => sum + entries, 0),
      packages: merged.packages.length,
      pairs,
      scanMs: spread(scans),
      gzipMs: spread(unpacks),
      ratio: spread(ratios, 3),
      peakRssMB: Math.round(process.resourceUsage().maxRSS / 1024),
    }),
  )
} finally {
  open.close()
  rmSync(folder, { recursive: true, force: true })
}

function spread(numbers: number[], digits = 0) {
  const sorted = [...numbers].sort((a, b) => a - b)
  const round = (n: number) => Number(n.toFixed(digits))
  return { median: round(sorted[sorted.length >> 1]!), min: round(sorted[0]!), max: round(sorted.at(-1)!) }
}
