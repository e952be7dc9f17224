/** What is asked of a scan before it runs: parameters, limits, and the image it is about. The work is `job.ts`. */
import * as z from 'zod'
import { defineJob } from '../job/define.ts'
import { parseReference } from '../oci/reference.ts'
import { referenceSchema } from '../oci/reference-schema.ts'
import { notAPlatform, PLATFORM_PATTERN } from './platform.ts'
import { besideImage, scanMany } from './policy.ts'

const params = z.strictObject({
  image: referenceSchema.describe('The image to scan: registry/repository:tag'),
  platform: z
    .string()
    .regex(PLATFORM_PATTERN, notAPlatform)
    .optional()
    .describe('Which image of a multi-platform index; default linux/amd64'),
  ...besideImage,
})

export type ScanParams = z.infer<typeof params>

export const scanDefinition = defineJob<ScanParams>({
  type: 'scan',
  title: 'Scan an image for known vulnerabilities',
  phases: ['resolve', 'layers', 'match', 'report'],
  params,
  limits: { pool: { interactive: 4, bulk: 8 }, maxAttempts: 5, timeoutSeconds: 300 },
  image: (params) => ({ reference: parseReference(params.image), pointer: '/image' }),
  otherHosts: () => [],
  bulk: scanMany,
})
