/** Scanning many images: `images` are patterns such as `registry.example/team/*:v*`. */
import * as z from 'zod'
import { defaultLimits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import type { BulkType } from '../job/define.ts'
import { parseSelector } from '../job/selector.ts'
import { formatReference } from '../oci/reference.ts'
import { notAPlatform, PLATFORM_PATTERN } from './platform.ts'

const pattern = z.string().superRefine((text, context) => {
  try {
    parseSelector(text)
  } catch (thrown) {
    context.addIssue({
      code: 'custom',
      message: thrown instanceof LongshoreError ? thrown.message : 'is not a pattern',
    })
  }
})

/** What a scan does beside its image in the registry, only when asked: the first writes to it, the second believes it. */
export const besideImage = {
  sbom: z.literal('referrer').optional().describe('Push the SBOM of the image to its registry as a referrer'),
  vex: z
    .literal('referrers')
    .optional()
    .describe('Apply OpenVEX and CycloneDX VEX documents that are referrers of the image to its reports'),
}

const spec = z.object({
  images: z.array(pattern).min(1).max(defaultLimits.policyImagesMax),
  platform: z.string().regex(PLATFORM_PATTERN, notAPlatform).optional(),
  ...besideImage,
})

export const scanMany: BulkType<z.infer<typeof spec>> = {
  spec,
  selectors: ({ images }) => images.map(parseSelector),
  otherHosts: () => [],
  child: ({ platform, sbom, vex }, { registry, repository, tag, digest }) => ({
    // One scan per digest: two tags of one image are one job.
    item: platform ? `${digest} ${platform}` : digest,
    // The digest stands in the record once, as what the tag named: that is what runs, and a child keeps within 1 KB.
    params: {
      image: formatReference({ registry, repository, tag }),
      ...(platform ? { platform } : {}),
      ...(sbom ? { sbom } : {}),
      ...(vex ? { vex } : {}),
    },
  }),
}
