/** What a scan of the command is judged by: the revision in the data folder, else the bundled demo advisories. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DEMO_REPOSITORY } from '../advisories/model.ts'
import { type AdvisoryDatabase, openAdvisories, pointedRevision } from '../advisories/open.ts'
import type { AdvisorySource } from '../advisories/source.ts'
import { memoryBlobs } from '../blobs/memory.ts'
import type { BlobStore } from '../blobs/port.ts'
import type { Limits } from '../config.ts'

/** The folder of the package: both this file and the bundle of the command lie two folders deep. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface ChosenAdvisories {
  database: AdvisoryDatabase
  /** Said before anything else when the data is not meant to protect anybody. */
  warning?: string
}

/** Throws `advisories-invalid` and `advisories-missing` when what is there cannot be read. */
export async function chooseAdvisories(blobs: BlobStore, limits: Limits): Promise<ChosenAdvisories> {
  const database = (await pointedRevision(blobs)) === undefined ? undefined : await openAdvisories(blobs)
  if (database && !(await mayBeDemo(database))) return { database }
  // Equal records are an equal revision, so a service that runs on the demo records is known by its name.
  const demo = await demoAdvisories(limits)
  if (database && database.revision !== demo.revision) return { database }
  return {
    database: demo,
    warning:
      'judged by the bundled demo advisories only: they know some dozen flaws of the demo image, so "nothing found" means ' +
      'nothing. Build real ones with: longshore advisories update',
  }
}

const DEMO = join(ROOT, 'demo', 'advisories')

/** Real data has more ecosystems, which is a quicker answer than the revision of the demo records: that takes 50 ms. */
async function mayBeDemo({ sources }: AdvisoryDatabase): Promise<boolean> {
  const ecosystems = new Set(await recordsIn(DEMO).ecosystems())
  return sources.every(({ ecosystem }) => ecosystems.has(ecosystem))
}

/** Some dozen records, built in memory. */
async function demoAdvisories(limits: Limits): Promise<AdvisoryDatabase> {
  const blobs = memoryBlobs()
  const source = recordsIn(DEMO)
  const { buildRevision } = await import('../advisories/build.ts')
  await buildRevision({
    source,
    blobs,
    limits,
    enrichment: join(ROOT, 'demo', 'enrichment'),
    onlyFor: DEMO_REPOSITORY,
  })
  return openAdvisories(blobs)
}

/** `<folder>/<Ecosystem>/<ID>.json`. */
function recordsIn(folder: string): AdvisorySource {
  return {
    name: folder,
    ecosystems: async () =>
      (await readdir(folder, { withFileTypes: true })).flatMap((one) => (one.isDirectory() ? [one.name] : [])).sort(),
    async *records(ecosystem) {
      for (const name of (await readdir(join(folder, ecosystem))).sort())
        yield { name, bytes: await readFile(join(folder, ecosystem, name)) }
    },
  }
}
