/** The thread of AdvisoryBuilds: builds a revision, unless its sources are as they were at the last build. */
import { createHash } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { workerData } from 'node:worker_threads'
import { buildRevision } from '../advisories/build.ts'
import { BUILT_FROM_KEY, DEMO_REPOSITORY } from '../advisories/model.ts'
import { sourceOf } from '../advisories/source-of.ts'
import { diskBlobs } from '../blobs/disk.ts'
import { readLimits } from '../config.ts'
import { isOutdated } from './built-from.ts'
import { writeDemoAdvisories } from './demo/advisories.ts'

export interface AdvisoryWork {
  /** Folder of the package, where the bundled demo records are. */
  root: string
  blobs: string
  /** Where the demo records are packed. */
  demo: string
  /** A folder or URL; absent: the bundled demo records. */
  source?: string
  enrichment?: string
}

const work = workerData as AdvisoryWork
const blobs = diskBlobs(work.blobs)
if (!work.source) await writeDemoAdvisories(work.root, work.demo)
const source = work.source ?? work.demo
const fingerprint = await fingerprintOf(source)
const before = Buffer.from((await blobs.get(BUILT_FROM_KEY)) ?? '').toString()
if (isOutdated({ before, fingerprint, asked: work.source !== undefined })) {
  await buildRevision({
    source: sourceOf(source, readLimits(process.env)),
    blobs,
    ...(work.enrichment ? { enrichment: work.enrichment } : {}),
    ...(work.source ? {} : { onlyFor: DEMO_REPOSITORY }),
    limits: readLimits(process.env),
  })
  if (fingerprint !== undefined) await blobs.put(BUILT_FROM_KEY, fingerprint)
}

/** Undefined for a URL: only its server knows. */
async function fingerprintOf(folder: string): Promise<string | undefined> {
  if (/^https?:/.test(folder) || /^https?:/.test(work.enrichment ?? '')) return undefined
  const hash = createHash('sha256').update(`${folder}\n${work.enrichment ?? ''}\n`)
  for (const name of (await readdir(folder).catch(() => [])).sort()) {
    const file = await stat(join(folder, name, 'all.zip')).catch(() => undefined)
    if (file) hash.update(`${name} ${file.size} ${file.mtimeMs}\n`)
  }
  for (const name of work.enrichment ? await readdir(work.enrichment, { recursive: true }).catch(() => []) : []) {
    const file = await stat(join(work.enrichment ?? '', name)).catch(() => undefined)
    if (file?.isFile()) hash.update(`${name} ${file.size} ${file.mtimeMs}\n`)
  }
  return hash.digest('hex')
}
