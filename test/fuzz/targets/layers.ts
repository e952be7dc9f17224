/** Layers: the walk over a tar, unpacking, and the inventory that comes of both. */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { defaultLimits } from '../../../lib/config.ts'
import { zstdFrame } from '../../../lib/local/demo/zstd.ts'
import { readLayer } from '../../../lib/scan/layer.ts'
import { mergeLayers } from '../../../lib/scan/merge.ts'
import type { LayerInventory } from '../../../lib/scan/model.ts'
import { normalizePath } from '../../../lib/scan/paths.ts'
import { BLOCK } from '../../../lib/scan/tar-block.ts'
import { inflate } from '../../../lib/scan/unpack/inflate.ts'
import { body, END, file, header, paxRecord, walk } from '../../scan/archives.ts'
import type { Chance } from '../../simulation/chance.ts'
import { hold, refusing, refusingLater, type Target } from '../target.ts'

const pax = (records: string, flag = 'x') => Buffer.concat([header('pax', records.length, flag), body(records)])
const long = (flag: 'L' | 'K', name: string) => Buffer.concat([header('././@LongLink', name.length, flag), body(name)])
const link = (name: string, target: string, flag: '1' | '2') =>
  header(name, 0, flag, (block) => void block.write(target, 157))
const status = 'Package: base\nStatus: install ok installed\nVersion: 1:2.0-1\nSource: src (2.0-1)\n\n'

const ARCHIVES = [
  [file('etc/os-release', 'ID=debian\nVERSION_ID=12\n'), file('var/lib/dpkg/status', status)],
  [
    header('app/', 0, '5'),
    file('app/node_modules/a/package.json', '{"name":"a","version":"1.0.0"}'),
    link('app/lib', '../usr/lib', '2'),
    link('app/b', 'app/node_modules/a/package.json', '1'),
    file('app/.wh.gone', ''),
    file('app/.wh..wh..opq', ''),
  ],
  [
    pax(paxRecord('path', 'lib/apk/db/installed') + paxRecord('size', '20')),
    file('short', 'P:musl\nV:1.2.3-r1\n\n\n'),
    pax(paxRecord('mtime', '1.5') + paxRecord('GNU.sparse.name', 'big') + paxRecord('GNU.sparse.major', '1'), 'x'),
    file('GNUSparseFile.0/big', 'map'),
    pax(paxRecord('comment', 'global'), 'g'),
  ],
  [
    long('L', `${'deep/'.repeat(40)}package.json`),
    long('K', `${'target/'.repeat(30)}x`),
    link('name', 'link', '2'),
    header('sparse', 512, 'S', (block) => {
      block[482] = 1
    }),
    Buffer.alloc(BLOCK),
    body('x'.repeat(512)),
    header('large', 0, '0', (block) => {
      block.fill(0, 124, 136)
      block[124] = 0x80
    }),
  ],
].map((parts) => Buffer.concat([...parts, END]))

/** Headers whose checksum is wrong end the walk: most damage gets a right one. */
export function withChecksums(input: Buffer, chance: Chance): Buffer {
  if (chance.chance(0.1)) return input
  const tar = Buffer.from(input)
  for (let at = 0; at + BLOCK <= tar.length; at += BLOCK) {
    if (tar[at] === 0 && tar[at + 257] === 0) continue
    const told = tar.toString('latin1', at + 148, at + 156)
    // Content has no checksum to put right: a field of octal digits tells a header.
    if (!/^[0-7 ]{6}[\0 ]{2}$/.test(told) && !/ustar/.test(tar.toString('latin1', at + 257, at + 262))) continue
    tar.fill(' ', at + 148, at + 156)
    let sum = 0
    for (let i = at; i < at + BLOCK; i++) sum += tar[i]!
    tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1')
  }
  return tar
}

const WORDS = [
  'ustar\0',
  'tar\0',
  '.wh.',
  '.wh..wh..opq',
  'node_modules/',
  'var/lib/dpkg/status',
  '10 path=',
  '12 size=',
]

const tarWalk: Target = {
  name: 'tar',
  seeds: { inputs: ARCHIVES, words: WORDS },
  dress: withChecksums,
  run(input) {
    const told = (chunk: number) => {
      let failure = ''
      const seen = refusing(() => {
        try {
          return walk(input, chunk)
        } catch (error) {
          failure = String(error)
          throw error
        }
      })
      return { failure, seen }
    }
    const whole = told(Math.max(1, input.length))
    for (const { path } of whole.seen?.entries ?? [])
      hold(normalizePath(path) === path, `a path came through as ${JSON.stringify(path)}`)
    hold((whole.seen?.entries.length ?? 0) * BLOCK <= input.length, 'more entries than headers fit into the archive')
    for (const chunk of [1_000, 511])
      hold(JSON.stringify(told(chunk)) === JSON.stringify(whole), `pieces of ${chunk} bytes give something else`)
  },
}

const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const limits = { ...defaultLimits, layerInflatedBytesMax: 8_388_608 }

function inventoryOf(tar: Buffer): Promise<LayerInventory> {
  const source = { digest: 'sha256:blob', diffId: sha256(tar), open: async () => Readable.from([tar]) }
  return readLayer(source, limits)
}

const layer: Target = {
  name: 'layer',
  seeds: { inputs: ARCHIVES, words: WORDS },
  share: 0.5,
  dress: withChecksums,
  async run(input) {
    const top = await refusingLater(() => inventoryOf(input))
    if (!top) return
    const base = await inventoryOf(ARCHIVES[input.length % ARCHIVES.length]!)
    const { packages } = mergeLayers([base, top, base], limits)
    const known = new Set([base.diffId, top.diffId])
    for (const found of packages) hold(known.has(found.layer), `a package is in no layer: ${JSON.stringify(found)}`)
    // What is written is what is read: an inventory is kept as JSON.
    hold(
      JSON.stringify(mergeLayers(JSON.parse(JSON.stringify([base, top, base])), limits).packages) ===
        JSON.stringify(packages),
      'an inventory that was stored and read merges otherwise',
    )
  },
}

const content = Buffer.from('longshore '.repeat(500))
const packed: Target = {
  name: 'packed',
  seeds: {
    inputs: [
      gzipSync(content),
      Buffer.concat([gzipSync(content), gzipSync(content)]),
      gzipSync(Buffer.alloc(100_000)),
      zstdFrame(content),
      Buffer.concat([
        zstdFrame(content),
        Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4]),
        zstdFrame(content),
      ]),
      content,
    ],
    words: ['\x1f\x8b\x08', 'BZh', '\xfd7zXZ\0'],
  },
  share: 0.5,
  async run(input) {
    let bytes = 0
    const pieces = Array.from({ length: Math.ceil(input.length / 700) }, (_, i) =>
      input.subarray(i * 700, i * 700 + 700),
    )
    const count = await refusingLater(() =>
      inflate(Readable.from(pieces), 'sha256', limits, (chunk) => {
        bytes += chunk.length
      }),
    )
    hold(bytes <= limits.layerInflatedBytesMax, 'more than the limit came out')
    if (count) hold(count.bytes === bytes && count.packedBytes === input.length, 'bytes were lost or counted twice')
  },
}

export const layers: readonly Target[] = [tarWalk, layer, packed]
