/** What node:zlib unpacks, in its thread pool. */
import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import { LongshoreError } from '../../errors.ts'
import { type Deliver, joined, type Unpacker } from './unpacker.ts'

/** Measured on a 217 MB layer: with the default of 16 KiB inflating takes twice as long. */
export const OUTPUT_BYTES = 262_144
/** Packed bytes that may wait for the thread pool, so that it does not wait for the source. */
const AHEAD_BYTES = 1_048_576

export const gunzipThroughNode = (deliver: Deliver): Unpacker =>
  throughNode(
    zlib.createGunzip({ chunkSize: OUTPUT_BYTES, writableHighWaterMark: AHEAD_BYTES } as zlib.ZlibOptions),
    'gzip',
    deliver,
  )

/**
 * node:zlib inflates in the thread pool: hashing and walking go on beside it. It begins with the next piece only when
 * whoever listens has returned, so a piece is put aside first and worked on while the next one is made: measured, a
 * fifth less time for a layer. Its buffers are not used again.
 */
export function throughNode(transform: Transform, what: string, deliver: Deliver): Unpacker {
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
    write: (pieces) =>
      settled((done) => {
        if (transform.write(joined(pieces))) done()
        else transform.once('drain', done)
      }),
    end: () => settled(() => transform.end()),
    destroy: fail,
  }
}
