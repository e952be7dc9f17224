/**
 * A layer's bytes as the tar archive they pack: gzip, zstd or plain, told by the first bytes as container runtimes do
 * (a media type that disagrees with the bytes is common and harmless). Streams with bounded memory.
 */

import type { Readable, Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import { createGunzip } from 'node:zlib'
import { Decompress } from 'fzstd'
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { ZstdFrames } from './zstd-frames.ts'

/** Measured on a 217 MB layer: with the default of 16 KiB inflating takes twice as long. */
const OUTPUT_BYTES = 262_144
/** Small socket reads are joined to this size before they go to the thread pool: one hop instead of sixteen. */
const INPUT_BYTES = 262_144
/** Packed bytes that may wait for the thread pool, so that it does not wait for the source. */
const AHEAD_BYTES = 1_048_576

/** Takes packed bytes and calls back with plain ones. */
interface Unpacker {
  write(chunk: Buffer): Promise<void> | void
  end(): Promise<void> | void
  destroy(): void
}

/**
 * Reads the whole source. `onChunk` gets each piece of the archive in order and must not keep it; what it throws ends
 * the reading. `onPacked` is told each packed piece's size. Returns the counts of both sides.
 *
 * @throws LongshoreError `layer-invalid`, `layer-too-large` (layerInflatedBytesMax, layerRatioMax),
 * `unsupported-media-type`, and whatever the source throws (`digest-mismatch`, `connection-cut`, ...)
 */
export async function inflate(
  source: Readable,
  limits: Limits,
  onChunk: (chunk: Buffer) => void,
  onPacked?: (count: number) => void,
): Promise<{ packedBytes: number; bytes: number }> {
  const count = { packedBytes: 0, bytes: 0 }
  const deliver = (chunk: Buffer) => {
    count.bytes += chunk.length
    check(count, limits)
    onChunk(chunk)
  }
  let unpacker: Unpacker | undefined
  let held: Buffer[] = []
  let heldBytes = 0
  try {
    for await (const piece of source as AsyncIterable<Buffer>) {
      count.packedBytes += piece.length
      onPacked?.(piece.length)
      held.push(piece)
      heldBytes += piece.length
      if (heldBytes < INPUT_BYTES) continue
      const chunk = held.length === 1 ? piece : Buffer.concat(held, heldBytes)
      held = []
      heldBytes = 0
      unpacker ??= choose(chunk, limits, deliver, source)
      await unpacker.write(chunk)
    }
    const last = Buffer.concat(held, heldBytes)
    unpacker ??= choose(last, limits, deliver, source)
    if (heldBytes > 0) await unpacker.write(last)
    await unpacker.end()
    return count
  } catch (error) {
    source.destroy()
    unpacker?.destroy()
    throw error
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

function choose(first: Buffer, limits: Limits, deliver: (chunk: Buffer) => void, source: Readable): Unpacker {
  const magic = first.length >= 4 ? first.readUInt32LE(0) : 0
  if ((magic & 0xffff) === 0x8b1f)
    return transforming(
      createGunzip({ chunkSize: OUTPUT_BYTES, writableHighWaterMark: AHEAD_BYTES } as zlib.ZlibOptions),
      'gzip',
      deliver,
    )
  if (magic === 0xfd2fb528 || magic >>> 4 === 0x184d2a5) return unpackZstd(limits, deliver, source)
  const other = first.toString('latin1', 0, 6)
  if (other.startsWith('BZh') || other === '\xfd7zXZ\0')
    throw new LongshoreError('unsupported-media-type', 'the layer is packed with bzip2 or xz, which OCI does not know')
  return { write: deliver, end: () => undefined, destroy: () => undefined }
}

/**
 * node:zlib inflates in the thread pool: hashing and walking go on beside it. It begins with the next piece only when
 * whoever listens has returned, so a piece is put aside first and worked on while the next one is made: measured, a
 * fifth less time for a layer. Its buffers are not used again.
 */
function transforming(transform: Transform, what: string, deliver: (chunk: Buffer) => void): Unpacker {
  let failure: unknown
  let wake: (() => void) | undefined
  const fail = (error: unknown) => {
    failure ??= error
    transform.destroy()
    wake?.()
  }
  let aside: Buffer[] = []
  const takeAside = () => {
    const chunks = aside
    aside = []
    try {
      for (const chunk of chunks) if (failure === undefined) deliver(chunk)
    } catch (error) {
      fail(error)
    }
  }
  transform.on('data', (chunk: Buffer) => {
    if (aside.push(chunk) === 1) process.nextTick(takeAside)
  })
  transform.on('error', (cause) =>
    fail(new LongshoreError('layer-invalid', `the ${what} stream cannot be read: ${cause.message}`, { cause })),
  )
  // Padding after the last gzip member ends the output before the input.
  let ended = false
  transform.on('end', () => {
    takeAside()
    ended = true
    wake?.()
  })
  const settled = (start: (done: () => void) => void) =>
    new Promise<void>((resolve, reject) => {
      wake = () => (failure === undefined ? resolve() : reject(failure))
      if (failure !== undefined || ended) wake()
      else start(wake)
    })
  return {
    write: (chunk) =>
      settled((done) => {
        if (transform.write(chunk)) done()
        else transform.once('drain', done)
      }),
    end: () => settled(() => transform.end()),
    destroy: () => transform.destroy(),
  }
}

type CreateZstd = (options: { chunkSize: number; params: Record<number, number> }) => Transform
/** In node:zlib since 22.15; the types of Node 20 do not know it. */
const native = zlib as unknown as { createZstdDecompress?: CreateZstd; constants: Record<string, number> }

/**
 * Plain bytes after which everything else has its turn: 30 ms of fzstd. A chunk may inflate to 2,000 times its size, and a
 * job that is to be stopped is told so by a timer and a socket.
 */
const BREATH_BYTES = 4_194_304

function unpackZstd(limits: Limits, deliver: (chunk: Buffer) => void, source: Readable): Unpacker {
  if (native.createZstdDecompress) {
    const transform = native.createZstdDecompress({ chunkSize: OUTPUT_BYTES, params: {} })
    const unpacker = transforming(transform, 'zstd', deliver)
    // The bytes go to the decoder whole; the frames are only judged.
    const frames = new ZstdFrames(limits.zstdWindowBytesMax)
    return {
      write: (chunk) => {
        for (const _ of frames.cut(chunk));
        return unpacker.write(chunk)
      },
      end: () => {
        frames.end()
        return unpacker.end()
      },
      destroy: () => unpacker.destroy(),
    }
  }
  let decoder: Decompress | undefined
  let sinceBreath = 0
  const output = (bytes: Uint8Array) => {
    sinceBreath += bytes.length
    deliver(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
  }
  const frames = new ZstdFrames(limits.zstdWindowBytesMax)
  const decode = (bytes: Buffer, frameEnds: boolean) => {
    decoder ??= new Decompress(output)
    try {
      // fzstd moves what it was given: a copy keeps the source's chunk intact.
      decoder.push(new Uint8Array(bytes), frameEnds)
    } catch (cause) {
      if (cause instanceof LongshoreError) throw cause
      throw new LongshoreError('layer-invalid', `the zstd stream cannot be read: ${(cause as Error).message}`, {
        cause,
      })
    }
    if (frameEnds) decoder = undefined
  }
  return {
    async write(chunk) {
      for (const { bytes, frameEnds } of frames.cut(chunk)) {
        decode(bytes, frameEnds)
        if (sinceBreath < BREATH_BYTES) continue
        sinceBreath = 0
        await new Promise((resolve) => setImmediate(resolve))
        // Whoever stopped the source waits for no more of what came before.
        if (source.errored) throw source.errored
      }
    },
    end: () => frames.end(),
    destroy: () => undefined,
  }
}
