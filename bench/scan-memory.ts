/**
 * Question: does the memory of a scan grow with the layer, or with the number of files in it?
 *
 * Serves generated layers of 0.1, 1 and 4 GB (sizes in GB as arguments, `3M` for three million files of 20 bytes, once
 * deep in the tree and once where every path is a place to remember) over HTTP and reads each in a child process of
 * its own with a heap of 256 MB; prints the child's peak resident memory. The tar is real (entries of 1 MiB, half
 * random), the gzip has one member per entry, so that serving costs nothing. Build and run:
 *
 *   npx esbuild bench/scan-memory.ts --bundle --platform=node --format=esm \
 *     --outfile=/tmp/longshore-bench/scan-memory.mjs \
 *     --banner:js="import{createRequire}from'node:module';const require=createRequire(import.meta.url)"
 *   node /tmp/longshore-bench/scan-memory.mjs [GB | 3M]...
 */
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { systemClock } from '../lib/clock.ts'
import { defaultLimits } from '../lib/config.ts'
import { tarOf } from '../lib/local/demo/build.ts'
import { createOpenRegistry } from '../lib/oci/open.ts'
import { systemRandom } from '../lib/random.ts'
import { readLayer } from '../lib/scan/layer.ts'

const MIB = 1_048_576

if (process.argv[2] === 'child')
  await child(process.argv[3]!, process.argv[4]!, Number(process.argv[5]), process.argv[6]!)
else await parent(process.argv.slice(2))

/** Reads one layer and tells what it took. */
async function child(host: string, digest: string, size: number, diffId: string): Promise<void> {
  const open = createOpenRegistry({
    find: async (host) => ({ host, insecure: true, allowPrivate: true }),
    ecrToken: () => Promise.reject(new Error('no ECR in a benchmark')),
    limits: defaultLimits,
    clock: systemClock,
    random: systemRandom,
  })
  const client = await open(host)
  const descriptor = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size }
  const startedAt = performance.now()
  const layer = await readLayer(
    { digest, diffId, size: descriptor.size, open: () => client.blob('bench/layer', descriptor) },
    defaultLimits,
  )
  const seconds = Number(((performance.now() - startedAt) / 1000).toFixed(2))
  open.close()
  const peakRssMB = Math.round(process.resourceUsage().maxRSS / 1024)
  console.log(JSON.stringify({ tarBytes: layer.bytes, entries: layer.entries, seconds, peakRssMB }))
}

async function parent(asked: string[]): Promise<void> {
  for (const [what, layer] of layersOf(asked.length > 0 ? asked : ['0.1', '1', '4'])) {
    const server = createServer((request, response) => {
      if (!request.url?.endsWith(layer.digest)) return void response.writeHead(request.url === '/v2/' ? 200 : 404).end()
      response.writeHead(200, { 'content-length': layer.size, 'content-type': 'application/octet-stream' })
      Readable.from(layer.packed(), { objectMode: false }).pipe(response)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--max-old-space-size=256',
      fileURLToPath(import.meta.url),
      'child',
      host,
      layer.digest,
      String(layer.size),
      layer.diffId,
    ])
    server.closeAllConnections()
    server.close()
    console.log(JSON.stringify({ bench: 'scan-memory', what, packedBytes: layer.size, ...JSON.parse(stdout) }))
  }
}

function* layersOf(asked: string[]): Generator<[what: string, layer: Layer]> {
  for (const size of asked) {
    const millions = /^(\d+)M$/.exec(size)?.[1]
    if (millions === undefined) {
      yield [`${size} GB`, generated(Math.ceil((Number(size) * 1e9) / MIB))]
      continue
    }
    for (const folder of ['usr/share/lib/a/b/c', 'srv'])
      yield [`${size} files in ${folder}`, tiny(Number(millions) * 1e6, folder)]
  }
}

/** Packed again each time it is asked for: it is never in memory as a whole. */
interface Layer {
  digest: string
  diffId: string
  size: number
  packed(): Generator<Buffer>
}

/** So many files of 20 bytes: a gzip member for a thousand of them. */
function tiny(count: number, folder: string): Layer {
  const THOUSAND = 1_000
  const plain = function* () {
    for (let at = 0; at < count; at += THOUSAND) {
      const entries = Array.from({ length: Math.min(THOUSAND, count - at) }, (_, i) => ({
        path: `${folder}/f${at + i}`,
        content: `${at + i}`.padStart(20),
      }))
      yield tarOf(entries).subarray(0, -1024)
    }
    yield Buffer.alloc(1024)
  }
  const packed = function* () {
    for (const part of plain()) yield gzipSync(part, { level: 1 })
  }
  const tarHash = createHash('sha256')
  const blobHash = createHash('sha256')
  let size = 0
  for (const part of plain()) {
    tarHash.update(part)
    const bytes = gzipSync(part, { level: 1 })
    blobHash.update(bytes)
    size += bytes.length
  }
  return { digest: `sha256:${blobHash.digest('hex')}`, diffId: `sha256:${tarHash.digest('hex')}`, size, packed }
}

/** A layer of so many entries of 1 MiB, never in memory as a whole. */
function generated(entries: number): Layer {
  const content = Buffer.concat([randomBytes(MIB / 2), Buffer.alloc(MIB / 2, 'longshore ')])
  const parts: { plain: Buffer; packed: Buffer }[] = []
  for (let i = 0; i < 8; i++) {
    // Without the two end blocks.
    const plain = tarOf([{ path: `data/file-${i}`, content }]).subarray(0, -1024)
    parts.push({ plain, packed: gzipSync(plain) })
  }
  const end = Buffer.alloc(1024)
  const packedEnd = gzipSync(end)
  const packed = function* () {
    for (let i = 0; i < entries; i++) yield parts[i % 8]!.packed
    yield packedEnd
  }
  const blobHash = createHash('sha256')
  const tarHash = createHash('sha256')
  let size = 0
  for (const chunk of packed()) {
    blobHash.update(chunk)
    size += chunk.length
  }
  for (let i = 0; i < entries; i++) tarHash.update(parts[i % 8]!.plain)
  tarHash.update(end)
  return { digest: `sha256:${blobHash.digest('hex')}`, diffId: `sha256:${tarHash.digest('hex')}`, size, packed }
}
