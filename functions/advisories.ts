/** Builds a new advisory revision when the sources have changed; a failure leaves the revision before in use. */
import { type BuildResult, buildRevision } from '../lib/advisories/build.ts'
import { sourceOf } from '../lib/advisories/source-of.ts'
import { openBlobs } from '../lib/blobs/open.ts'
import { readLimits } from '../lib/config.ts'
import { observed } from '../lib/observed.ts'
import { operatorLog } from '../lib/operator-log.ts'

export const handler = observed(
  { log: operatorLog('advisories') },
  async (_tick: unknown, { log }): Promise<BuildResult> => {
    const limits = readLimits(process.env)
    const source = sourceOf(process.env.LONGSHORE_ADVISORIES ?? '', limits)
    return await buildRevision({
      source,
      blobs: openBlobs(process.env),
      enrichment: process.env.LONGSHORE_ENRICHMENT ?? '',
      limits,
      log: (line) => log.info(line),
    })
  },
)
