/** Builds a new advisory revision when the sources have changed; a failure leaves the revision before in use. */
import { type BuildResult, buildRevision } from '../lib/advisories/build.ts'
import { sourceOf } from '../lib/advisories/source-of.ts'
import { openBlobs } from '../lib/blobs/open.ts'
import { readLimits } from '../lib/config.ts'
import { operatorLog } from '../lib/operator-log.ts'

const log = operatorLog('advisories')

export async function handler(): Promise<BuildResult> {
  const limits = readLimits(process.env)
  const source = sourceOf(process.env.LONGSHORE_ADVISORIES ?? '', limits)
  return await buildRevision({ source, blobs: openBlobs(process.env), limits, log: (line) => log.info(line) })
}
