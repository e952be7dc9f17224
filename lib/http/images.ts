/** /v1/images: what is known of images beyond their jobs: newest verdict, names, history, SBOM, what changed. */
import { createRoute, z } from '@hono/zod-openapi'
import { LongshoreError } from '../errors.ts'
import { COVERAGES, SEVERITIES } from '../glossary.ts'
import { readReport } from '../report/index.ts'
import { compareFindings } from '../scan/images/findings.ts'
import { IMAGE_CURSOR_PATTERN, type KnownImage, listImages, removeImage, requireImage } from '../scan/images/list.ts'
import { worstOf } from '../scan/images/record.ts'
import {
  answerJson,
  answerReport,
  readReportQuery,
  reportQuery,
  reportResponse,
  severitiesOf,
} from './report-answer.ts'
import { json, problems, summarySchema, time } from './resources.ts'
import { answerSbom, sbomResponse } from './sboms.ts'
import { type Api, type ApiEnvironment, badQuery, decodeCursor, encodeCursor, nextLink } from './server.ts'

const LEVELS = [...SEVERITIES, 'None'] as const

const digestParam = z.object({
  digest: z.string().openapi({
    param: { name: 'digest', in: 'path' },
    description: 'Of the manifest of one platform, as the result of a scan tells it',
  }),
})

const pastSchema = z.object({
  revision: z.string(),
  at: time,
  summary: summarySchema,
  links: z.object({ report: z.string() }),
})

export const imageSchema = z
  .object({
    digest: z.string(),
    platform: z.string(),
    os: z.object({ id: z.string(), version: z.string() }).nullable(),
    names: z.array(z.object({ name: z.string(), scannedAt: time })).openapi({ description: 'The newest first' }),
    revision: z
      .string()
      .openapi({ description: 'Of the advisories its verdict was made by; nothing has changed for it since' }),
    coverage: z.enum(COVERAGES),
    severity: z.enum(LEVELS),
    summary: summarySchema,
    fixable: z.number(),
    packages: z.number(),
    firstSeenAt: time,
    scannedAt: time,
    judgedAt: time.openapi({ description: 'When the verdict was made: at a scan, or at a new revision' }),
    links: z.object({ self: z.string(), report: z.string(), sbom: z.string(), diff: z.string().optional() }),
  })
  .openapi('Image')

const packageSchema = z.object({
  name: z.string(),
  version: z.string(),
  purl: z.string(),
  path: z.string(),
  layer: z.string(),
})

const wholeImageSchema = imageSchema
  .extend({
    history: z.array(pastSchema),
    packageList: z.array(packageSchema).openapi({ description: 'At most `imagePackagesMax`; the SBOM has all' }),
    gaps: z.array(z.string()),
  })
  .openapi('WholeImage')

const anyFinding = z.looseObject({ id: z.string(), package: z.string(), severity: z.string() })

const iso = (ms: number): string => new Date(ms).toISOString()

export function imageResource(image: KnownImage) {
  const self = `/v1/images/${image.digest}`
  const [now, past] = image.history
  return {
    digest: image.digest,
    platform: image.platform,
    os: image.os ?? null,
    names: Object.entries(image.names)
      .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
      .map(([name, at]) => ({ name, scannedAt: iso(at) })),
    revision: image.revision,
    coverage: image.coverage,
    severity: worstOf(image.summary),
    summary: image.summary,
    fixable: image.fixable,
    packages: image.packages,
    firstSeenAt: iso(image.firstSeenAt),
    scannedAt: iso(image.scannedAt),
    judgedAt: iso(image.judgedAt),
    links: {
      self,
      report: `${self}/report`,
      sbom: `${self}/sbom`,
      ...(now && past ? { diff: `${self}/diff?from=${past.revision}&to=${now.revision}` } : {}),
    },
  }
}

/** The report of an image at a revision; the newest one when none is named. Throws `report-not-found`. */
async function reportAt(image: KnownImage, revision: string | undefined, env: ApiEnvironment): Promise<Uint8Array> {
  const past = revision === undefined ? image.history[0] : image.history.find((one) => one.revision === revision)
  const content = past && (await env.blobs.get(past.reportKey))
  if (content) return content
  const have = image.history.map((one) => one.revision).join(', ')
  throw new LongshoreError(
    'report-not-found',
    `the image ${image.digest} has no report at ${revision?.slice(0, 64) ?? 'any revision'}; it has ${have || 'none'}`,
  )
}

