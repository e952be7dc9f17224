/** What the API shows: schemas (they make the OpenAPI document) and the functions that render records into them. */
import { z } from '@hono/zod-openapi'
import { COVERAGES, SEVERITIES, STATUSES } from '../glossary.ts'
import type { Environment } from '../job/environment.ts'
import { countChildren, statusOf } from '../job/execution-counts.ts'
import type { ExecutionRecord, StatusCounts } from '../job/execution-record.ts'
import { HALTED } from '../job/halt.ts'
import { attemptOf, isTerminal, type JobRecord } from '../job/record.ts'
import { nextRuns } from '../schedule/cron.ts'
import type { PolicyRecord } from '../schedule/policy.ts'

export const time = z.string().openapi({ format: 'date-time', example: '2026-11-22T17:00:00.000Z' })
export const idSchema = z.string().openapi({ example: '01JD9W3Q4V5X6Y7Z8A9B0C1D2E' })

export const errorSchema = z.object({
  code: z.string(),
  message: z.string(),
  side: z.enum(['source', 'target']).optional(),
  retryable: z.boolean(),
})

export const summarySchema = z.object(
  Object.fromEntries(SEVERITIES.map((severity) => [severity, z.number()])) as Record<
    (typeof SEVERITIES)[number],
    z.ZodNumber
  >,
)

export const scanResultSchema = z
  .object({
    digest: z.string(),
    platform: z.string(),
    revision: z.string(),
    coverage: z.enum(COVERAGES),
    severity: z.enum([...SEVERITIES, 'None']),
    summary: summarySchema,
    fixable: z.number(),
    packages: z.number(),
    layers: z.object({ total: z.number(), reused: z.number() }),
  })
  .openapi('ScanResult')

export const replicateResultSchema = z
  .object({
    digest: z.string(),
    target: z.object({ registry: z.string(), repository: z.string(), tag: z.string().optional(), digest: z.string() }),
    blobs: z.object({ copied: z.number(), mounted: z.number(), present: z.number() }),
    bytes: z.object({ copied: z.number(), skipped: z.number() }),
    requests: z.object({ source: z.number(), target: z.number() }),
  })
  .openapi('ReplicateResult')

export const jobSchema = z
  .object({
    id: idSchema,
    type: z.string(),
    status: z.enum(STATUSES),
    stopping: z.boolean().optional(),
    phase: z.string().nullable(),
    params: z.record(z.string(), z.unknown()),
    image: z.object({ registry: z.string(), repository: z.string(), tag: z.string().optional(), digest: z.string() }),
    attempt: z.number().int(),
    maxAttempts: z.number().int(),
    createdAt: time,
    dueAt: time.nullable(),
    startedAt: time.nullable(),
    finishedAt: time.nullable(),
    progress: z.object({
      items: z.object({ done: z.number(), failed: z.number(), skipped: z.number(), total: z.number() }),
      bytes: z.object({ done: z.number(), total: z.number() }),
    }),
    result: z.union([scanResultSchema, replicateResultSchema]).nullable(),
    error: errorSchema.nullable(),
    execution: idSchema.nullable(),
    followUpOf: idSchema
      .optional()
      .openapi({ description: 'It only looks back at the target tag that this job set, and mends it if need be' }),
    retryOf: idSchema.nullable(),
    retriedBy: idSchema.nullable(),
    links: z.object({
      self: z.string(),
      log: z.string(),
      report: z.string().optional(),
      retry: z.string().optional().openapi({ description: 'Of a job that has ended otherwise than as success' }),
    }),
  })
  .openapi('Job')

const iso = (ms: number): string => new Date(ms).toISOString()
const isoOrNull = (ms: number | undefined): string | null => (ms === undefined ? null : iso(ms))

/** The resource of design section 5. Nothing in it is a secret: jobs name hosts only. */
export function jobResource(job: JobRecord) {
  const self = `/v1/jobs/${job.id}`
  return {
    id: job.id,
    type: job.type,
    status: job.status,
    ...(job.status === 'running' && job.stop ? { stopping: true } : {}),
    phase: job.phase ?? null,
    params: job.params,
    image: job.image,
    attempt: attemptOf(job),
    maxAttempts: job.maxAttempts,
    createdAt: iso(job.createdAt),
    dueAt: isoOrNull(job.dueAt),
    startedAt: isoOrNull(job.startedAt),
    finishedAt: isoOrNull(job.finishedAt),
    progress: job.progress ?? { items: { done: 0, failed: 0, skipped: 0, total: 0 }, bytes: { done: 0, total: 0 } },
    result: job.result ?? null,
    error: job.error ?? null,
    execution: job.execution ?? null,
    ...(job.followUpOf ? { followUpOf: job.followUpOf } : {}),
    retryOf: job.retryOf ?? null,
    retriedBy: job.retriedBy ?? null,
    links: {
      self,
      log: `${self}/log`,
      ...(job.reportKey ? { report: `${self}/report` } : {}),
      ...(isTerminal(job.status) && job.status !== 'success' ? { retry: `${self}/retry` } : {}),
    },
  }
}

