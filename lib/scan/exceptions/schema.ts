/** Exceptions as people write them in JSON, in a file or in a request. */
import * as z from 'zod'
import '../../validation.ts'
import type { ExceptionRule } from './model.ts'

const text = (max: number) => z.string().min(1).max(max)

export const exceptionSchema = z.strictObject({
  id: text(128).describe('CVE, GHSA or any other id of the flaw'),
  package: text(512).optional().describe('A package name, or a package URL; all packages without it'),
  path: text(512).optional().describe('A pattern of the path inside the image'),
  image: text(512)
    .optional()
    .describe(
      'registry/repository, with :tag or @digest to be exact; * within a name, ** across; every image without it',
    ),
  status: z.enum(['ignored', 'not_affected', 'fixed', 'false_positive']).default('ignored'),
  reason: text(1_000),
  author: text(200).optional(),
  expires: z
    .union(
      [z.iso.date(), z.iso.datetime({ offset: true })],
      'write a day such as 2027-01-31, or an instant with its zone',
    )
    .optional()
    .describe('The finding counts again from then on; a day begins in UTC'),
})
/** As it is kept, `status` always there. */
export type Exception = z.infer<typeof exceptionSchema>

export const ruleOfException = (exception: Exception, source: string): ExceptionRule => ({
  ids: [exception.id],
  ...(exception.image === undefined ? {} : { within: [exception.image] }),
  ...(exception.package === undefined ? {} : { packages: [exception.package] }),
  ...(exception.path === undefined ? {} : { paths: [exception.path] }),
  decision: exception.status,
  reason: exception.reason,
  ...(exception.author === undefined ? {} : { author: exception.author }),
  ...(exception.expires === undefined ? {} : { expires: exception.expires }),
  source,
})
