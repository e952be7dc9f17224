/** What is asked of the service: images of several megabytes, some that cannot be read, and several hundred jobs. */
import { type BuiltImage, image, layer } from '../../lib/local/demo/build.ts'
import { push } from '../../lib/local/demo/push.ts'
import type { Hooks } from '../../lib/local/registry/faults.ts'
import type { seededRandom } from '../job/world.ts'

type Random = ReturnType<typeof seededRandom>

const IMAGES = 24
const MEGABYTE = 1_048_576

/** Blobs of these repositories are not what their digests say, or are not there. */
export const spoiling: Hooks = ({ method, path }) => {
  if (method !== 'GET' || !path.includes('/blobs/')) return undefined
  if (path.startsWith('/v2/bad/gone/')) return { status: 404 }
  if (path.startsWith('/v2/bad/flipped/')) return { flipBitAtByte: 100 }
  return undefined
}

export interface PlannedJob {
  key: string
  type: 'scan' | 'replicate'
  params: { image: string } | { source: string; target: string }
  /** Milliseconds after its acceptance when somebody stops it. */
  stopAfterMs?: number
  /** It can only end as error, or as stopped. */
  bad: boolean
}

/** Pushes the images; all sizes and bytes follow from the seed. */
export async function fill(url: string, random: Random): Promise<void> {
  const base = layer([{ path: 'app/node_modules/ms/package.json', content: '{"name":"ms","version":"0.7.0"}' }])
  for (let n = 0; n < IMAGES; n++) await push(url, `apps/app${n}`, '1.0', built(n, base, random))
  await push(url, 'bad/gone', '1.0', built(100, base, random))
  await push(url, 'bad/flipped', '1.0', built(101, base, random))
}

function built(n: number, base: ReturnType<typeof layer>, random: Random): BuiltImage {
  const megabytes = 1 + Math.floor(random.next() * 4)
  const content = Buffer.from(random.bytes(4096))
  // Different bytes that a compressor cannot shrink: a block that is shifted and numbered.
  const filling = Buffer.concat(
    Array.from({ length: (megabytes * MEGABYTE) / 4096 }, (_, at) => {
      const block = Buffer.from(content)
      block.writeUInt32LE(at * 1000 + n, (at * 8) % 4000)
      return block
    }),
  )
  const data = layer([{ path: `data/${n}`, content: filling }], { compression: 'none' })
  return image({ layers: [base, data] })
}

/** Scans and replications, a tenth of them bad, a tenth of them stopped, many of them on the same few target tags. */
export function plan(count: number, source: string, target: string, random: Random): PlannedJob[] {
  return Array.from({ length: count }, (_, n) => {
    const bad = random.next() < 0.1
    const from = bad
      ? `${source}/bad/${random.next() < 0.5 ? 'gone' : 'flipped'}:1.0`
      : `${source}/apps/app${Math.floor(random.next() * IMAGES)}:1.0`
    const shared = random.next() < 0.2
    const to = shared ? `${target}/shared/tag${Math.floor(random.next() * 3)}:latest` : `${target}/copies/c${n}:1.0`
    const isScan = random.next() < 0.45
    return {
      key: `kill-${n}-${Math.floor(random.next() * 1e9)}`,
      type: isScan ? 'scan' : 'replicate',
      params: isScan ? { image: from } : { source: from, target: to },
      bad,
      ...(random.next() < 0.1 ? { stopAfterMs: Math.floor(random.next() * 3_000) } : {}),
    }
  })
}
