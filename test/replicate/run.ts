/** Replications without a job record: images made by our own client, and a context whose parts a test may replace. */
import { Readable } from 'node:stream'
import { onTestFinished } from 'vitest'
import { systemClock } from '../../lib/clock.ts'
import { defaultLimits, type Limits } from '../../lib/config.ts'
import type { Json } from '../../lib/glossary.ts'
import type { JobContext } from '../../lib/job/define.ts'
import { type RunningRegistry, startRegistry } from '../../lib/local/registry/server.ts'
import { createOpenRegistry } from '../../lib/oci/open.ts'
import { MEDIA_TYPES } from '../../lib/oci/types.ts'
import { orderOf } from '../job/order.ts'
import { clientOf, digestOf, fixedRandom } from '../oci/server.ts'

type Hooks = NonNullable<Parameters<typeof startRegistry>[0]>['hooks']

export async function registry(hooks?: Hooks): Promise<RunningRegistry> {
  const running = await startRegistry(hooks ? { hooks } : {})
  onTestFinished(() => running.close())
  return running
}

export const limits: Limits = { ...defaultLimits, registryRetryBaseMs: 1 }

export const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'

/** Pushes a blob with our own client, which the tests of `oci` cover. */
export async function pushBlob(host: string, repository: string, content: string | Buffer, mediaType = LAYER) {
  const bytes = Buffer.from(content)
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
  await clientOf(host).upload(repository, descriptor, async () => Readable.from([bytes]))
  return descriptor
}

export async function pushManifest(
  host: string,
  repository: string,
  reference: string | undefined,
  value: { mediaType: string },
) {
  const bytes = Buffer.from(JSON.stringify(value, null, 1))
  const digest = digestOf(bytes)
  const manifest = { digest, mediaType: value.mediaType, size: bytes.length, bytes }
  await clientOf(host).putManifest(repository, reference ?? digest, manifest)
  return { mediaType: value.mediaType, digest, size: bytes.length }
}

export async function pushImage(
  host: string,
  repository: string,
  reference: string | undefined,
  layers: string[],
  architecture = 'amd64',
) {
  const config = await pushBlob(host, repository, JSON.stringify({ os: 'linux', architecture }), MEDIA_TYPES.ociConfig)
  const pushed = []
  for (const layer of layers) pushed.push(await pushBlob(host, repository, layer))
  return pushManifest(host, repository, reference, {
    mediaType: MEDIA_TYPES.ociManifest,
    schemaVersion: 2,
    config,
    layers: pushed,
  } as { mediaType: string })
}

export async function pushIndex(host: string, repository: string, tag: string) {
  const amd = await pushImage(host, repository, undefined, ['shared', 'amd'], 'amd64')
  const arm = await pushImage(host, repository, undefined, ['shared', 'arm'], 'arm64')
  return pushManifest(host, repository, tag, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociIndex,
    manifests: [
      { ...amd, platform: { os: 'linux', architecture: 'amd64' } },
      { ...arm, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
    ],
  } as { mediaType: string })
}

export class HandedOver extends Error {
  readonly checkpoint: Json
  constructor(checkpoint: Json) {
    super('handed over')
    this.checkpoint = checkpoint
  }
}

export interface Run {
  phases: string[]
  log: string[]
  context: JobContext
}

export function runOf(source: string, repository: string, digest: string, more: Partial<JobContext> = {}): Run {
  const open = createOpenRegistry({
    find: async (host) => ({ host, insecure: true, allowPrivate: true }),
    ecrToken: () => Promise.reject(new Error('none')),
    limits,
    clock: systemClock,
    random: fixedRandom,
  })
  onTestFinished(open.close)
  const phases: string[] = []
  const log: string[] = []
  const context: JobContext = {
    jobId: 'j',
    tenant: 't',
    attempt: 1,
    image: { registry: source, repository, digest },
    log: { info: (line) => log.push(line), warn: (line) => log.push(line) },
    phase: (name) => phases.push(name),
    progress: () => {},
    signal: new AbortController().signal,
    clock: systemClock,
    limits,
    blobs: undefined as never, // a replication keeps nothing
    registry: open,
    order: orderOf(),
    leases: undefined as never, // nor shares work
    images: undefined as never,
    checkpoint: undefined,
    save: () => {},
    isStopped: () => false,
    remainingMs: () => 600_000,
    wholeRunMs: 600_000,
    cancel: (reason) => {
      throw new Error(`canceled: ${reason}`)
    },
    snooze: () => {
      throw new Error('snoozed')
    },
    handOver: (checkpoint) => {
      throw new HandedOver(checkpoint)
    },
    ...more,
  }
  return { phases, log, context }
}
