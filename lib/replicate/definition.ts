/** What is asked of a replication before it runs: parameters, limits, and its two ends. The work is `job.ts`. */
import * as z from 'zod'
import { defineJob } from '../job/define.ts'
import { formatReference, parseReference } from '../oci/reference.ts'
import { referenceSchema } from '../oci/reference-schema.ts'
import type { Reference } from '../oci/types.ts'
import { shownValue } from '../shown-value.ts'
import '../validation.ts'
import { parsePlatform } from './platforms.ts'
import { replicateMany } from './policy.ts'

/** Platforms of one request; no known image has more than about 50, and nobody lists 20. */
const PLATFORMS_MAX = 20

const referenceText = referenceSchema.describe('An image reference: registry/repository:tag')

const params = z
  .strictObject({
    source: referenceText,
    target: referenceText,
    platforms: z
      .array(
        z
          .string()
          .max(100)
          .refine((text) => parsePlatform(text) !== undefined, {
            error: ({ input }) =>
              `${shownValue(input)} is not a platform; write os/architecture[/variant], e.g. linux/amd64`,
          }),
      )
      .min(1)
      .max(PLATFORMS_MAX)
      .optional()
      .describe('Copy only these platforms of a multi-platform image; the index is rewritten and its digest changes'),
    override: z
      .boolean()
      .optional()
      .describe('false: when the target tag already names another image, change nothing and end as canceled'),
  })
  .superRefine((value, check) => {
    const pair = [value.source, value.target].map(quietly)
    const [source, target] = pair
    if (!source || !target) return
    const issue = (path: string, message: string) => check.addIssue({ code: 'custom', path: [path], message })
    if (target.digest !== undefined)
      issue('target', 'A target is a tag, without a digest; the copy keeps the digest of the source by itself')
    if (formatReference(source) === formatReference(target)) issue('target', 'Source and target are the same image')
  })

export type ReplicateParams = z.infer<typeof params>

const quietly = (text: string): Reference | undefined => {
  try {
    return parseReference(text)
  } catch {
    return undefined
  }
}

export const replicateDefinition = defineJob<ReplicateParams>({
  type: 'replicate',
  title: 'Replicate an image',
  phases: ['plan', 'blobs', 'manifests', 'tag', 'verify'],
  params,
  limits: { pool: { interactive: 4, bulk: 8 }, maxAttempts: 5, timeoutSeconds: 900 },
  image: (params) => ({ reference: parseReference(params.source), pointer: '/source' }),
  otherHosts: (params) => [{ host: parseReference(params.target).registry, pointer: '/target' }],
  bulk: replicateMany,
})
