/** Events of the local run: one JSON line each, appended, to be followed with `tail -f`. */
import { appendFile, mkdir, open, rename, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { LongshoreError } from '../errors.ts'
import type { Events } from './port.ts'

/** At about 500 bytes an event that is 20,000 jobs; one older file of the same size is kept as `<path>.1`. */
const FILE_BYTES_MAX = 10 * 1024 * 1024

/** Throws `queue-unavailable` when the file cannot be written. One process writes at a time (the data folder is locked). */
export function fileEvents(path: string, { bytesMax = FILE_BYTES_MAX } = {}): Events {
  let lastWrite: Promise<unknown> = Promise.resolve()

  const append = async (text: string) => {
    const before = await sizeOf(path)
    if (before === 0) await mkdir(dirname(path), { recursive: true })
    if (before >= bytesMax) await rename(path, `${path}.1`)
    // A process that died while it wrote may have left half a line: it must not spoil the next one.
    const seam = before > 0 && before < bytesMax && !(await endsWithNewline(path, before)) ? '\n' : ''
    await appendFile(path, seam + text)
  }

  return {
    async put(events) {
      if (events.length === 0) return
      const text = events.map((event) => `${JSON.stringify(event)}\n`).join('')
      const mine = lastWrite.then(
        () => append(text),
        () => append(text),
      )
      lastWrite = mine
      await mine.catch((cause: Error) => {
        throw new LongshoreError('queue-unavailable', `the events cannot be written to ${path}: ${cause.message}`, {
          cause,
        })
      })
    },
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw thrown
  }
}

async function endsWithNewline(path: string, size: number): Promise<boolean> {
  const file = await open(path)
  try {
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
    return buffer[0] === 0x0a
  } finally {
    await file.close()
  }
}
