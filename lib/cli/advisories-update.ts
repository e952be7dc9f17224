/** `longshore advisories update`: builds a revision into the data folder, where a running service finds it. */
import { resolve } from 'node:path'
import { buildRevision } from '../advisories/build.ts'
import { BUILT_FROM_KEY } from '../advisories/model.ts'
import { sourceOf } from '../advisories/source-of.ts'
import { trivyDbSource } from '../advisories/trivy-db.ts'
import { readLimits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { defineCommand } from './command.ts'
import { dataBlobs, dataOption } from './data.ts'

/** Where OSV publishes (https://google.github.io/osv.dev/data/). */
const PUBLIC_BUCKET = 'https://osv-vulnerabilities.storage.googleapis.com'

/** Throws `invalid-value` for an address that nothing here can ask. */
function placeOf(text: string): string {
  if (/^https?:\/\//.test(text)) return text
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text))
    throw new LongshoreError('invalid-value', `${text} is neither a folder nor an https address`)
  return resolve(text)
}

export const advisoriesUpdate = defineCommand({
  name: 'advisories update',
  summary: 'Builds the vulnerability database that scans are judged by.',
  options: {
    from: {
      type: 'string',
      value: 'URL|DIR',
      help: "Holds <Ecosystem>/all.zip as OSV publishes them; else LONGSHORE_ADVISORIES, else OSV's own bucket.",
    },
    'trivy-db': {
      type: 'string',
      value: 'FILE',
      help: 'A trivy.db to be read instead, where OSV is out of reach.',
    },
    enrichment: {
      type: 'string',
      value: 'URL|DIR',
      help: 'Holds KEV, CVSS and EPSS files; else LONGSHORE_ENRICHMENT, else none.',
    },
    data: dataOption,
    json: { type: 'boolean', help: 'Writes the result as JSON.' },
    quiet: { type: 'boolean', help: 'Says nothing but the result and errors.' },
  },
  notes: [
    'Of a URL that lists its changes only these are downloaded. A download that fails leaves the revision before in use.',
    'A service that runs on the data folder takes the new revision within a minute; no restart is needed.',
  ],
  async run(given, { env, out, err }) {
    const limits = readLimits(env)
    const trivyDb = given['trivy-db']
    if (trivyDb !== undefined && given.from !== undefined)
      throw new LongshoreError('malformed-request', '--from and --trivy-db each name the one source; give one of them')
    const from = placeOf(trivyDb ?? given.from ?? env.LONGSHORE_ADVISORIES ?? PUBLIC_BUCKET)
    const enrichment = given.enrichment ?? env.LONGSHORE_ENRICHMENT
    const blobs = await dataBlobs(given.data, env)
    const say = given.quiet ? () => {} : err
    say(`reading ${from}`)
    const result = await buildRevision({
      source: trivyDb === undefined ? sourceOf(from, limits) : trivyDbSource(from),
      blobs,
      ...(enrichment ? { enrichment: placeOf(enrichment) } : {}),
      limits,
      log: say,
    })
    // The local service does not build its demo records over what somebody asked for.
    await blobs.put(BUILT_FROM_KEY, JSON.stringify({ command: 'advisories update', from }))
    const { revision, records, ecosystems, skipped } = result
    if (given.json) out(JSON.stringify(result))
    else
      out(
        `revision ${revision}: ${records} records of ${ecosystems.length} ecosystems${
          skipped.count ? `, ${skipped.count} could not be read` : ''
        }`,
      )
  },
})
