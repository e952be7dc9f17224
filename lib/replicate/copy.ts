/**
 * Moves blobs from source to target. A blob is its digest: moving one twice leaves one, and what an earlier run moved
 * is found by HEAD (or by the mount), so every effect here may happen again without harm.
 */
import type { Readable } from 'node:stream'
import type { Limits } from '../config.ts'
import { asLongshoreError, LongshoreError } from '../errors.ts'
import type { Side } from '../glossary.ts'
import type { Descriptor, RegistryClient, RequestCounts } from '../oci/types.ts'
import { eachInParallel } from './parallel.ts'

/** One end of the copy. `counts` collects this job's share of the client. */
export interface End {
  client: RegistryClient
  repository: string
  counts: RequestCounts
}

export type BlobOutcome = 'copied' | 'mounted' | 'present'

export interface CopyOptions {
  limits: Limits
  signal: AbortSignal
  /** Asked before each blob; false leaves it for the next run. */
  mayStart: (blob: Descriptor) => boolean
  onBytes: (count: number) => void
  onDone: (blob: Descriptor, outcome: BlobOutcome) => void
}

/** Resolves when every started blob is at the target. The first error aborts the others and tells its side. */
export async function copyBlobs(
  source: End,
  target: End,
  blobs: readonly Descriptor[],
  { limits, signal, mayStart, onBytes, onDone }: CopyOptions,
): Promise<void> {
  await eachInParallel(
    blobs,
    limits.blobsInParallelMax,
    signal,
    async (blob, signal) => onDone(blob, await copyBlob(source, target, blob, signal, onBytes)),
    mayStart,
  )
}

async function copyBlob(
  source: End,
  target: End,
  blob: Descriptor,
  signal: AbortSignal,
  onBytes: (count: number) => void,
): Promise<BlobOutcome> {
  const writing = { signal, counts: target.counts }
  if (source.client.host === target.client.host) {
    if (source.repository === target.repository) return 'present'
    // Mount first without looking: one request instead of two, and 201 also when the blob was there.
    const mounted = await at('target', target.client.mount(target.repository, blob, source.repository, writing))
    if (mounted) return 'mounted'
  }
  if (await at('target', target.client.hasBlob(target.repository, blob, writing))) return 'present'
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
    await target.client.upload(target.repository, blob, open, { ...writing, onBytes })
  } catch (error) {
    // The stream that fed the upload knows whether it was the source that broke.
    const side: Side = error === refusal || (stream !== undefined && stream.errored === error) ? 'source' : 'target'
    throw told(side, error, signal)
  }
  return 'copied'
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
