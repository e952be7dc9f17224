/**
 * What the registry client speaks, in the words of the OCI image and distribution specifications.
 * The client is in `client.ts`; everything above it depends on these interfaces only.
 */
import type { Readable } from 'node:stream'
import type { Secret } from '../secrets/port.ts'

export const MEDIA_TYPES = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
} as const

/** A reference after parsing: `registry/repository:tag@digest`; `tag` defaults to `latest` when there is no digest. */
export interface Reference {
  /** Host and optional port, lower case. Docker Hub is always `registry-1.docker.io`. */
  registry: string
  repository: string
  tag?: string
  digest?: string
}

export interface Platform {
  os: string
  architecture: string
  variant?: string
}

export interface Descriptor {
  mediaType: string
  digest: string
  size: number
  platform?: Platform
  artifactType?: string
  annotations?: Record<string, string>
}

/** An image manifest or an index whose bytes hash to `digest`; there is no way to get one unverified. */
export interface Manifest {
  digest: string
  mediaType: string
  size: number
  /** Exactly what the registry sent: pushed on byte for byte. */
  bytes: Uint8Array
  /** Set for an index or a Docker manifest list: its children. */
  manifests?: Descriptor[]
  /** Set for an image manifest. */
  config?: Descriptor
  layers?: Descriptor[]
  artifactType?: string
  subject?: Descriptor
}

/** A registry by host (design section 6). */
export interface Registry {
  host: string
  /** Unverified https, then plain http; what worked is remembered per host. */
  insecure?: boolean
  /** Loopback and private addresses may be connected to; link-local never. */
  allowPrivate?: boolean
  credentials?: Credentials
  requestsPerSecond?: number
}

export type Credentials =
  | { type: 'basic'; username: string; password: Secret }
  /** ECR: a token of the function's own role. */
  | { type: 'ecr' }

export interface CallOptions {
  signal?: AbortSignal
  /** For this call as a whole; default `registryRequestTimeoutMs` (not for blob bodies: those have an idle limit). */
  timeoutMs?: number
  /** Counted here as well: the caller's own share of a client that others use too. */
  counts?: RequestCounts
  /**
   * A look at where something will be written: asks for the right to write at once. Some registries (Quay) make a repository
   * when that is asked for, and until then there is nothing that may be read.
   */
  forPush?: boolean
}

/** What a client counts, per client instance. */
export interface RequestCounts {
  requests: number
  bytesIn: number
  bytesOut: number
}

/**
 * One registry host. Errors are LongshoreErrors: `image-not-found` (404 on a manifest by tag), `source-gone` (404 on
 * content by digest), `registry-unauthorized`, `registry-throttled` (with retryAfterMs), `registry-unavailable`,
 * `registry-timeout`, `registry-invalid`, `registry-not-allowed`, `connection-cut`, `digest-mismatch`,
 * `size-mismatch`, `manifest-invalid`, `manifest-too-large`, `unsupported-media-type`, `upload-rejected`,
 * `manifest-rejected`.
 */
export interface RegistryClient {
  readonly host: string
  readonly counts: RequestCounts
  /** Digest of a tag (or digest) by HEAD, falling back to GET where HEAD tells no digest. Undefined: not there. */
  resolve(repository: string, reference: string, options?: CallOptions): Promise<Descriptor | undefined>
  /** Verified manifest. `reference` is a tag or a digest; a digest is checked against the bytes. */
  manifest(repository: string, reference: string, options?: CallOptions): Promise<Manifest>
  /** `onSubject`: the registry took note of the manifest's subject by itself (`OCI-Subject`), and of which. */
  putManifest(
    repository: string,
    reference: string,
    manifest: Manifest,
    options?: CallOptions & { onSubject?: (digest: string) => void },
  ): Promise<void>
  hasBlob(repository: string, descriptor: Descriptor, options?: CallOptions): Promise<boolean>
  /**
   * The blob as a stream that ends only after size and digest were checked, and is destroyed with `digest-mismatch`,
   * `size-mismatch` or `connection-cut` otherwise: the last chunk is never delivered before the check.
   */
  blob(repository: string, descriptor: Descriptor, options?: CallOptions): Promise<Readable>
  /** A small verified blob (a config) in memory; at most `bytesMax` (default 4 MiB). */
  blobBytes(
    repository: string,
    descriptor: Descriptor,
    options?: CallOptions & { bytesMax?: number },
  ): Promise<Uint8Array>
  /** POST then one PUT with Content-Length. `open` is called only after the registry accepted the POST. */
  upload(
    repository: string,
    descriptor: Descriptor,
    open: () => Promise<Readable>,
    options?: CallOptions & { onBytes?: (count: number) => void },
  ): Promise<void>
  /**
   * Mounts a blob of another repository of this registry. `false`: the registry did not (any opened session was
   * cancelled); upload instead.
   */
  mount(repository: string, descriptor: Descriptor, from: string, options?: CallOptions): Promise<boolean>
  /** One page of tags after `last`; `next` is the `last` of the following page. Follows Link, never guesses the end. */
  tags(
    repository: string,
    options?: CallOptions & { last?: string; limit?: number },
  ): Promise<{ tags: string[]; next?: string }>
  /** One page of `_catalog`. */
  repositories(
    options?: CallOptions & { last?: string; limit?: number },
  ): Promise<{ repositories: string[]; next?: string }>
  /** GET /v2/ with authentication: throws when the registry cannot be used. */
  ping(options?: CallOptions): Promise<void>
}

/** A client for a host: the registry object merged with its credentials, or a LongshoreError `registry-not-allowed`. */
export type OpenRegistry = (host: string) => Promise<RegistryClient>
