/**
 * One layer as a `LayerInventory`, in one pass over its stream: digest and size are checked by the registry client, the
 * diffID here, nothing touches the disk, and memory does not grow with the layer.
 */
import type { Readable } from 'node:stream'
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { LayerVisitor } from './layer-visitor.ts'
import type { LayerInventory } from './model.ts'
import { TarWalker } from './tar.ts'
import { inflate } from './unpack/inflate.ts'

export interface LayerSource {
  /** Of the blob, for messages. */
  digest: string
  /** Of the uncompressed archive, as the image's config names it; checked to be a digest. */
  diffId: string
  /** Of the blob, in bytes, where a manifest tells it. */
  size?: number
  signal?: AbortSignal
  /** The blob, verified while it is read. May be called twice: see `readLayer`. */
  open(): Promise<Readable>
  /** Packed bytes as they arrive, for progress. */
  onBytes?(count: number): void
}

/**
 * Reads a layer. A hard link may name a file that came earlier and was not kept (pnpm links packages out of its
 * store), and a program may tell at its end where its list of crates was: such layers, and only those, are read a
 * second time for what was passed over.
 *
 * @throws LongshoreError `digest-mismatch` when the archive is not the diffID's, `layer-invalid`, `layer-too-large`,
 * `unsupported-media-type`, and what `open` and its stream throw
 */
export async function readLayer(source: LayerSource, limits: Limits): Promise<LayerInventory> {
  try {
    const visitor = new LayerVisitor(limits)
    const first = await pass(source, limits, visitor)
    if (visitor.again.links.size > 0 || visitor.again.ranges.size > 0) {
      const second = new LayerVisitor(limits, visitor.again)
      await pass(source, limits, second)
      return second.inventory(source.diffId, first)
    }
    return visitor.inventory(source.diffId, first)
  } catch (error) {
    if (!(error instanceof LongshoreError)) throw error
    throw new LongshoreError(error.code, `layer ${source.digest}: ${error.message}`, {
      cause: error,
      ...(error.side ? { side: error.side } : {}),
      ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    })
  }
}

async function pass(source: LayerSource, limits: Limits, visitor: LayerVisitor): Promise<number> {
  const walker = new TarWalker(visitor, limits)
  const algorithm = source.diffId.slice(0, source.diffId.indexOf(':'))
  const { bytes, digest } = await inflate(await source.open(), algorithm, limits, (chunk) => walker.push(chunk), {
    size: source.size,
    signal: source.signal,
    onPacked: source.onBytes,
  })
  walker.end()
  const diffId = `${algorithm}:${digest}`
  if (diffId !== source.diffId)
    throw new LongshoreError(
      'digest-mismatch',
      `the archive has the diffID ${diffId}, but the image's config says ${source.diffId}`,
    )
  return bytes
}
