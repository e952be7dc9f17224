/** The body of POST /v1/jobs, from the job types themselves. */
import { z } from '@hono/zod-openapi'
import type { JobTypes } from '../job/environment.ts'

export type JobTypeSchemas = JobTypes

/** A union over `type`, strict: unknown fields are refused by name. */
export function jobRequestSchema(types: JobTypeSchemas) {
  const options = [...types.values()].map((type) =>
    z
      .strictObject({ type: z.literal(type.type), params: type.params as unknown as z.ZodObject })
      .openapi(`${type.type[0]?.toUpperCase()}${type.type.slice(1)}Request`),
  )
  const known = [...types.keys()].join(', ')
  return z.discriminatedUnion('type', options as never, {
    error: (issue) =>
      issue.code === 'invalid_union'
        ? `is not a job type; known types: ${known}`
        : 'the body must be a JSON object with "type" and "params"',
  })
}
