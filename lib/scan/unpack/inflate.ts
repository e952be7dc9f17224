/**
 * A layer's bytes as the tar archive they pack: gzip, zstd or plain, told by the first bytes as container runtimes do
 * (a media type that disagrees with the bytes is common and harmless). Streams with bounded memory.
 */

import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import type { Limits } from '../../config.ts'
import { LongshoreError } from '../../errors.ts'
import { gunzip, isGunzipBegun } from './gunzip.ts'
import { gunzipThroughNode } from './through-node.ts'
import { type Deliver, joined, type Unpacker } from './unpacker.ts'
import { unzstd } from './zstd.ts'

/** Small socket reads are joined to this size before they are unpacked: one hop to another thread instead of sixteen. */
const INPUT_BYTES = 262_144
/** Packed: node:zlib has done half of that before a thread of ours would have begun. */
const THREAD_BYTES_MIN = 16_777_216
/** Packed, where the thread has begun: what is smaller is done at once. */
const BEGUN_BYTES_MIN = 65_536

export interface InflateOptions {
  /** Packed bytes, when they are known: what is large is unpacked in a thread of its own. */
  size?: number | undefined
  /** Ends the reading, also when all packed bytes have come and what they inflate to has not. */
  signal?: AbortSignal | undefined
  /** Told each packed piece's size. */
  onPacked?: ((bytes: number) => void) | undefined
}

/**
 * Reads the whole source. `deliver` gets each piece of the archive in order and must not keep it; what it throws ends
 * the reading. Returns the counts of both sides, and the digest of the archive in hexadecimal by `algorithm`.
 *
 * @throws LongshoreError `layer-invalid`, `layer-too-large` (layerInflatedBytesMax, layerRatioMax),
 * `unsupported-media-type`, and whatever the source throws (`digest-mismatch`, `connection-cut`, ...); the signal's reason
 */
export async function inflate(
  source: Readable,
  algorithm: string,
  limits: Limits,
  deliver: Deliver,
  { size = 0, signal, onPacked }: InflateOptions = {},
): Promise<{ packedBytes: number; bytes: number; digest: string }> {
  const hash = createHash(algorithm)
  const count = { packedBytes: 0, bytes: 0 }
  const counted = (chunk: Buffer) => {
    signal?.throwIfAborted()
    count.bytes += chunk.length
    check(count, limits)
    hash.update(chunk)
    deliver(chunk)
  }
  let unpacker: Unpacker | undefined
  let held: Buffer[] = []
  let heldBytes = 0
  const begin = () => choose(joined(held), { size, limits, deliver: counted, source })
  const stop = () => unpacker?.destroy(signal?.reason)
  signal?.addEventListener('abort', stop)
  try {
    for await (const piece of source as AsyncIterable<Buffer>) {
      count.packedBytes += piece.length
      onPacked?.(piece.length)
      held.push(piece)
      heldBytes += piece.length
      if (heldBytes < INPUT_BYTES) continue
      unpacker ??= begin()
      await unpacker.write(held)
      held = []
      heldBytes = 0
    }
    unpacker ??= begin()
    if (heldBytes > 0) await unpacker.write(held)
    await unpacker.end()
    return { ...count, digest: hash.digest('hex') }
  } catch (error) {
    source.destroy()
    unpacker?.destroy(error)
    throw error
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

function check(count: { packedBytes: number; bytes: number }, limits: Limits): void {
  if (count.bytes > limits.layerInflatedBytesMax)
    throw new LongshoreError(
      'layer-too-large',
      `the layer inflates to more than ${limits.layerInflatedBytesMax} bytes (limit layerInflatedBytesMax)`,
    )
  if (count.bytes > limits.layerRatioFreeBytes && count.bytes > count.packedBytes * limits.layerRatioMax)
    throw new LongshoreError(
      'layer-too-large',
      `the layer inflates to more than ${limits.layerRatioMax} times its size (limit layerRatioMax)`,
    )
}

function choose(
  head: Buffer,
  { size, limits, deliver, source }: { size: number; limits: Limits; deliver: Deliver; source: Readable },
): Unpacker {
  const magic = head.length >= 4 ? head.readUInt32LE(0) : 0
  if ((magic & 0xffff) === 0x8b1f)
    return (
      (size >= (isGunzipBegun() ? BEGUN_BYTES_MIN : THREAD_BYTES_MIN) ? gunzip(deliver) : undefined) ??
      gunzipThroughNode(deliver)
    )
  if (magic === 0xfd2fb528 || magic >>> 4 === 0x184d2a5) return unzstd(limits, deliver, source)
  const other = head.toString('latin1', 0, 6)
  if (other.startsWith('BZh') || other === '\xfd7zXZ\0')
    throw new LongshoreError('unsupported-media-type', 'the layer is packed with bzip2 or xz, which OCI does not know')
  return { write: (pieces) => pieces.forEach(deliver), end: () => undefined, destroy: () => undefined }
}