const countsSchema = z.object({
  ...(Object.fromEntries(STATUSES.map((status) => [status, z.number()])) as Record<
    (typeof STATUSES)[number],
    z.ZodNumber
  >),
  total: z.number(),
})

export const executionSchema = z
  .object({
    id: idSchema,
    type: z.string(),
    policy: idSchema.nullable(),
    trigger: z.enum(['schedule', 'manual', 'request']),
    instant: time.nullable(),
    status: z.enum(['running', 'success', 'error', 'stopped', 'canceled']),
    stopping: z.boolean().optional(),
    listing: z.boolean().openapi({ description: 'Images are still being looked up' }),
    retrying: z
      .boolean()
      .optional()
      .openapi({ description: 'Jobs that did not succeed are still being submitted again' }),
    generation: z.number().int().openapi({ description: 'How many times it was retried' }),
    counts: countsSchema,
    unresolved: z.object({
      count: z.number(),
      items: z.array(z.object({ item: z.string(), code: z.string(), message: z.string() })),
    }),
    failures: z.array(z.object({ job: idSchema, image: z.string(), error: errorSchema.nullable() })).optional(),
    error: errorSchema.nullable(),
    createdAt: time,
    finishedAt: time.nullable(),
    links: z.object({ self: z.string(), jobs: z.string(), retry: z.string().optional() }),
  })
  .openapi('Execution')

export async function executionResource(execution: ExecutionRecord, env: Environment) {
  const counts: StatusCounts = execution.counts ?? (await countChildren(execution, env))
  const status = statusOf(execution, counts)
  const self = `/v1/executions/${execution.id}`
  return {
    id: execution.id,
    type: execution.type,
    policy: execution.policy ?? null,
    trigger: execution.trigger,
    instant: isoOrNull(execution.instant),
    status,
    ...(execution.stop && status === 'running' ? { stopping: true } : {}),
    listing: execution.fanOut === 'listing' && status === 'running',
    ...(execution.fanOut === 'retrying' && status === 'running' ? { retrying: true } : {}),
    generation: execution.generation ?? 0,
    counts,
    unresolved: { count: execution.unresolved, items: execution.unresolvedItems },
    error: execution.error ?? (status === 'canceled' ? HALTED.cancel : null),
    createdAt: iso(execution.createdAt),
    finishedAt: isoOrNull(execution.finishedAt),
    links: {
      self,
      jobs: `/v1/jobs?execution=${execution.id}`,
      ...(status === 'running' || status === 'success' ? {} : { retry: `${self}/retry` }),
    },
  }
}

export const policySchema = z
  .object({
    id: idSchema,
    name: z.string(),
    type: z.string(),
    cron: z.string().nullable(),
    timeZone: z.string(),
    enabled: z.boolean(),
    nextRuns: z.array(z.object({ at: time, local: z.string() })),
    lastExecution: idSchema.nullable(),
    createdAt: time,
    updatedAt: time,
    links: z.object({ self: z.string(), run: z.string() }),
  })
  .loose()
  .openapi('Policy')

/**
 * With the next three fire times, also as the wall clock of the policy's zone shows them. `lastExecution` is given by who
 * has looked whether that is still there.
 */
export function policyResource(policy: PolicyRecord, now: number, lastExecution?: string) {
  const self = `/v1/policies/${policy.id}`
  const runs = policy.enabled && policy.cron ? nextRuns(policy.cron, policy.timeZone, now, 3) : []
  const local = new Intl.DateTimeFormat('sv-SE', {
    timeZone: policy.timeZone,
    dateStyle: 'short',
    timeStyle: 'long',
  })
  return {
    id: policy.id,
    name: policy.name,
    type: policy.type,
    ...policy.spec,
    cron: policy.cron ?? null,
    timeZone: policy.timeZone,
    enabled: policy.enabled,
    nextRuns: runs.map((at) => ({ at: iso(at), local: local.format(at) })),
    lastExecution: lastExecution ?? null,
    createdAt: iso(policy.createdAt),
    updatedAt: iso(policy.updatedAt),
    links: { self, run: `${self}/run` },
  }
}

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    retryable: z.boolean(),
    errors: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
  })
  .openapi('Problem')

/** The answers every route shares, for the OpenAPI document. */
export const problems = (...statuses: number[]) =>
  Object.fromEntries(
    statuses.map((status) => [
      status,
      { description: 'Problem', content: { 'application/problem+json': { schema: problemSchema } } },
    ]),
  )

/** Any JSON at the validator, one of these shapes in the document: the handler checks it against the type it names. */
export const oneOf = (shapes: z.ZodType[]) =>
  z.unknown().openapi({ type: 'object', oneOf: shapes.map(inputSchema) as never })

/** A schema as JSON Schema 2020-12, which is the dialect of OpenAPI 3.1. */
export function inputSchema(shape: z.ZodType): object {
  const { $schema: _dialect, ...schema } = z.toJSONSchema(shape, { io: 'input', unrepresentable: 'any' })
  return schema
}

export const json = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})
