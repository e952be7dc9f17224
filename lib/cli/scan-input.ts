/** What `longshore scan` is pointed at, as an inventory: a registry, a saved image or an SBOM. */
import { readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import type { BlobStore } from '../blobs/port.ts'
import { systemClock } from '../clock.ts'
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { literalAddress } from '../net/guard.ts'
import { ecrToken } from '../oci/ecr.ts'
import { readRegistries, registryObjects } from '../oci/objects.ts'
import { createOpenRegistry } from '../oci/open.ts'
import { formatReference, parseReference } from '../oci/reference.ts'
import { systemRandom } from '../random.ts'
import { openDockerArchive } from '../scan/inputs/docker-archive.ts'
import { openFiles } from '../scan/inputs/files.ts'
import { openOciLayout } from '../scan/inputs/oci-layout.ts'
import { readImage } from '../scan/inputs/read-image.ts'
import { type ReadSbom, readSbom } from '../scan/inputs/sbom.ts'
import { memorySecrets } from '../secrets/memory.ts'
import { openSecrets } from '../secrets/open.ts'
import { memoryStore } from '../store/memory.ts'
import type { Variables } from '../variables.ts'

export interface InputWorld {
  env: Variables
  limits: Limits
  blobs: BlobStore
  platform: string | undefined
  /** Progress. */
  tell(sentence: string): void
}

type Input = (rest: string, world: InputWorld) => Promise<ReadSbom>

const INPUTS: Record<string, Input | undefined> = {
  sbom: async (file, { limits }) => readSbom(readFile(file, limits), basename(file), limits),
  oci: (rest, world) => saved(rest, world, openOciLayout),
  'oci-archive': (rest, world) => saved(rest, world, openOciLayout),
  'docker-archive': (rest, world) => saved(rest, world, openDockerArchive),
}

/** Throws what the readers throw; a prefix that is none of ours is the beginning of an image reference. */
export function readInput(text: string, world: InputWorld): Promise<ReadSbom> {
  const colon = text.indexOf(':')
  const kind = text.slice(0, Math.max(0, colon))
  const input = Object.hasOwn(INPUTS, kind) ? INPUTS[kind] : undefined
  if (input) return input(text.slice(colon + 1), world)
  const looksLikePath = /^(?:\.{0,2}\/|~)|\.(?:tar|tgz|tar\.gz|json)$/.test(text)
  if (looksLikePath) throw new LongshoreError('invalid-value', pathHint(text))
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

/** Credentials come from LONGSHORE_REGISTRIES alone: nothing of the user's other tools is looked into. */
async function fromRegistry(text: string, world: InputWorld): Promise<ReadSbom> {
  const { env, limits } = world
  const reference = parseReference(text)
  const objects = registryObjects({
    store: memoryStore(),
    secrets: env.LONGSHORE_SECRETS ? openSecrets(env) : memorySecrets(),
    fixed: readRegistries(env.LONGSHORE_REGISTRIES, true),
  })
  const open = createOpenRegistry({
    // Who names a registry on this very machine means it, as with docker pull.
    find: async (host) =>
      (await objects.find('main', host)) ??
      (isLoopback(host) ? { host, insecure: true, allowPrivate: true } : undefined),
    ecrToken: (host) => ecrToken(host, env, limits),
    limits,
    clock: systemClock,
    random: systemRandom,
  })
  try {
    const content = await open(reference.registry)
    const { repository } = reference
    const digest = reference.digest ?? (await content.resolve(repository, reference.tag ?? 'latest'))?.digest
    if (digest === undefined)
      throw new LongshoreError('image-not-found', `${formatReference(reference)} is not there; is the name right?`)
    const signal = new AbortController().signal
    return { image: text, inventory: await readImage({ ...world, content, repository, digest, signal }) }
  } finally {
    open.close()
  }
}

function isLoopback(host: string): boolean {
  const { hostname } = new URL(`http://${host}`)
  const address = literalAddress(hostname)
  return hostname === 'localhost' || (address !== undefined && /^(?:127\.|::1$)/.test(address))
}
