/** A stop while a worker is inside a blob of gigabytes, inside a layer that inflates without end, or dead. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { constants, deflateRawSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { tarOf } from '../../lib/local/demo/tar.ts'
import { type RunningRegistry, startRegistry } from '../../lib/local/registry/server.ts'
import { childrenOf, freePorts, type Started, start } from '../local/start-process.ts'

const GIGABYTE = 1_073_741_824
const TIMEOUT_SECONDS = 15
/** The promise, design section 3. */
const STOP_MS = 5_000

interface Job {
  id: string
  status: string
  stopping?: boolean
  error: { code: string; message: string } | null
}

/** A blob being sent: how much has gone, and when its socket was closed. */
interface Sending {
  bytes: number
  closed: Promise<number>
  moved(bytes: number): Promise<void>
}

const sha256 = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`

/** A piece of DEFLATE that may be repeated as it is: a full flush forgets what was before. */
const flushed = (bytes: Uint8Array): Buffer => deflateRawSync(bytes, { finishFlush: constants.Z_FULL_FLUSH })
const GZIP_HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])
const ZEROS = flushed(Buffer.alloc(1_048_576))

/**
 * One endless frame of Zstandard (RFC 8878, section 3.1.1), made by hand: Node 20 cannot pack it. A window of 128 KB, no
 * content size, no checksum; then blocks. Without native decoding the bytes are inflated in the worker's own thread.
 */
const ZSTD_HEADER = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 7 << 3])
function zstdBlock(kind: 'raw' | 'repeated', bytes: number, content: Uint8Array): Buffer {
  const header = Buffer.alloc(3)
  header.writeUIntLE((bytes << 3) | ((kind === 'raw' ? 0 : 1) << 1), 0, 3)
  return Buffer.concat([header, content])
}
/** As many zeros in as many bytes as the piece of DEFLATE: a megabyte in one kilobyte. */
const ZSTD_ZEROS = Buffer.concat([
  ...Array.from({ length: 8 }, () => zstdBlock('repeated', 131_072, Buffer.alloc(1))),
  zstdBlock('raw', ZEROS.length, Buffer.alloc(ZEROS.length)),
])

/** The header of a file of so many bytes, whose content has yet to come. */
function fileHeader(path: string, size: number): Buffer {
  const header = Buffer.from(tarOf([{ path, content: 'x' }]).subarray(0, 512))
  // Octal ends at 8 GiB; beyond it GNU tar writes the number itself, marked by the highest bit.
  header.fill(0, 124, 136)
  header[124] = 0x80
  header.writeBigUInt64BE(BigInt(size), 128)
  header.fill(' ', 148, 156)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return header
}

type Kind = 'plain' | 'gzip' | 'zstd'
const PIECES: Record<Kind, Buffer> = { plain: Buffer.alloc(65_536), gzip: ZEROS, zstd: ZSTD_ZEROS }
const SUFFIXES: Record<Kind, string> = { plain: '', gzip: '+gzip', zstd: '+zstd' }
const ENDLESS_FILE = fileHeader('zeros', 60 * GIGABYTE)
const BEGINNINGS: Record<Kind, Buffer | undefined> = {
  plain: undefined,
  gzip: Buffer.concat([GZIP_HEADER, flushed(ENDLESS_FILE)]),
  zstd: Buffer.concat([ZSTD_HEADER, zstdBlock('raw', ENDLESS_FILE.length, ENDLESS_FILE)]),
}

/** A registry with an image of each kind whose one layer goes on and on. */
async function endless() {
  const sendings: Sending[] = []
  const heard = new Set<() => void>()
  const images = (['plain', 'gzip', 'zstd'] as const).map((kind) => {
    const config = JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [sha256(`diff ${kind}`)] },
    })
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: sha256(config), size: config.length },
      layers: [
        {
          mediaType: `application/vnd.oci.image.layer.v1.tar${SUFFIXES[kind]}`,
          digest: sha256(`layer ${kind}`),
          size: kind === 'plain' ? 4 * GIGABYTE : 60_000 * PIECES[kind].length,
        },
      ],
    })
    return { kind, config, manifest, layer: sha256(`layer ${kind}`) }
  })
  const server = createServer((request, response) => {
    response.on('error', () => {})
    const path = request.url ?? ''
    const image = images.find(({ kind }) => path.includes(`/${kind}/`))
    const text = (type: string, body: string) => {
      response.writeHead(200, {
        'content-type': type,
        'content-length': body.length,
        'docker-content-digest': sha256(body),
      })
      response.end(request.method === 'HEAD' ? undefined : body)
    }
    if (path.includes('/manifests/') && image) text('application/vnd.oci.image.manifest.v1+json', image.manifest)
    else if (image && path.endsWith(sha256(image.config))) text('application/octet-stream', image.config)
    else if (image && path.endsWith(image.layer) && request.method === 'GET') send(response, image.kind)
    else response.writeHead(path === '/v2/' ? 200 : 404).end()
  })

  function send(response: ServerResponse, kind: Kind): void {
    const sending: Sending = {
      bytes: 0,
      closed: once(response, 'close').then(() => performance.now()),
      moved: (bytes) =>
        new Promise((resolve) => {
          const look = () => {
            if (sending.bytes < bytes) return
            heard.delete(look)
            resolve()
          }
          heard.add(look)
          look()
        }),
    }
    sendings.push(sending)
    for (const listener of heard) listener()
    response.writeHead(200, { 'content-type': 'application/octet-stream' })
    const body = Readable.from(layer(kind, sending))
    response.on('close', () => body.destroy())
    body.pipe(response)
  }

  /** Some 60 MB a second of plain bytes, 60 GB of inflated ones: more than anybody reads. */
  async function* layer(kind: Kind, sending: Sending): AsyncGenerator<Uint8Array> {
    const piece = PIECES[kind]
    const beginning = BEGINNINGS[kind]
    if (beginning) yield beginning
    for (;;) {
      yield piece
      sending.bytes += piece.length
      for (const listener of heard) listener()
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** The next layer somebody asks for. */
    async next(): Promise<Sending> {
      const seen = sendings.length
      while (sendings.length === seen) await new Promise<void>((resolve) => void heard.add(resolve))
      return sendings.at(-1)!
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

describe.runIf(process.env.LONGSHORE_KILLS)('a stop', () => {
  let folder: string
  let source: Awaited<ReturnType<typeof endless>>
  let target: RunningRegistry
  let service: Started

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'longshore-stop-'))
    ;[source, target] = await Promise.all([endless(), startRegistry({ dataDir: join(folder, 'target') })])
    const [port] = (await freePorts(1)) as [number]
    service = start({
      port,
      env: {
        LONGSHORE_DATA: join(folder, 'data'),
        LONGSHORE_DEMO: 'off',
        LONGSHORE_REGISTRIES: JSON.stringify(
          [source.host, target.host].map((host) => ({ host, insecure: true, allowPrivate: true })),
        ),
        LONGSHORE_WORKER_PROCESSES: '1',
        LONGSHORE_FUNCTION_TIMEOUT_SECONDS: `${TIMEOUT_SECONDS}`,
        LONGSHORE_LEASE_MARGIN_SECONDS: '1',
        LONGSHORE_TICK_SECONDS: '1',
        LONGSHORE_LOG_LEVEL: 'CRITICAL',
        ...(process.env.LONGSHORE_BUILT ? { LONGSHORE_BUILT: '1' } : {}),
      },
    })
    await service.ready()
  }, 60_000)

  afterAll(async () => {
    service?.sweep()
    await service?.gone()
    await Promise.all([source?.close(), target?.close()])
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  })

  const submit = async (type: string, params: object): Promise<string> => {
    const { status, body } = await service.call<Job>('POST', '/v1/jobs', { type, params })
    expect(status, JSON.stringify(body)).toBe(202)
    return body.id
  }
  /** The job as it ended, and how long after `from` that was. */
  const endOf = async (id: string, from: number): Promise<{ job: Job; ms: number }> => {
    for (;;) {
      const { body } = await service.call<Job>('GET', `/v1/jobs/${id}?wait=20`)
      if (['success', 'error', 'stopped', 'canceled'].includes(body.status))
        return { job: body, ms: performance.now() - from }
    }
  }
  const copy = (name: string) => ({
    source: `${source.host}/plain/image:1.0`,
    target: `${target.host}/copies/${name}:1.0`,
  })

  const cases = [
    ['a replication in the middle of a blob of 4 GB', 'replicate', () => copy('big'), 20_000_000],
    [
      'a scan in the middle of a layer that inflates to 60 GB',
      'scan',
      () => ({ image: `${source.host}/gzip/image:1.0` }),
      300_000,
    ],
    [
      'a scan in the middle of a zstd layer that inflates to 60 GB',
      'scan',
      () => ({ image: `${source.host}/zstd/image:1.0` }),
      600_000,
    ],
  ] as const
  for (const [name, type, params, bytes] of cases)
    test(`of ${name} is effective within 5 s, down to the socket`, { timeout: 60_000 }, async () => {
      const asked = source.next()
      const id = await submit(type, params())
      const sending = await asked
      await sending.moved(bytes)
      const from = performance.now()
      const { status, body } = await service.call<Job>('POST', `/v1/jobs/${id}/stop`)
      expect([status, body.status, body.stopping]).toEqual([202, 'running', true])
      const { job, ms } = await endOf(id, from)
      expect(job).toMatchObject({ status: 'stopped', error: { code: 'stopped-by-user' } })
      expect(ms).toBeLessThan(STOP_MS)
      expect((await sending.closed) - from).toBeLessThan(STOP_MS)
      process.stdout.write(`${name}: stopped ${Math.round(ms)} ms after it was asked\n`)
    })

  test('of a job whose worker is dead ends it as stopped at the end of its lease', { timeout: 60_000 }, async () => {
    const asked = source.next()
    const id = await submit('replicate', copy('dead'))
    const from = performance.now()
    await (await asked).moved(1_000_000)
    for (const pid of childrenOf(service.pid)) process.kill(pid, 'SIGKILL')
    const { status } = await service.call<Job>('POST', `/v1/jobs/${id}/stop`)
    expect(status).toBe(202)
    const { job, ms } = await endOf(id, from)
    expect(job).toMatchObject({ status: 'stopped', error: { code: 'stopped-by-user' } })
    // Lease = the function's time and the margin; then a tick.
    expect(ms).toBeLessThan((TIMEOUT_SECONDS + 1 + 6) * 1000)
    process.stdout.write(`stop of a job whose worker is dead: stopped ${Math.round(ms)} ms after its start\n`)
  })
})
