/** An image of a registry for `longshore scan`. */
import type { BlobStore } from '../blobs/port.ts'
import { systemClock } from '../clock.ts'
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { literalAddress } from '../net/guard.ts'
import { readRegistries, registryObjects } from '../oci/objects.ts'
import { createOpenRegistry } from '../oci/open.ts'
import { formatReference, parseReference } from '../oci/reference.ts'
import { systemRandom } from '../random.ts'
import { readImage } from '../scan/inputs/read-image.ts'
import type { ReadSbom } from '../scan/inputs/sbom.ts'
import { memorySecrets } from '../secrets/memory.ts'
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

/** Credentials come from LONGSHORE_REGISTRIES alone: nothing of the user's other tools is looked into. */
export async function fromRegistry(text: string, world: InputWorld): Promise<ReadSbom> {
  const { env, limits } = world
  const reference = parseReference(text)
  const objects = registryObjects({
    store: memoryStore(),
    secrets: env.LONGSHORE_SECRETS ? (await import('../secrets/open.ts')).openSecrets(env) : memorySecrets(),
    fixed: readRegistries(env.LONGSHORE_REGISTRIES, true),
  })
  const open = createOpenRegistry({
    // Who names a registry on this very machine means it, as with docker pull.
    find: async (host) =>
      (await objects.find('main', host)) ??
      (isLoopback(host) ? { host, insecure: true, allowPrivate: true } : undefined),
    ecrToken: async (host) => (await import('../oci/ecr.ts')).ecrToken(host, env, limits),
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
