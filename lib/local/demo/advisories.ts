/** The bundled demo advisories, packed as OSV publishes them: `<folder>/<Ecosystem>/all.zip`. */
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { strToU8, zipSync } from 'fflate'
import { LongshoreError } from '../../errors.ts'

/** The time of every zip entry: equal records give equal bytes. 1980 is where the zip format begins. */
const ENTRY_TIME = new Date(1980, 0, 1)

/**
 * Packs `<root>/demo/advisories/<Ecosystem>/<ID>.json` into `<folder>/<Ecosystem>/all.zip`. `root` is the folder of
 * the package (the code runs bundled, so its own place says nothing). Whole or not at all, and untouched when equal.
 * Throws `advisories-invalid` when the bundled records are missing or broken.
 */
export async function writeDemoAdvisories(
  root: string,
  folder: string,
): Promise<{ ecosystem: string; path: string; records: number }[]> {
  const from = demoAdvisoriesFolder(root)
  const ecosystems = await readdir(from, { withFileTypes: true }).catch((cause) => {
    throw new LongshoreError('advisories-invalid', `The bundled demo advisories are not in ${from}`, { cause })
  })
  const written = []
  for (const ecosystem of ecosystems.filter((e) => e.isDirectory()).map((e) => e.name)) {
    const records = await recordsOf(join(from, ecosystem))
    const zip = zipSync(records, { level: 6, mtime: ENTRY_TIME })
    const path = join(folder, ecosystem, 'all.zip')
    await mkdir(join(folder, ecosystem), { recursive: true })
    await replace(path, zip)
    written.push({ ecosystem, path, records: Object.keys(records).length })
  }
  return written
}

/** Where the readable records are, below the folder of the package. */
export const demoAdvisoriesFolder = (root: string): string => join(root, 'demo', 'advisories')

/** Minified records by file name, in ascending order. */
async function recordsOf(folder: string): Promise<Record<string, Uint8Array>> {
  const records: Record<string, Uint8Array> = {}
  for (const name of (await readdir(folder)).filter((n) => n.endsWith('.json')).sort()) {
    const text = await readFile(join(folder, name), 'utf8')
    try {
      records[name] = strToU8(JSON.stringify(JSON.parse(text)))
    } catch (cause) {
      throw new LongshoreError('advisories-invalid', `${join(folder, name)} is not JSON`, { cause })
    }
  }
  return records
}

async function replace(path: string, content: Uint8Array): Promise<void> {
  const old = await readFile(path).catch(() => undefined)
  if (old?.equals(content)) return
  await writeFile(`${path}.new`, content)
  await rename(`${path}.new`, path)
}
