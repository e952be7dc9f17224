/** What `longshore scan` is pointed at, judged: an image of a registry, a saved one or an SBOM. */
import { readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import type { Report } from '../report/model.ts'
import { openDockerArchive } from '../scan/inputs/docker-archive.ts'
import { openFiles } from '../scan/inputs/files.ts'
import { openOciLayout } from '../scan/inputs/oci-layout.ts'
import { readImage } from '../scan/inputs/read-image.ts'
import { type ReadSbom, readSbom } from '../scan/inputs/sbom.ts'
import { buildReport } from '../scan/match.ts'
import { chooseAdvisories } from './scan-advisories.ts'
import type { InputWorld } from './scan-registry.ts'

type Input = (rest: string, world: InputWorld) => Promise<ReadSbom>

const INPUTS: Record<string, Input | undefined> = {
  sbom: async (file, { limits }) => readSbom(readFile(file, limits), basename(file), limits),
  oci: (rest, world) => saved(rest, world, openOciLayout),
  'oci-archive': (rest, world) => saved(rest, world, openOciLayout),
  'docker-archive': (rest, world) => saved(rest, world, openDockerArchive),
}

/** Throws what the readers of images and advisories throw. */
export async function scanInput(text: string, world: InputWorld): Promise<{ report: Report; warning?: string }> {
  const { database, ...rest } = await chooseAdvisories(world.blobs, world.limits)
  const { image, inventory } = await readInput(text, world)
  const { findingsMax, ownedPackagesJudged } = world.limits
  const report = await buildReport({ image, inventory, database, ownedJudged: ownedPackagesJudged === 1, findingsMax })
  return { report, ...rest }
}

/** A prefix that is none of ours is the beginning of an image reference. */
async function readInput(text: string, world: InputWorld): Promise<ReadSbom> {
  const colon = text.indexOf(':')
  const kind = text.slice(0, Math.max(0, colon))
  const input = Object.hasOwn(INPUTS, kind) ? INPUTS[kind] : undefined
  if (input) return input(text.slice(colon + 1), world)
  const looksLikePath = /^(?:\.{0,2}\/|~)|\.(?:tar|tgz|tar\.gz|json)$/.test(text)
  if (looksLikePath) throw new LongshoreError('invalid-value', pathHint(text))
  const { fromRegistry } = await import('./scan-registry.ts')
  return fromRegistry(text, world)
}

/** Who names a file means a file: an image of that name would be looked for in a registry. */
function pathHint(text: string): string {
  const kinds = text.endsWith('.json') ? ['sbom'] : ['docker-archive', 'oci']
  const found = statSync(text, { throwIfNoEntry: false }) ? 'is a path' : 'looks like a path'
  return `${text} ${found}, not an image in a registry; write ${kinds.map((kind) => `${kind}:${text}`).join(' or ')}`
}

function readFile(file: string, { sbomFileBytesMax }: Limits): Buffer {
  const found = statSync(file, { throwIfNoEntry: false })
  if (!found?.isFile()) throw new LongshoreError('invalid-value', `there is no file ${file}`)
  if (found.size > sbomFileBytesMax)
    throw new LongshoreError(
      'invalid-value',
      `${file} has ${found.size} bytes; at most ${sbomFileBytesMax} are read (limit sbomFileBytesMax)`,
    )
  return readFileSync(file)
}

async function saved(rest: string, world: InputWorld, open: typeof openOciLayout): Promise<ReadSbom> {
  const { path, name } = pathAndName(rest)
  const { image, digest, content } = await open(openFiles(path, world.limits), name, world.limits)
  const signal = new AbortController().signal
  return { image, inventory: await readImage({ ...world, content, repository: basename(path), digest, signal }) }
}

/** `PATH[:NAME]`: both may hold colons, so the path is as much of it as exists. */
function pathAndName(text: string): { path: string; name?: string } {
  for (let end = text.length; end > 0; end = text.lastIndexOf(':', end - 1)) {
    const path = text.slice(0, end)
    if (!statSync(path, { throwIfNoEntry: false })) continue
    return end === text.length ? { path } : { path, name: text.slice(end + 1) }
  }
  return { path: text }
}
