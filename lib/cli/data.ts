/** The data folder of a command: the one a service on this machine uses, so that what one has read the other knows. */
import { statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { diskBlobs } from '../blobs/disk.ts'
import type { BlobStore } from '../blobs/port.ts'
import { LongshoreError } from '../errors.ts'
import type { Variables } from '../variables.ts'

export const dataOption = {
  type: 'string',
  value: 'DIR',
  help: 'The data folder; else LONGSHORE_DATA, else .longshore.',
} as const

/**
 * With LONGSHORE_BLOBS the place of a deployed service, unless a folder is named. Throws `invalid-value` for what can be
 * no folder.
 */
export async function dataBlobs(folder: string | undefined, env: Variables): Promise<BlobStore> {
  // With the SDK, which few commands need and all would have to load.
  if (env.LONGSHORE_BLOBS && folder === undefined) return (await import('../blobs/open.ts')).openBlobs(env)
  const path = resolve(folder ?? env.LONGSHORE_DATA ?? '.longshore')
  const file = fileAt(path)
  if (file !== undefined)
    throw new LongshoreError('invalid-value', `${file} is a file; the data folder has to be a folder`)
  return diskBlobs(join(path, 'blobs'))
}

/** The file that stands where the folder would have to be, or where one above it would. */
function fileAt(path: string): string | undefined {
  try {
    const found = statSync(path, { throwIfNoEntry: false })
    if (found) return found.isDirectory() ? undefined : path
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOTDIR') throw thrown
  }
  return dirname(path) === path ? undefined : fileAt(dirname(path))
}
