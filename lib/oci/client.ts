/**
 * The registry client: the verbs of the OCI distribution specification for one host. Nobody can read a manifest or a
 * blob through it without size and digest being checked.
 */
import type { Readable } from 'node:stream'
import { LongshoreError } from '../errors.ts'
import { discard, readBody } from '../net/body.ts'
import { told } from './answers.ts'
import { blobPath, openBlobBody } from './blob-body.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import { within } from './deadline.ts'
import { isDigest, matches } from './digest.ts'
import { bareType, MANIFEST_ACCEPT, parseManifest, tooLarge } from './manifest.ts'
import { lookScope, pullScope, pushScope } from './scope.ts'
import { listPage } from './tags.ts'
import type { CallOptions, Descriptor, Manifest, Registry, RegistryClient, RequestCounts } from './types.ts'
import { mountBlob, uploadBlob } from './uploads.ts'
import { verified } from './verify.ts'

/** Bytes of a config in memory; the largest seen are some 100 KB. */
const BLOB_BYTES_MAX = 4_194_304

/** A client for one registry; `createOpenRegistry` in `open.ts` is the way to get one per host. */
export class Client implements RegistryClient {
  readonly host: string
  readonly counts: RequestCounts
  /** The wire below the verbs, for the parts of the client that only replication needs. */
  readonly connection: Connection

  constructor(registry: Registry, options: ConnectionOptions) {
    this.connection = new Connection(registry, options)
    this.host = registry.host
    this.counts = this.connection.counts
  }

  /** Ends idle connections; a call in flight goes on. */
  close(): void {
    this.connection.close()
  }

