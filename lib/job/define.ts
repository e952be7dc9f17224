/**
 * What a job type is. A type lives in one folder (`lib/<type>/job.ts`) and one line of `lib/jobs.ts`; API body,
 * OpenAPI and queues follow from the definition.
 */
import type * as z from 'zod'
import type { BlobStore } from '../blobs/port.ts'
import type { Clock } from '../clock.ts'
import type { Limits } from '../config.ts'
import type { Json } from '../glossary.ts'
import type { OpenRegistry, Reference } from '../oci/types.ts'
import type { ImageItems } from './image-items.ts'
import type { Leases } from './leases.ts'
import type { TagClaims } from './tag-claims.ts'

/** How far a job is; all counts only rise. */
export interface Progress {
  items: { done: number; failed: number; skipped: number; total: number }
  bytes: { done: number; total: number }
}

/** Lines of the job log; user-facing, redacted, cheap: nothing is awaited. */
export interface JobLog {
  info(message: string): void
  warn(message: string): void
}

/** The image as resolved at submit. */
export interface ResolvedImage {
  registry: string
  repository: string
  tag?: string
  digest: string
}

/** What a job needs to agree with others about a tag they all set. */
export interface JobOrder {
  /** Place of this job in the order of acceptance: later sorts higher. */
  readonly acceptance: string
  /** Milliseconds since the epoch: this run is dead then, whatever happens. */
  readonly leaseUntil: number
  readonly claims: TagClaims
  /** Accepts a job that runs the type's `followUp` then, with the same parameters; asked twice, one. Returns its id. */
  followUp(dueAt: number): Promise<string>
}

/** Everything a running job can reach. Nothing else is reachable. */
export interface JobContext {
  jobId: string
  tenant: string
  attempt: number
  /** The digest was pinned at submit: never resolve the tag again. */
  image: ResolvedImage
  log: JobLog
  /** Names the phase users see; free until the next progress write. */
  phase(name: string): void
  progress(update: { items?: Partial<Progress['items']>; bytes?: Partial<Progress['bytes']> }): void
  /** Aborts on stop, on a lost lease and at the end of the function's time. Pass it down to the socket. */
  signal: AbortSignal
  clock: Clock
  limits: Limits
  blobs: BlobStore
  /** Clients are kept for the invocation; credentials are looked up now, not at submit. */
  registry: OpenRegistry
  order: JobOrder
  /** Of work that other jobs need as well; they end with this run. */
  leases: Leases
  /** What is kept of images beyond their jobs. */
  images: ImageItems
  /** What the run before handed over. */
  checkpoint: Json | undefined
  /**
   * What the next run gets should this one die: written with the progress, so at most `progressWriteSeconds` and one
   * poll old. A failed attempt and a run that is cut off at its end keep it as well.
   */
  save(checkpoint: Json): void
  /** Whether the signal aborted because the job was stopped: then nobody will go on, and what is open can be given up. */
  isStopped(): boolean
  /** Milliseconds until this run must hand over. */
  remainingMs(): number
  /** The same for a run that has an invocation to itself from its beginning: more than this no run ever gets. */
  wholeRunMs: number
  /** Ends the job as canceled. Throws; never returns. */
  cancel(reason: string): never
  /** Puts the job off without counting an attempt. Throws; never returns. */
  snooze(seconds: number, checkpoint?: Json): never
  /** Continues in another invocation from this checkpoint. Throws; never returns. */
  handOver(checkpoint: Json): never
}

export interface JobResult {
  /** The `result` of the job resource; at most about 700 bytes, the record stays under 1 KB. */
  result: { [key: string]: Json }
  /** Blob key of the JSON report, when the type makes one. */
  reportKey?: string
}

export interface JobLimits {
  /** Workers of the interactive and of the bulk lane: `maximumConcurrency` in serverless.yml. */
  pool: { interactive: number; bulk: number }
  maxAttempts: number
  /** Seconds; the function's timeout. */
  timeoutSeconds: number
}

/** A tag found by a fan-out, pinned to its digest. */
export interface FoundImage {
  registry: string
  repository: string
  tag: string
  digest: string
}

/** Which images a bulk request means: globs, where `*` stops at `/` and `**` does not. */
export interface Selector {
  registry: string
  repository: string
  tag: string
}

/** How a type is run over many images, by a policy or a bulk request. */
export interface BulkType<Spec = never> {
  /** The type's own fields of a policy; the common ones (name, cron, ...) are added to it. */
  spec: z.ZodObject
  selectors(spec: Spec): Selector[]
  /** Hosts beside the selectors' that must be allowed. */
  otherHosts(spec: Spec): { host: string; pointer: string }[]
  /** One child. Two found images with the same `item` are one job of the execution. */
  child(spec: Spec, found: FoundImage): { item: string; params: { [name: string]: Json } }
}

/** What is asked of a type to accept its jobs, list them and find their queue; `run` is the worker's, see `JobType`. */
export interface JobDefinition<Params = never> {
  type: string
  title: string
  /** In the order users see them. */
  phases: readonly string[]
  params: z.ZodType<Params>
  limits: JobLimits
  /** The image whose digest is resolved at submit, and which registries the job will talk to. */
  image(params: Params): { reference: Reference; pointer: string }
  /** Hosts beside the image's that must be allowed before the job is accepted. */
  otherHosts(params: Params): { host: string; pointer: string }[]
  bulk?: BulkType
  /** Absent in functions that only accept jobs, so that they do not bundle the work. */
  run?(params: Params, context: JobContext): Promise<JobResult>
  /** What the jobs run that `order.followUp` makes. */
  followUp?(params: Params, context: JobContext): Promise<JobResult>
}

/** A definition with its work. */
export interface JobType<Params = never> extends JobDefinition<Params> {
  run(params: Params, context: JobContext): Promise<JobResult>
}

export function defineJob<Params>(definition: JobDefinition<Params>): JobDefinition<Params> {
  return definition
}

/** Keeps the type of the parameters between schema and run. */
export function defineJobType<Params>(definition: JobType<Params>): JobType<Params> {
  return definition
}
