/** Replicating many images: globs over a source registry, under a namespace of the target. */
import * as z from 'zod'
import { defaultLimits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import type { BulkType, Selector } from '../job/define.ts'
import { parseSelector } from '../job/selector.ts'
import { formatReference, isRepository, normalizeHost } from '../oci/reference.ts'
import { shownValue } from '../shown-value.ts'
import '../validation.ts'

const host = z
  .string()
  .min(1)
  .max(260)
  .superRefine((text, context) => {
    try {
      normalizeHost(text)
    } catch (thrown) {
      context.addIssue({ code: 'custom', message: thrown instanceof LongshoreError ? thrown.message : 'is not a host' })
    }
  })
const globs = (name: string) =>
  z
    .array(
      z
        .string()
        .min(1)
        .max(255)
        .regex(/^[A-Za-z0-9._/*?-]+$/, {
          error: ({ input }) =>
            `${shownValue(input)} is not a ${name} pattern; write a name with * or ** where it may vary`,
        }),
    )
    .min(1)
    .max(defaultLimits.policyImagesMax)

const spec = z.object({
  source: z.strictObject({ registry: host, repositories: globs('repository'), tags: globs('tag').optional() }),
  target: z.strictObject({
    registry: host,
    namespace: z
      .string()
      .max(200)
      .refine((text) => text === '' || isRepository(text), {
        error: ({ input }) =>
          `${shownValue(input)} is not a repository name; write lower-case parts such as mirror/team`,
      })
      .optional(),
  }),
})
type Spec = z.infer<typeof spec>

/** `team/app` under `mirror` becomes `mirror/team/app`; without a namespace the name stays. */
const targetRepository = (namespace: string | undefined, repository: string): string =>
  namespace ? `${namespace}/${repository}` : repository

export const replicateMany: BulkType<Spec> = {
  spec,
  selectors({ source }): Selector[] {
    const tags = source.tags ?? ['**']
    return source.repositories.flatMap((repository) =>
      tags.map((tag) => parseSelector(`${normalizeHost(source.registry)}/${repository}:${tag}`)),
    )
  },
  otherHosts: ({ target }) => [{ host: target.registry, pointer: '/target/registry' }],
  child({ target }, found) {
    const repository = targetRepository(target.namespace, found.repository)
    const targetText = formatReference({ registry: normalizeHost(target.registry), repository, tag: found.tag })
    return {
      // One copy per tag and digest: a tag that moves while the pages are read is copied as it was found.
      item: `${found.registry}/${found.repository}:${found.tag}@${found.digest}`,
      // The digest stands in the record once, as what the tag named: that is what is copied.
      params: {
        source: formatReference({ registry: found.registry, repository: found.repository, tag: found.tag }),
        target: targetText,
      },
    }
  },
}