  resolve(repository: string, reference: string, options: CallOptions = {}): Promise<Descriptor | undefined> {
    return looking(options, (options) => this.#resolve(repository, reference, options))
  }

  async #resolve(repository: string, reference: string, options: CallOptions): Promise<Descriptor | undefined> {
    const what = this.#name(repository, reference)
    return this.#within(options, what, async (options) => {
      const answer = await this.connection.request(
        {
          method: 'HEAD',
          target: manifestPath(repository, reference),
          scopes: [lookScope(repository, options)],
          headers: { accept: MANIFEST_ACCEPT },
          expect: [200, 404, 405, 400],
          what: `the digest of ${what}`,
        },
        options,
      )
      await discard(answer.body)
      if (answer.status === 404) return undefined
      const digest = answer.headers['docker-content-digest']
      const mediaType = bareType(answer.headers['content-type'])
      const length = answer.headers['content-length']
      if (answer.status === 200 && typeof digest === 'string' && isDigest(digest) && length && mediaType) {
        if (isDigest(reference) && digest !== reference && sameAlgorithm(digest, reference))
          throw new LongshoreError('digest-mismatch', `${what}: the registry says the digest is ${digest}`)
        return { mediaType, digest: isDigest(reference) ? reference : digest, size: Number(length) }
      }
      // Older registries tell no digest at HEAD; then the bytes have to tell it.
      try {
        const manifest = await this.manifest(repository, reference, options)
        return { mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.size }
      } catch (error) {
        if (error instanceof LongshoreError && (error.code === 'image-not-found' || error.code === 'source-gone'))
          return undefined
        throw error
      }
    })
  }

  manifest(repository: string, reference: string, options: CallOptions = {}): Promise<Manifest> {
    return looking(options, (options) => this.#manifest(repository, reference, options))
  }

  async #manifest(repository: string, reference: string, options: CallOptions): Promise<Manifest> {
    const what = this.#name(repository, reference)
    const { limits } = this.connection
    return this.#within(options, what, async (options) => {
      const answer = await this.connection.request(
        {
          method: 'GET',
          target: manifestPath(repository, reference),
          scopes: [lookScope(repository, options)],
          headers: { accept: MANIFEST_ACCEPT },
          expect: [200, 404],
          what: `the manifest ${what}`,
        },
        options,
      )
      if (answer.status === 404) {
        await discard(answer.body)
        throw isDigest(reference)
          ? new LongshoreError('source-gone', `${this.host} no longer has the manifest ${what}`)
          : new LongshoreError('image-not-found', `${this.host} has no ${repository} with the tag "${reference}"`)
      }
      const length = Number(answer.headers['content-length'] ?? 0)
      if (length > limits.manifestBytesMax) {
        answer.body.destroy()
        throw tooLarge(what, limits)
      }
      const bytes = await readBody(answer.body, limits.manifestBytesMax, `the manifest ${what}`, () =>
        tooLarge(what, limits),
      )
      this.connection.countIn(bytes.byteLength, options)
      const told = answer.headers['docker-content-digest']
      if (typeof told === 'string' && isDigest(told) && !matches(bytes, told))
        throw new LongshoreError('digest-mismatch', `${what}: the registry says ${told}, but the bytes hash otherwise`)
      return parseManifest(bytes, {
        what,
        contentType: answer.headers['content-type'],
        digest: isDigest(reference) ? reference : undefined,
        limits,
      })
    })
  }

  /** PUT of the same bytes again changes nothing: a manifest is its digest, a tag names the same digest as before. */
  async putManifest(
    repository: string,
    reference: string,
    manifest: Manifest,
    options: CallOptions & { onSubject?: (digest: string) => void } = {},
  ): Promise<void> {
    const { onSubject, ...call } = options
    const what = this.#name(repository, reference)
    await this.#within(call, what, async (options) => {
      const answer = await this.connection.request(
        {
          method: 'PUT',
          target: manifestPath(repository, reference),
          scopes: [pushScope(repository)],
          headers: { 'content-type': manifest.mediaType },
          body: manifest.bytes,
          expect: [200, 201, 202, 400, 404, 405, 409, 413, 415, 422],
          what: `the manifest ${what}`,
        },
        options,
      )
      if (answer.status >= 300) {
        const refusal = await this.connection.refusal(answer)
        const why = answer.status === 413 ? 'it takes no manifest of this size' : 'see its own words'
        throw new LongshoreError(
          'manifest-rejected',
          `${this.host} refused the manifest ${what}: ${why} (${told(answer.status, refusal)})`,
        )
      }
      await discard(answer.body)
      const stored = answer.headers['docker-content-digest']
      if (typeof stored === 'string' && isDigest(stored) && !matches(manifest.bytes, stored))
        throw new LongshoreError('manifest-rejected', `${this.host} stored ${what} as ${stored}, not as the bytes sent`)
      const subject = answer.headers['oci-subject']
      if (typeof subject === 'string') onSubject?.(subject)
    })
  }

  async hasBlob(repository: string, descriptor: Descriptor, options: CallOptions = {}): Promise<boolean> {
    const what = this.#name(repository, descriptor.digest)
    return this.#within(options, what, async (options) => {
      const answer = await this.connection.request(
        {
          method: 'HEAD',
          target: blobPath(repository, descriptor.digest),
          scopes: [lookScope(repository, options)],
          expect: [200, 404],
          what: `the blob ${what}`,
        },
        options,
      )
      await discard(answer.body)
      const length = answer.headers['content-length']
      // Another length under this digest cannot be the blob; sending it again lets the registry check it.
      return answer.status === 200 && (length === undefined || Number(length) === descriptor.size)
    })
  }

  async blob(repository: string, descriptor: Descriptor, options: CallOptions = {}): Promise<Readable> {
    const what = `the blob ${this.#name(repository, descriptor.digest)}`
    const { registryRetriesMax } = this.connection.limits
    let cuts = 0
    let cutAt = 0
    const { body } = await openBlobBody(this.connection, repository, descriptor, 0, what, options)
    return verified(body, descriptor, what, async (offset) => {
      // A cut after progress is a new accident; cuts at the same place are a dead registry.
      cuts = offset > cutAt ? 1 : cuts + 1
      cutAt = offset
      if (cuts > registryRetriesMax || options.signal?.aborted) return undefined
      return openBlobBody(this.connection, repository, descriptor, offset, what, options)
    })
  }

  async blobBytes(repository: string, descriptor: Descriptor, options: CallOptions & { bytesMax?: number } = {}) {
    const { bytesMax = BLOB_BYTES_MAX, ...call } = options
    const what = `the blob ${this.#name(repository, descriptor.digest)}`
    if (descriptor.size > bytesMax)
      throw new LongshoreError('manifest-invalid', `${what} has ${descriptor.size} bytes; at most ${bytesMax} are read`)
    return this.#within(call, what, async (call) => {
      const stream = await this.blob(repository, descriptor, call)
      return new Uint8Array(await readBody(stream, bytesMax, what))
    })
  }

  upload(
    repository: string,
    descriptor: Descriptor,
    open: () => Promise<Readable>,
    options: CallOptions & { onBytes?: (count: number) => void } = {},
  ): Promise<void> {
    return uploadBlob(this.connection, repository, descriptor, open, options)
  }

  mount(repository: string, descriptor: Descriptor, from: string, options: CallOptions = {}): Promise<boolean> {
    return mountBlob(this.connection, repository, descriptor, from, options)
  }

  async tags(repository: string, options: CallOptions & { last?: string; limit?: number } = {}) {
    const what = `the tags of ${this.host}/${repository}`
    const page = await this.#within(options, what, (call) =>
      listPage(this.connection, `/v2/${repository}/tags/list`, [pullScope(repository)], 'tags', what, {
        ...options,
        ...call,
      }),
    )
    return { tags: page.items, ...(page.next !== undefined && { next: page.next }) }
  }

  async repositories(options: CallOptions & { last?: string; limit?: number } = {}) {
    const what = `the repositories of ${this.host}`
    const page = await this.#within(options, what, (call) =>
      listPage(this.connection, '/v2/_catalog', ['registry:catalog:*'], 'repositories', what, { ...options, ...call }),
    )
    return { repositories: page.items, ...(page.next !== undefined && { next: page.next }) }
  }

  async ping(options: CallOptions = {}): Promise<void> {
    await this.#within(options, `a ping of ${this.host}`, async (options) => {
      const request = { method: 'GET', target: '/v2/', scopes: [], expect: [200], what: 'GET /v2/' }
      const answer = await this.connection.request(request, options)
      await discard(answer.body)
    })
  }

  #name(repository: string, reference: string): string {
    return `${this.host}/${repository}${isDigest(reference) ? '@' : ':'}${reference}`
  }

  #within<T>(options: CallOptions, what: string, call: (options: CallOptions) => Promise<T>): Promise<T> {
    return within(options, options.timeoutMs ?? this.connection.limits.registryRequestTimeoutMs, what, call)
  }
}

/**
 * A look that asks for the right to write as well, and without it where that is refused: some token servers (Docker Hub for
 * tokens that only read, ghcr.io) give nothing then instead of less.
 */
async function looking<T>(options: CallOptions, look: (options: CallOptions) => Promise<T>): Promise<T> {
  const isDenied = (error: unknown) => error instanceof LongshoreError && error.code === 'registry-unauthorized'
  try {
    return await look(options)
  } catch (denied) {
    if (!options.forPush || !isDenied(denied)) throw denied
    return await look({ ...options, forPush: false }).catch((error: unknown) => {
      throw isDenied(error) ? denied : error
    })
  }
}

/** The wire of a client; every client is made by `createOpenRegistry` and is one of ours. */
export function connectionOf(client: RegistryClient): Connection {
  if (client instanceof Client) return client.connection
  throw new LongshoreError('internal', `the client of ${client.host} has no connection`)
}

/** Repository and reference have passed the grammar of `reference.ts`, so nothing needs escaping. */
const manifestPath = (repository: string, reference: string) => `/v2/${repository}/manifests/${reference}`

const sameAlgorithm = (a: string, b: string) => a.split(':')[0] === b.split(':')[0]
