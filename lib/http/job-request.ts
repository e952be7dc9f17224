/** The body of POST /v1/jobs, from the job types themselves. */
import { z } from '@hono/zod-openapi'
import type { JobTypes } from '../job/environment.ts'
import { shownValue } from '../shown-value.ts'
import '../validation.ts'

export type JobTypeSchemas = JobTypes

/** A union over `type`, strict: unknown fields are refused by name. */
export function jobRequestSchema(types: JobTypeSchemas) {
  const options = [...types.values()].map((type) =>
    z
      .strictObject({
        type: z.literal(type.type),
        params: type.params as unknown as z.ZodObject,
        dueAt: z.iso
          .datetime({
            offset: true,
            error: ({ input }) =>
              `${shownValue(input)} is not a time; write it as ISO 8601 with a zone, e.g. 2026-11-22T17:00:00Z`,
          })
          .optional()
          .describe('When to run it at the earliest; at once when absent'),
      })
      .openapi(`${type.type[0]?.toUpperCase()}${type.type.slice(1)}Request`),
  )
  const known = [...types.keys()].join(', ')
  return z.discriminatedUnion('type', options as never, {
    error: ({ code, input }) => {
      if (code !== 'invalid_union')
        return `the body is ${shownValue(input)}; send a JSON object with "type" and "params"`
      const { type } = input as { type?: unknown }
      return type === undefined
        ? `the type is missing; write one of ${known}`
        : `${shownValue(type)} is not a job type; write one of ${known}`
    },
  })
}
