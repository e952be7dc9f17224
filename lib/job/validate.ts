/** Parameters at the border: strict, with a JSON pointer for every fault. */
import type * as z from 'zod'
import '../validation.ts'
import { LongshoreError } from '../errors.ts'
import type { Json } from '../glossary.ts'
import type { JobDefinition } from './define.ts'
import type { JobTypes } from './environment.ts'

/** Throws `invalid-value` naming each field. `params` stay as submitted: what is stored and shown is what was sent. */
export function parseParams(
  typeName: string,
  params: Json | undefined,
  types: JobTypes,
): { type: JobDefinition<never>; params: never } {
  const type = types.get(typeName)
  if (!type) {
    const detail = `"${typeName.slice(0, 64)}" is not a job type; known types: ${[...types.keys()].join(', ')}`
    throw new LongshoreError('invalid-value', detail, { errors: [{ pointer: '/type', detail }] })
  }
  const parsed = (type.params as unknown as z.ZodType<never>).safeParse(params ?? {})
  if (!parsed.success) throw invalid(parsed.error, '/params')
  return { type, params: parsed.data }
}

/** A part of a JSON pointer, RFC 6901. */
const escaped = (part: string): string => part.replaceAll('~', '~0').replaceAll('/', '~1')

/** A failed validation as one error with pointers (RFC 6901). */
export function invalid(error: z.ZodError, root = ''): LongshoreError {
  const errors = error.issues.slice(0, 20).flatMap((issue) => {
    const path = issue.path.map((part) => `/${escaped(String(part))}`).join('')
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({
        pointer: `${root}${path}/${escaped(key.slice(0, 64))}`,
        detail: `"${key.slice(0, 64)}" is not a known field; leave it out, GET /openapi.json shows the fields there are`,
      }))
    return [{ pointer: `${root}${path}`, detail: issue.message }]
  })
  const first = errors[0]
  // Behind the sentence: before it, a field called "secret" and a colon would be redacted with the word that follows.
  const place = [first?.pointer && `at ${first.pointer}`, errors.length > 1 && `and ${errors.length - 1} more`]
    .filter(Boolean)
    .join(', ')
  return new LongshoreError(
    'invalid-value',
    first ? `${first.detail}${place && ` (${place})`}` : 'the value is not valid',
    {
      errors,
      cause: error,
    },
  )
}
