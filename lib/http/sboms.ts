/** SBOMs: of an image that was scanned, and one that somebody else made, judged as it stands. */
import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { LongshoreError } from '../errors.ts'
import { requireJob } from '../job/apply.ts'
import { isTerminal } from '../job/record.ts'
import { currentAdvisories } from '../scan/current-advisories.ts'
import { readSbom } from '../scan/inputs/sbom.ts'
import { loadImageByDigest } from '../scan/inventories.ts'
import { buildReport } from '../scan/match.ts'
import { sbomOf } from '../scan/sbom.ts'
import { checkedId, idParam } from './jobs.ts'
import { answerReport, answerText, readReportQuery, reportQuery, reportResponse } from './report-answer.ts'
import { problems } from './resources.ts'
import type { Api, ApiEnvironment } from './server.ts'

const CYCLONEDX = 'application/vnd.cyclonedx+json; version=1.6'
/** What an SBOM may be sent as. None of them could come from a form of another web site. */
const SENT_AS = ['application/json', 'application/vnd.cyclonedx+json', 'application/spdx+json']

export const sbomResponse = {
  description: 'CycloneDX 1.6',
  content: { [CYCLONEDX]: { schema: z.string() } },
}

/** The SBOM of an image by its digest. Throws `report-not-found` when its inventory is not kept any more. */
export async function answerSbom(c: Context, digest: string, image: string, env: ApiEnvironment): Promise<never> {
  const inventory = await loadImageByDigest(env.blobs, digest)
  if (!inventory)
    throw new LongshoreError('report-not-found', `the inventory of ${digest} is gone; scan the image again`)
  return answerText(c, sbomOf(inventory, image), 'this SBOM', '', env, {
    'content-type': CYCLONEDX,
    'content-disposition': `inline; filename="${digest.replace(':', '-')}.cdx.json"`,
  })
}

export function sbomRoutes(app: Api, env: ApiEnvironment): void {
  const ofJob = createRoute({
    method: 'get',
    path: '/v1/jobs/{id}/sbom',
    summary: 'The packages of the image of a finished scan as a CycloneDX 1.6 SBOM',
    request: { params: idParam },
    responses: { 200: sbomResponse, ...problems(404, 406, 409) },
  })
  app.openapi(ofJob, async (c) => {
    const id = checkedId(c.req.valid('param').id)
    const job = await requireJob(env.store, env.tenantOf(c.req.raw), id, env.clock.now())
    if (!isTerminal(job.status))
      throw new LongshoreError(
        'report-not-ready',
        `job ${job.id} is ${job.status}; wait with GET /v1/jobs/${job.id}?wait=20`,
      )
    const { digest } = (job.result ?? {}) as { digest?: string }
    if (!job.reportKey || digest === undefined)
      throw new LongshoreError('report-not-found', `job ${job.id} (${job.type}, ${job.status}) has no SBOM`)
    return answerSbom(c, digest, (job.params as { image: string }).image, env)
  })

  const judge = createRoute({
    method: 'post',
    path: '/v1/sboms/report',
    summary: 'Judges an SBOM (CycloneDX 1.2 to 1.7 or SPDX 2.2, 2.3, JSON) by the current advisories',
    description: 'Nothing is kept. At most `sbomBytesMax`; the command `longshore scan sbom:FILE` takes larger ones.',
    request: { query: z.strictObject(reportQuery) },
    requestBody: {
      required: true,
      content: Object.fromEntries(SENT_AS.map((type) => [type, { schema: { type: 'object' as const } }])),
    },
    responses: { 200: reportResponse, ...problems(400, 406, 413, 415, 422, 503) },
  })
  app.openapi(judge, async (c) => {
    const asked = readReportQuery(c.req.valid('query') as never)
    const sentAs = (c.req.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
    if (!SENT_AS.includes(sentAs))
      throw new LongshoreError(
        'unsupported-content-type',
        `send the SBOM as JSON with one of these as Content-Type: ${SENT_AS.join(', ')}`,
      )
    const { image, inventory } = readSbom(Buffer.from(await c.req.text()), 'sbom', env.limits)
    const database = await currentAdvisories(env.blobs).open()
    const ownedJudged = env.limits.ownedPackagesJudged === 1
    const { findingsMax } = env.limits
    const report = await buildReport({ image, inventory, database, ownedJudged, findingsMax })
    return answerReport(c, Buffer.from(JSON.stringify(report)), asked, env)
  })
}
