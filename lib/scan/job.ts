/**
 * The job type `scan`: the packages of an image, and which of them are known to be vulnerable.
 *
 * Every step is kept under the digest of what it was made from: a layer is read once, an image is merged once, and a
 * scan of a digest that is known asks the registry for nothing. So a scan that runs twice does little and ends the same.
 */
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { SEVERITIES } from '../glossary.ts'
import { defineJobType, type JobContext, type JobResult } from '../job/define.ts'
import type { Report } from '../report/model.ts'
import { currentAdvisories } from './current-advisories.ts'
import { type ScanParams, scanDefinition } from './definition.ts'
import { judgeImage } from './images/judge.ts'
import { keepScan } from './images/keep.ts'
import { worstOf } from './images/record.ts'
import { loadImage, saveImage } from './inventories.ts'
import { mergeLayers } from './merge.ts'
import { ANALYZER_VERSION, type ImageInventory } from './model.ts'
import { parsePlatform } from './platform.ts'
import { readLayers } from './read-layers.ts'
import { pushSbom, takeVex } from './referrers.ts'
import { findSubject } from './target.ts'

/** The first advisory revision takes a minute to build; a scan looks again after this long. */
const ADVISORIES_WAIT_SECONDS = 15

/** The job type with its work, for the pool that runs it. */
export const scan = defineJobType<ScanParams>({ ...scanDefinition, run: runScan })

/** The run of a scan job. */
export async function runScan(params: ScanParams, context: JobContext): Promise<JobResult> {
  const { log, blobs, limits } = context
  const { inventory, reused } = await takeInventory(params, context, limits)

  context.phase('match')
  const database = await currentAdvisories(blobs)
    .open()
    .catch((error: unknown) => {
      if (!(error instanceof LongshoreError && error.code === 'advisories-missing')) throw error
      log.info('no advisory revision has been built yet; the scan waits for the first one')
      return context.snooze(ADVISORIES_WAIT_SECONDS)
    })
  const judged = await judgeImage(params.image, inventory, database, { blobs, limits })
  const { report, verdict } = judged

  context.phase('report')
  await keepScan(judged, inventory.digest, context)
  const isImage = inventory.kind === 'image'
  if (params.vex && isImage) await takeVex(inventory, context)
  const sbom = params.sbom && isImage ? await pushSbom(inventory, context) : undefined
  log.info(summaryLine(report))
  for (const gap of report.gaps.slice(0, 10)) log.warn(`not seen: ${gap}`)
  return {
    result: {
      digest: inventory.digest,
      platform: inventory.platform,
      revision: report.revision,
      coverage: report.coverage,
      severity: worstOf(report.summary),
      summary: { ...report.summary },
      fixable: report.fixable,
      packages: report.packages.length,
      layers: { total: inventory.layers.length, reused },
      ...(sbom === undefined ? {} : { sbom }),
    },
    reportKey: verdict.reportKey,
  }
}

/** The image's inventory, from the blob store or from the registry, and how many of its layers were not read anew. */
async function takeInventory(
  params: ScanParams,
  context: JobContext,
  limits: Limits,
): Promise<{ inventory: ImageInventory; reused: number }> {
  const { image, blobs, log, signal } = context
  context.phase('resolve')
  const pinned = { digest: image.digest, platform: params.platform ?? '' }
  const known = await loadImage(blobs, pinned.digest, pinned.platform)
  if (known) {
    log.info(`${image.digest} was read before: ${known.packages.length} packages in ${known.layers.length} layers`)
    return { inventory: known, reused: known.layers.length }
  }

  const client = await context.registry(image.registry)
  const { repository } = image
  const asked = params.platform === undefined ? undefined : parsePlatform(params.platform)
  const subject = await findSubject(image.digest, asked, { client, repository, limits, signal })
  if (subject.kind === 'artifact') {
    const gap = `this is not a container image but an artifact (${subject.what.slice(0, 100)}); there is nothing to scan`
    log.warn(gap)
    const inventory: ImageInventory = { ...empty(subject.digest), platform: 'unknown', gaps: [gap], kind: 'artifact' }
    await saveImage(blobs, inventory, pinned)
    return { inventory, reused: 0 }
  }
  log.info(`${subject.digest} (${subject.platform}) has ${subject.layers.length} layers`)

  context.phase('layers')
  const { layers, reused } = await readLayers(subject.layers, client, repository, context, limits)
  const merged = mergeLayers(layers, limits)
  const inventory: ImageInventory = {
    ...empty(subject.digest),
    platform: subject.platform,
    ...merged,
    layers: subject.layers.map(({ descriptor, diffId }) => ({ digest: descriptor.digest, diffId })),
  }
  const { os } = merged
  log.info(
    `${merged.packages.length} packages, ${os ? `on ${os.name ?? `${os.id} ${os.version}`}` : 'no distribution'}`,
  )
  await saveImage(blobs, inventory, pinned)
  return { inventory, reused }
}

const empty = (digest: string): ImageInventory => ({
  analyzer: ANALYZER_VERSION,
  digest,
  platform: '',
  packages: [],
  layers: [],
  gaps: [],
  kind: 'image',
})

function summaryLine(report: Report): string {
  const counts = SEVERITIES.filter((level) => report.summary[level] > 0)
    .map((level) => `${report.summary[level]} ${level}`)
    .join(', ')
  const found = report.findings.length === 0 ? 'no findings' : `${report.findings.length} findings (${counts})`
  return `${found} in ${report.packages.length} packages, ${report.fixable} fixable, revision ${report.revision}, coverage ${report.coverage}`
}
