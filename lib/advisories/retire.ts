/**
 * Deletes what no reader can need any more: revisions that were replaced days ago, and index files that no revision has.
 *
 * A scan that opened a revision holds it for minutes, a pass of the re-evaluation comes within one, and whoever finds the
 * revision it set out from gone matches every image anew. Index files go before the manifest that names them, so that a
 * run that breaks is finished by the next. Two at once delete the same things. A build that makes a file anew in the very
 * moment in which it is deleted, days after the last revision had it, leaves a revision that cannot be opened until the
 * next build writes it again.
 */
import type { BlobStore } from '../blobs/port.ts'
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { fileKey, type RevisionManifest, revisionKey } from './model.ts'

const FOLDER = 'advisories/'
/** Since when nobody needs a key, in milliseconds: blobs tell no times of their own. */
const UNUSED_KEY = 'advisories/unused.json'
const INDEX = /^advisories\/[^/]+\.idx$/
const MANIFEST = /^advisories\/revisions\/[^/]+\.json$/

type Times = { [key: string]: number }

async function readTimes(blobs: BlobStore): Promise<Times> {
  const bytes = await blobs.get(UNUSED_KEY)
  try {
    return bytes ? (JSON.parse(Buffer.from(bytes).toString('utf8')) as Times) : {}
  } catch {
    // Whatever was not needed then waits once more.
    return {}
  }
}

/** Undefined when it is gone by now. */
async function filesOf(blobs: BlobStore, key: string): Promise<string[] | undefined> {
  const bytes = await blobs.get(key)
  if (!bytes) return undefined
  try {
    const { files } = JSON.parse(Buffer.from(bytes).toString('utf8')) as RevisionManifest
    return files.map(({ sha256 }) => fileKey(sha256))
  } catch (cause) {
    throw new LongshoreError('advisories-invalid', `${key} cannot be read, so nobody knows what it needs`, { cause })
  }
}

/** After the pointer has moved. Returns how many blobs were deleted. */
export async function retireRevisions(
  blobs: BlobStore,
  { current, now, limits }: { current: string; now: number; limits: Limits },
): Promise<number> {
  const keys = (await blobs.list(FOLDER)).map(({ key }) => key)
  const before = await readTimes(blobs)
  const unused: Times = {}
  const since = (key: string) => (Object.hasOwn(before, key) ? before[key]! : now)
  const isOver = (time: number) => now - time > limits.advisoryRevisionDaysMax * 86_400_000

  const keep = async () => {
    if (JSON.stringify(unused) !== JSON.stringify(before))
      await blobs.put(UNUSED_KEY, JSON.stringify(unused), { contentType: 'application/json' })
  }

  const needed = new Set<string>()
  const ends: { key: string; files: string[] }[] = []
  const failures: unknown[] = []
  for (const key of keys.filter((one) => MANIFEST.test(one))) {
    if (key !== revisionKey(current)) unused[key] = since(key)
    const isEnding = key in unused && isOver(unused[key]!)
    try {
      const files = (await filesOf(blobs, key)) ?? []
      if (isEnding) ends.push({ key, files })
      else for (const file of files) needed.add(file)
    } catch (error) {
      // One that goes need not be readable. What another needs is not known: nothing goes before that one does.
      if (isEnding) ends.push({ key, files: [] })
      else failures.push(error)
    }
  }
  if (failures.length > 0) {
    await keep()
    throw failures[0]
  }
  const ending = new Set(ends.flatMap(({ files }) => files))
  const gone: string[] = []
  for (const key of keys.filter((one) => INDEX.test(one) && !needed.has(one))) {
    unused[key] = since(key)
    if (ending.has(key) || isOver(unused[key]!)) gone.push(key)
  }
  for (const { key } of ends) {
    const folder = key.replace(/\.json$/, '/')
    gone.push(...keys.filter((one) => one.startsWith(folder)), key)
  }
  for (const key of gone) {
    await blobs.delete(key)
    delete unused[key]
  }
  await keep()
  return gone.length
}
