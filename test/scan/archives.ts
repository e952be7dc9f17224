/** Tar archives that no honest writer makes, and layers around them. */
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { defaultLimits, type Limits } from '../../lib/config.ts'
import { readLayer } from '../../lib/scan/layer.ts'
import type { LayerInventory } from '../../lib/scan/model.ts'
import { type TarEntry, type TarVisitor, TarWalker } from '../../lib/scan/tar.ts'

export const END = Buffer.alloc(1024)

/** One raw header; `patch` changes its bytes before the checksum is made. */
export function header(name: string, size: number, flag = '0', patch: (block: Buffer) => void = () => {}): Buffer {
  const block = Buffer.alloc(512)
  block.write(name, 0, 100, 'utf8')
  block.write('0000644\0', 100)
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  block.write(flag, 156)
  block.write('ustar\x0000', 257, 'latin1')
  patch(block)
  block.fill(' ', 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}

/** Content filled up to whole blocks. */
export function body(content: string | Uint8Array): Buffer {
  const bytes = Buffer.from(content as string)
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)])
}

export const file = (name: string, content: string) =>
  Buffer.concat([header(name, Buffer.byteLength(content)), body(content)])

export function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  let length = Buffer.byteLength(rest)
  // The length counts its own digits.
  while (length !== Buffer.byteLength(rest) + String(length).length)
    length = Buffer.byteLength(rest) + String(length).length
  return `${length}${rest}`
}

/** What a walker makes of an archive that comes in chunks of this size. */
export function walk(archive: Buffer, chunkBytes = archive.length, limits: Limits = defaultLimits) {
  const entries: TarEntry[] = []
  const contents: Record<string, string> = Object.create(null)
  const refused: string[] = []
  const visitor: TarVisitor = {
    entry: (entry) => {
      entries.push(entry)
      return entry.type === 'file' && entry.size <= 4096
    },
    content: (entry, content) => {
      contents[entry.path] = content.toString()
    },
    refused: (sentence) => refused.push(sentence),
  }
  const walker = new TarWalker(visitor, limits)
  for (let at = 0; at < archive.length; at += chunkBytes) walker.push(archive.subarray(at, at + chunkBytes))
  walker.end()
  return { paths: entries.map((entry) => entry.path), entries, contents, refused }
}

export const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** The inventory of a layer with this archive; `packed` defaults to its gzip. */
export function inventoryOf(
  tar: Buffer,
  options: { packed?: Uint8Array; diffId?: string; limits?: Limits } = {},
): Promise<LayerInventory> {
  const packed = Buffer.from(options.packed ?? gzipSync(tar, { level: 1 }))
  const source = {
    digest: 'sha256:blob',
    diffId: options.diffId ?? sha256(tar),
    open: async () => Readable.from([packed], { objectMode: false }),
  }
  return readLayer(source, options.limits ?? defaultLimits)
}
