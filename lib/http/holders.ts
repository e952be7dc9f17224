/** /v1/packages and /v1/vulnerabilities: which images hold a package, which have a flaw. */
import { createRoute, z } from '@hono/zod-openapi'
import { SEVERITIES } from '../glossary.ts'
import { holdersOfFlaw, holdersOfPackage } from '../scan/images/holders.ts'
import { DIGEST_PATTERN } from '../scan/images/list.ts'
import { imageResource, imageSchema } from './images.ts'
import { answerJson } from './report-answer.ts'
import { json, problems } from './resources.ts'
import { type Api, type ApiEnvironment, decodeCursor, encodeCursor, nextLink } from './server.ts'

const packageSchema = z.object({
  name: z.string(),
  version: z.string(),
  purl: z.string(),
  path: z.string(),
  layer: z.string(),
  source: z.object({ name: z.string(), version: z.string() }).optional(),
})

const flawSchema = z.object({
  package: z.string(),
  version: z.string(),
  purl: z.string(),
  path: z.string(),
  layer: z.string(),
  severity: z.enum(SEVERITIES),
  fixedVersion: z.string().nullable(),
})

const total = z.number().int().openapi({ description: 'Images in the index; some may have lost it since' })

export function holderRoutes(app: Api, env: ApiEnvironment): void {
  const paging = {
    limit: z.coerce.number().int().min(1).max(env.limits.pageItemsMax).optional(),
    cursor: z.string().max(512).optional(),
  }
  const linked = (url: string, next: string | null): Record<string, string> =>
    next ? { link: nextLink(url, next) } : {}

  const packages = createRoute({
    method: 'get',
    path: '/v1/packages',
    summary: 'Images that hold a package',
    request: {
      query: z.strictObject({
        name: z
          .string()
          .min(1)
          .max(512)
          .openapi({ description: 'Of the package; of an OS package also of its source' }),
        ecosystem: z.string().max(128).optional().openapi({
          description: 'As advisories spell it: npm, Debian:12. Then an OS package is named by its source',
        }),
        ...paging,
      }),
    },
    responses: {
      200: json(
        z.object({
          images: z.array(imageSchema.extend({ holds: z.array(packageSchema) })),
          total,
          next: z.string().nullable(),
        }),
        'A page, by digest',
      ),
      ...problems(406, 422),
    },
  })
  app.openapi(packages, async (c) => {
    const { name, ecosystem, limit = 20, cursor } = c.req.valid('query')
    const page = await holdersOfPackage(
      env.tenantOf(c.req.raw),
      { name, ...(ecosystem ? { ecosystem } : {}) },
      { limit, after: decodeCursor(cursor, DIGEST_PATTERN) },
      env,
    )
    const next = page.next ? encodeCursor(page.next) : null
    const images = page.holders.map(({ image, parts }) => ({ ...imageResource(image), holds: parts }))
    const headers = linked(c.req.url, next)
    return answerJson(c, { images, total: page.total, next }, 'this page', ', or for a smaller limit', env, headers)
  })

  const vulnerability = createRoute({
    method: 'get',
    path: '/v1/vulnerabilities/{id}',
    summary: 'Images that have a flaw, by any of its ids',
    request: {
      params: z.object({
        id: z
          .string()
          .max(128)
          .openapi({ param: { name: 'id', in: 'path' }, example: 'CVE-2024-1234' }),
      }),
      query: z.strictObject(paging),
    },
    responses: {
      200: json(
        z
          .object({
            id: z.string(),
            title: z.string().nullable(),
            url: z.string().nullable(),
            images: z.array(imageSchema.extend({ findings: z.array(flawSchema) })),
            total,
            next: z.string().nullable(),
          })
          .openapi('Vulnerability'),
        'A page, by digest; empty when no image has it',
      ),
      ...problems(406, 422),
    },
  })
  app.openapi(vulnerability, async (c) => {
    const { limit = 20, cursor } = c.req.valid('query')
    const given = c.req.valid('param').id
    const id = /^cve-/i.test(given) ? given.toUpperCase() : given
    const after = decodeCursor(cursor, DIGEST_PATTERN)
    const page = await holdersOfFlaw(env.tenantOf(c.req.raw), id, { limit, after }, env)
    const next = page.next ? encodeCursor(page.next) : null
    const first = page.holders[0]?.parts[0]
    const images = page.holders.map(({ image, parts }) => ({
      ...imageResource(image),
      findings: parts.map((found) => ({
        package: found.package,
        version: found.version,
        purl: found.purl,
        path: found.path,
        layer: found.layer,
        severity: found.severity,
        fixedVersion: found.fixedVersion ?? null,
      })),
    }))
    const answer = { id, title: first?.title ?? null, url: first?.url ?? null, images, total: page.total, next }
    return answerJson(c, answer, 'this page', ', or for a smaller limit', env, linked(c.req.url, next))
  })
}
