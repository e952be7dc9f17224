/** The data folder of a command: the one a service on this machine uses, so that what one has read the other knows. */
import { join, resolve } from 'node:path'
import { diskBlobs } from '../blobs/disk.ts'
import { openBlobs } from '../blobs/open.ts'
import type { BlobStore } from '../blobs/port.ts'
import type { Variables } from '../variables.ts'

export const dataOption = {
  type: 'string',
  value: 'DIR',
  help: 'The data folder; else LONGSHORE_DATA, else .longshore.',
} as const

/** With LONGSHORE_BLOBS the place of a deployed service, unless a folder is named. */
export const dataBlobs = (folder: string | undefined, env: Variables): BlobStore =>
  env.LONGSHORE_BLOBS && folder === undefined
    ? openBlobs(env)
    : diskBlobs(join(resolve(folder ?? env.LONGSHORE_DATA ?? '.longshore'), 'blobs'))
