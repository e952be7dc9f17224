/**
 * What a scan does with the referrers of its image when it is asked to: its SBOM is pushed as one, and VEX documents are
 * read from them. Both may happen twice: the SBOM of an image is the same bytes, and what VEX says is kept under its digest.
 */
import { LongshoreError } from '../errors.ts'
import type { JobContext } from '../job/define.ts'
import { pushReferrer } from '../oci/push-referrer.ts'
import { formatReference } from '../oci/reference.ts'
import { listReferrers } from '../oci/referrers.ts'
import type { Descriptor, RegistryClient } from '../oci/types.ts'
import { readCycloneDxVex } from './exceptions/cyclonedx-vex.ts'
import type { ExceptionRule } from './exceptions/model.ts'
import { readOpenVex } from './exceptions/openvex.ts'
import { saveVex } from './inventories.ts'
import type { ImageInventory } from './model.ts'
import { sbomOf } from './sbom.ts'

const CYCLONEDX = 'application/vnd.cyclonedx+json'
/** OpenVEX has no registered type; these are what its tools push. A CycloneDX document may be an SBOM, a VEX, or both. */
const VEX_TYPES = ['application/vnd.openvex+json', 'application/openvex+json', 'application/vex+json', CYCLONEDX]

/** Pushes the SBOM beside the image; returns the digest of its manifest. Throws those of `pushReferrer`, `source-gone`. */
export async function pushSbom(inventory: ImageInventory, context: JobContext): Promise<string> {
  const { image, log, signal } = context
  const { registry, repository } = image
  const client = await context.registry(registry)
  const subject = await client.resolve(repository, inventory.digest, { signal })
  if (!subject)
    throw new LongshoreError('source-gone', `${registry}/${repository} no longer has ${inventory.digest}`, {
      side: 'source',
    })
  // Named by digest: every tag of the image gives the same bytes.
  const name = formatReference({ registry, repository, digest: inventory.digest })
  const { digest, pushed } = await pushReferrer(
    client,
    repository,
    { subject, artifactType: CYCLONEDX, content: Buffer.from(sbomOf(inventory, name)) },
    { signal },
  )
  log.info(pushed ? `the SBOM was pushed as ${digest}` : `the SBOM ${digest} is there already`)
  return digest
}

/**
 * Reads what VEX documents beside the image say, and keeps it for whoever reads a report of the image. A document that
 * cannot be read is told and left out: its findings then stay.
 */
export async function takeVex(inventory: ImageInventory, context: JobContext): Promise<void> {
  const { image, log, limits, signal, blobs, tenant } = context
  const client = await context.registry(image.registry)
  const rules: ExceptionRule[] = []
  // A multi-platform image may have them beside its index or beside the image of one platform.
  for (const digest of new Set([inventory.digest, image.digest])) {
    const found = await listReferrers(client, image.repository, digest, VEX_TYPES, { signal })
    if (found.length > limits.vexDocumentsMax)
      log.warn(`${digest} has ${found.length} documents beside it; ${limits.vexDocumentsMax} are read`)
    for (const referrer of found.slice(0, limits.vexDocumentsMax))
      rules.push(...(await readReferrer(client, referrer, context)))
  }
  await saveVex(blobs, tenant, inventory.digest, rules)
  log.info(`${rules.length} statements of VEX documents beside the image apply to its reports`)
}

async function readReferrer(
  client: RegistryClient,
  referrer: Descriptor,
  context: JobContext,
): Promise<ExceptionRule[]> {
  const { image, signal, log } = context
  try {
    const { layers = [] } = await client.manifest(image.repository, referrer.digest, { signal })
    const [layer] = layers
    if (!layer) return []
    const bytes = await client.blobBytes(image.repository, layer, { signal })
    return rulesOf(JSON.parse(Buffer.from(bytes).toString('utf8')), `referrer ${referrer.digest}`)
  } catch (error) {
    if (signal.aborted || (error instanceof LongshoreError && error.retryable)) throw error
    log.warn(`the referrer ${referrer.digest} was not read: ${error instanceof Error ? error.message : error}`)
    return []
  }
}

function rulesOf(document: unknown, source: string): ExceptionRule[] {
  const { '@context': context, bomFormat } = (document ?? {}) as { '@context'?: unknown; bomFormat?: unknown }
  if (typeof context === 'string' && context.includes('openvex')) return readOpenVex(document, source)
  return bomFormat === 'CycloneDX' ? readCycloneDxVex(document, source) : []
}
