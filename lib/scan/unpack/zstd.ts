/** zstd, by node:zlib where it can (since Node 22.15) and by fzstd where it cannot. */
import type { Readable, Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import type { Decompress } from 'fzstd'
import type { Limits } from '../../config.ts'
import { LongshoreError } from '../../errors.ts'
import { OUTPUT_BYTES, throughNode } from './through-node.ts'
import { type Deliver, joined, type Unpacker } from './unpacker.ts'
import { ZstdFrames } from './zstd-frames.ts'

type CreateZstd = (options: { chunkSize: number; params: Record<number, number> }) => Transform
/** The types of Node 20 do not know it. */
const native = zlib as unknown as { createZstdDecompress?: CreateZstd; constants: Record<string, number> }

/**
 * Plain bytes after which everything else has its turn: 30 ms of fzstd. A chunk may inflate to 2,000 times its size, and a
 * job that is to be stopped is told so by a timer and a socket.
 */
const BREATH_BYTES = 4_194_304

/** Node's decoder goes from frame to frame by itself, but takes what follows an end in one write for garbage. */
function unzstdThroughNode(create: CreateZstd, limits: Limits, deliver: Deliver): Unpacker {
  // The decoder's own limit is 128 MiB; ours is what `frames` judges by.
  const windowLog = Math.min(31, Math.max(10, Math.ceil(Math.log2(limits.zstdWindowBytesMax))))
  const params = { [native.constants.ZSTD_d_windowLogMax as number]: windowLog }
  const unpacker = throughNode(create({ chunkSize: OUTPUT_BYTES, params }), 'zstd', deliver)
  let isEmpty = true
  const write = (ofOneFrame: Buffer[]) => {
    isEmpty = false
    return unpacker.write(ofOneFrame)
  }
  const frames = new ZstdFrames(limits.zstdWindowBytesMax)
  return {
    async write(pieces) {
      let ofOneFrame: Buffer[] = []
      for (const { bytes, frameEnds } of frames.cut(joined(pieces))) {
        ofOneFrame.push(bytes)
        if (!frameEnds) continue
        await write(ofOneFrame)
        ofOneFrame = []
      }
      if (ofOneFrame.length > 0) await write(ofOneFrame)
    },
    async end() {
      // Where all frames are to be skipped, the decoder has seen none and misses one.
      if (isEmpty) unpacker.destroy(undefined)
      else await unpacker.end()
      frames.end()
    },
    destroy: unpacker.destroy,
  }
}

/** Whoever stopped the `source` waits for no more of what came before. */
export function unzstd(limits: Limits, deliver: Deliver, source: Readable): Unpacker {
  if (native.createZstdDecompress) return unzstdThroughNode(native.createZstdDecompress, limits, deliver)
  let decoder: Decompress | undefined
  let sinceBreath = 0
  let refused: { reason: unknown } | undefined
  const output = (bytes: Uint8Array) => {
    sinceBreath += bytes.length
    try {
      deliver(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
    } catch (reason) {
      refused = { reason }
      throw reason
    }
  }
  const frames = new ZstdFrames(limits.zstdWindowBytesMax)
  const decode = (Decoder: typeof Decompress, bytes: Buffer, frameEnds: boolean) => {
    decoder ??= new Decoder(output)
    try {
      // fzstd moves what it was given: a copy keeps the source's chunk intact.
      decoder.push(new Uint8Array(bytes), frameEnds)
    } catch (cause) {
      if (refused) throw refused.reason
      throw new LongshoreError('layer-invalid', `the zstd stream cannot be read: ${(cause as Error).message}`, {
        cause,
      })
    }
    if (frameEnds) decoder = undefined
  }
  return {
    async write(pieces) {
      // Not in the packages of functions, where node:zlib can.
      const { Decompress: Decoder } = await import('fzstd')
      for (const { bytes, frameEnds } of frames.cut(joined(pieces))) {
        decode(Decoder, bytes, frameEnds)
        if (sinceBreath < BREATH_BYTES) continue
        sinceBreath = 0
        await new Promise((resolve) => setImmediate(resolve))
        if (source.errored) throw source.errored
      }
    },
    end: () => frames.end(),
    destroy: () => undefined,
  }
}
