/**
 * Moves blobs from source to target. A blob is its digest: moving one twice leaves one, and what an earlier run moved
 * is found by HEAD (or by the mount), so every effect here may happen again without harm.
 */
import type { Readable } from 'node:stream'
import type { Limits } from '../config.ts'
import { asLongshoreError, LongshoreError } from '../errors.ts'
import type { Side } from '../glossary.ts'
import { type BlobParts, blobParts } from '../oci/blob-parts.ts'
import type { Descriptor, RegistryClient, RequestCounts } from '../oci/types.ts'
import { uploadInChunks } from '../oci/uploads-chunked.ts'
import type { SavedUpload } from '../oci/uploads-saved.ts'
import type { OpenUploads } from './open-uploads.ts'
import { eachInParallel } from './parallel.ts'

/** One end of the copy. `counts` collects this job's share of the client. */
export interface End {
  client: RegistryClient
  repository: string
  counts: RequestCounts
}

export type BlobOutcome = 'copied' | 'mounted' | 'present'

/** How blobs are sent: as a whole, or in chunks that the next run goes on with. */
export interface Sending {
  uploads: OpenUploads
  /** Asked when the blob is known to be missing. */
  how(blob: Descriptor): 'whole' | 'chunks' | 'later'
  /** See `ChunkedOptions.next`. */
  next(left: number, min: number, max: number): number
  onSaved(blob: Descriptor, upload: SavedUpload): void
}

export interface CopyOptions {
  limits: Limits
  signal: AbortSignal
  /** Asked before each blob; false leaves it for the next run. */
  mayStart: (blob: Descriptor) => boolean
  sending: Sending
  onBytes: (blob: Descriptor, count: number) => void
  /** Not called for a blob that is left for the next run. */
  onDone: (blob: Descriptor, outcome: BlobOutcome) => void
}

/** Resolves when every started blob is at the target. The first error aborts the others and tells its side. */
export async function copyBlobs(
  source: End,
  target: End,
  blobs: readonly Descriptor[],
  { limits, signal, mayStart, sending, onBytes, onDone }: CopyOptions,
): Promise<void> {
  await eachInParallel(
    blobs,
    limits.blobsInParallelMax,
    signal,
    async (blob, signal) => {
      const outcome = await copyBlob(source, target, blob, signal, sending, (count) => onBytes(blob, count))
      if (outcome !== 'later') onDone(blob, outcome)
    },
    mayStart,
  )
}

async function copyBlob(
  source: End,
  target: End,
  blob: Descriptor,
  signal: AbortSignal,
  sending: Sending,
  onBytes: (count: number) => void,
): Promise<BlobOutcome | 'later'> {
  const writing = { signal, counts: target.counts }
  if (source.client.host === target.client.host) {
    if (source.repository === target.repository) return 'present'
    // Mount first without looking: one request instead of two, and 201 also when the blob was there.
    const mounted = await at('target', target.client.mount(target.repository, blob, source.repository, writing))
    if (mounted) return 'mounted'
  }
  if (await at('target', target.client.hasBlob(target.repository, blob, { ...writing, forPush: true }))) {
    await sending.uploads.giveUp(blob.digest)
    return 'present'
  }
  const how = sending.how(blob)
  if (how === 'later') return 'later'
  if (how === 'chunks') {
    const sent = await sendChunks(source, target, blob, signal, sending, onBytes)
    if (sent === 'closed') return 'copied'
    if (sent === 'paused') return 'later'
  }
  await sendWhole(source, target, blob, signal, onBytes)
  return 'copied'
}

/** Source GET into target PUT, hashed on the way. */
async function sendWhole(
  source: End,
  target: End,
  blob: Descriptor,
  signal: AbortSignal,
  onBytes: (count: number) => void,
): Promise<void> {
  let stream: Readable | undefined
  let refusal: unknown
  const open = async () => {
    try {
      stream = await source.client.blob(source.repository, blob, { signal, counts: source.counts })
      return stream
    } catch (error) {
      refusal = error
      throw error
    }
  }
  try {
    await target.client.upload(target.repository, blob, open, { signal, counts: target.counts, onBytes })
  } catch (error) {
    // The stream that fed the upload knows whether it was the source that broke.
    const side: Side = error === refusal || (stream !== undefined && stream.errored === error) ? 'source' : 'target'
    throw told(side, error, signal)
  }
}

async function sendChunks(
  source: End,
  target: End,
  blob: Descriptor,
  signal: AbortSignal,
  { uploads, next, onSaved }: Sending,
  onBytes: (count: number) => void,
): Promise<'closed' | 'paused' | 'refused'> {
  let parts: BlobParts | undefined
  const reading = { signal, counts: source.counts }
  try {
    const sent = await uploadInChunks(
      target.client,
      target.repository,
      blob,
      async (from) => {
        parts = await blobParts(source.client, source.repository, blob, from, reading)
        return parts
      },
      {
        from: uploads.get(blob.digest),
        signal,
        counts: target.counts,
        next,
        onBytes,
        onSaved: (upload) => {
          uploads.set(blob.digest, upload)
          onSaved(blob, upload)
        },
      },
    )
    if (sent !== 'paused') uploads.delete(blob.digest)
    return sent
  } catch (error) {
    throw told(error === parts?.failure ? 'source' : 'target', error, signal)
  }
}

/** The error of a request, told from its side. */
export async function at<T>(side: Side, request: Promise<T>): Promise<T> {
  try {
    return await request
  } catch (error) {
    throw error instanceof LongshoreError ? error.at(side) : error
  }
}

/** An abort keeps its own reason: it has no side. */
const told = (side: Side, error: unknown, signal: AbortSignal): unknown =>
  signal.aborted && error === signal.reason ? error : asLongshoreError(error).at(side)