export function imageRoutes(app: Api, env: ApiEnvironment): void {
  const { limits } = env
  const list = createRoute({
    method: 'get',
    path: '/v1/images',
    summary: 'Images that were scanned, the newest first',
    request: {
      query: z.strictObject({
        repository: z.string().max(512).optional().openapi({ description: 'registry/repository' }),
        severity: z
          .string()
          .max(128)
          .optional()
          .openapi({ description: `Comma list, by the worst finding: ${LEVELS.join(', ')}` }),
        limit: z.coerce.number().int().min(1).max(limits.pageItemsMax).optional(),
        cursor: z.string().max(512).optional(),
      }),
    },
    responses: {
      200: json(z.object({ images: z.array(imageSchema), next: z.string().nullable() }), 'A page'),
      ...problems(422),
    },
  })
  app.openapi(list, async (c) => {
    const { repository, severity, limit = 20, cursor } = c.req.valid('query')
    const page = await listImages(
      env.tenantOf(c.req.raw),
      {
        ...(repository ? { repository } : {}),
        ...(severity ? { severities: severitiesOf(severity, LEVELS) } : {}),
      },
      limit,
      decodeCursor(cursor, IMAGE_CURSOR_PATTERN),
      env,
    )
    const next = page.next ? encodeCursor(page.next) : null
    const headers: Record<string, string> = next ? { link: nextLink(c.req.url, next) } : {}
    return c.json({ images: page.images.map(imageResource), next }, 200, headers)
  })

  const get = createRoute({
    method: 'get',
    path: '/v1/images/{digest}',
    summary: 'One image: its newest verdict, its packages and its reports',
    request: { params: digestParam },
    responses: { 200: json(wholeImageSchema, 'The image'), ...problems(404, 406) },
  })
  app.openapi(get, async (c) => {
    const image = await requireImage(env.tenantOf(c.req.raw), c.req.valid('param').digest, env)
    const { packages, gaps } = readReport(await reportAt(image, undefined, env))
    const self = `/v1/images/${image.digest}`
    return answerJson(
      c,
      {
        ...imageResource(image),
        history: image.history.map(({ revision, at, summary }) => ({
          revision,
          at: iso(at),
          summary,
          links: { report: `${self}/report?revision=${revision}` },
        })),
        packageList: packages
          .slice(0, limits.imagePackagesMax)
          .map(({ name, version, purl, path, layer }) => ({ name, version, purl, path, layer })),
        gaps,
      },
      'this image',
      '',
      env,
    )
  })

  const remove = createRoute({
    method: 'delete',
    path: '/v1/images/{digest}',
    summary: 'Forget an image: its verdict, names and history',
    description: 'Jobs keep their reports. A later scan of the image begins its history anew.',
    request: { params: digestParam },
    responses: { 204: { description: 'Forgotten' }, ...problems(404) },
  })
  app.openapi(remove, async (c) => {
    await removeImage(env.tenantOf(c.req.raw), c.req.valid('param').digest, env)
    return c.body(null, 204)
  })

  const report = createRoute({
    method: 'get',
    path: '/v1/images/{digest}/report',
    summary: 'A report of an image: the newest, or the one of a revision in its history',
    request: {
      params: digestParam,
      query: z.strictObject({ ...reportQuery, revision: z.string().max(64).optional() }),
    },
    responses: { 200: reportResponse, ...problems(400, 404, 406, 422) },
  })
  app.openapi(report, async (c) => {
    const { revision, ...query } = c.req.valid('query')
    const asked = readReportQuery(query as never)
    const image = await requireImage(env.tenantOf(c.req.raw), c.req.valid('param').digest, env)
    return await answerReport(c, await reportAt(image, revision, env), asked, env)
  })

  const sbom = createRoute({
    method: 'get',
    path: '/v1/images/{digest}/sbom',
    summary: 'The packages of an image as a CycloneDX 1.6 SBOM',
    request: { params: digestParam },
    responses: {
      200: sbomResponse,
      ...problems(404, 406),
    },
  })
  app.openapi(sbom, async (c) => {
    const image = await requireImage(env.tenantOf(c.req.raw), c.req.valid('param').digest, env)
    return answerSbom(c, image.digest, image.image, env)
  })

  const diff = createRoute({
    method: 'get',
    path: '/v1/images/{digest}/diff',
    summary: 'Findings that are new, gone or changed between two revisions in the history of an image',
    request: {
      params: digestParam,
      query: z.strictObject({ from: z.string().max(64).optional(), to: z.string().max(64).optional() }),
    },
    responses: {
      200: json(
        z
          .object({
            digest: z.string(),
            from: z.string(),
            to: z.string(),
            new: z.array(anyFinding),
            gone: z.array(anyFinding),
            changed: z.array(z.object({ before: anyFinding, after: anyFinding })),
          })
          .openapi('ImageDiff'),
        'What differs; without `from` and `to` the newest report and the one before',
      ),
      ...problems(404, 406, 422),
    },
  })
  app.openapi(diff, async (c) => {
    const image = await requireImage(env.tenantOf(c.req.raw), c.req.valid('param').digest, env)
    const query = c.req.valid('query')
    const from = query.from ?? image.history[1]?.revision
    const to = query.to ?? image.history[0]?.revision
    if (!from || !to) throw badQuery('from', `the image ${image.digest} has one report only; nothing can differ yet`)
    const [before, after] = await Promise.all([reportAt(image, from, env), reportAt(image, to, env)])
    const changes = compareFindings(readReport(before).findings, readReport(after).findings)
    return answerJson(c, { digest: image.digest, from, to, ...changes }, 'this difference', '', env)
  })
}
