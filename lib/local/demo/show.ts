/** The main job in front of a new reader: scan the demo image, replicate it, print what came of it and what to try. */
import { styleText } from 'node:util'
import type { Report } from '../../report/model.ts'
import { writeTable } from '../../report/table.ts'

export interface DemoPlace {
  api: string
  /** Hosts of the two demo registries. */
  source: string
  target: string
  image: string
  /** Where everything is kept. */
  dataDir: string
}

interface Job {
  id: string
  status: string
  phase: string | null
  error: { code: string; message: string } | null
  result: { [name: string]: unknown } | null
}

/** Findings shown, so that the summaries and the next commands stay on the same screen. */
const FINDINGS_SHOWN = 15
/** Columns of the table: those of the terminal between these; 120 where nobody can tell. */
const COLUMNS = { min: 80, default: 120, max: 120 }
/** How long the reader waits for a job; the build of large advisories takes longer. */
const WAIT_SECONDS = 20
const INDENT = '   '
const ENDED = ['success', 'error', 'stopped', 'canceled']
const JSON_BODY = `-H 'content-type: application/json'`

const bold = (text: string): string => (process.stdout.isTTY && !process.env.NO_COLOR ? styleText('bold', text) : text)
const print = (text = ''): void => {
  process.stdout.write(`${text}\n`)
}
const printIndented = (lines: string[]): void => {
  for (const line of lines) print(line && INDENT + line)
}

/** Never throws: what goes wrong is printed, the service runs on. */
export async function showDemo(place: DemoPlace): Promise<void> {
  const { api, source, target, image } = place
  try {
    print(bold(`Longshore answers at ${api}`))
    // A scan may have to wait for advisories; the copy need not wait for the scan.
    const copying = run(api, 'replicate', { source: `${source}/${image}`, target: `${target}/${image}` })
    copying.catch(() => {})

    print(bold(`\n1. Scan ${source}/${image}`))
    const scan = await run(api, 'scan', { image: `${source}/${image}` })
    printIndented(scan.result ? await scanned(api, scan) : unfinished(api, scan))

    print(bold(`\n2. Replicate it to ${target}`))
    const copy = await copying
    printIndented(copy.result ? replicated(copy) : unfinished(api, copy))
    print(next(place, scan.id))
  } catch (thrown) {
    print(`the demo could not be shown: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
  }
}

/** What to try where there are no demo registries. */
export function showWithoutDemo(api: string): void {
  print(`${bold(`Longshore answers at ${api}`)}

${bold('Scan a public image')}
   curl -s -X POST ${api}/v1/jobs ${JSON_BODY} \\
        -d '{"type":"scan","params":{"image":"docker.io/library/debian:12"}}'
   curl -s '${api}/v1/jobs/ID?wait=20'                 # ID is in the answer
   curl -s '${api}/v1/jobs/ID/report?format=table'
${bold('Add a registry of your own')}
   curl -s -X PUT ${api}/v1/registries/registry.example:5000 ${JSON_BODY} \\
        -d '{"allowPrivate":true,"credentials":{"username":"me","password":"my password"}}'
`)
}

/** Submits and waits for the end, or for WAIT_SECONDS. */
async function run(api: string, type: string, params: object): Promise<Job> {
  const answer = await fetch(`${api}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ type, params }),
  })
  const job = (await answer.json()) as Job & { detail?: string }
  if (answer.status !== 202) throw new Error(job.detail ?? `the API answered ${answer.status}`)
  return (await (await fetch(`${api}/v1/jobs/${job.id}?wait=${WAIT_SECONDS}`)).json()) as Job
}

async function scanned(api: string, job: Job): Promise<string[]> {
  const report = (await (await fetch(`${api}/v1/jobs/${job.id}/report`)).json()) as Report
  const { layers } = job.result as { layers: { total: number; reused: number } }
  const columns = process.stdout.columns || COLUMNS.default
  const width = Math.min(COLUMNS.max, Math.max(COLUMNS.min, columns)) - INDENT.length
  const lines = writeTable(report, { width }).trimEnd().split('\n')
  // The rows follow the table's two header lines, which follow the last empty line.
  const shown = report.findings.length ? lines.lastIndexOf('') + 3 + FINDINGS_SHOWN : lines.length
  const more = lines.length - shown
  return [
    `job ${job.id}: ${job.status}, ${layersRead(layers)}`,
    '',
    ...lines.slice(0, shown),
    ...(more > 0 ? [`... and ${more} more: curl -s '${api}/v1/jobs/${job.id}/report?format=table'`] : []),
  ]
}

const layersRead = ({ total, reused }: { total: number; reused: number }): string =>
  reused === total
    ? `${total} layers, all known already: nothing was pulled`
    : `${total} layers, ${reused} known already`

function replicated(job: Job): string[] {
  const { digest, blobs, bytes, requests } = job.result as {
    digest: string
    blobs: { copied: number; mounted: number; present: number }
    bytes: { copied: number; skipped: number }
    requests: { source: number; target: number }
  }
  // Neither a blob nor a manifest was asked of the source: one look at the target was enough.
  const equal = requests.source === 0
  return [
    `job ${job.id}: ${job.status}`,
    digest,
    equal
      ? 'the target has this digest already: nothing to copy'
      : `blobs: ${blobs.copied} copied, ${blobs.mounted} mounted, ${blobs.present} there already; ${size(bytes.copied)} moved`,
    `requests: ${requests.source} to the source, ${requests.target} to the target`,
  ]
}

const size = (bytes: number): string => (bytes < 10_000 ? `${bytes} bytes` : `${Math.round(bytes / 1000)} kB`)

function unfinished(api: string, job: Job): string[] {
  const log = `curl -s ${api}/v1/jobs/${job.id}/log`
  const why = job.error ? ` (${job.error.code}: ${job.error.message})` : ''
  return ENDED.includes(job.status)
    ? [`job ${job.id}: ${job.status}${why}; its log: ${log}`]
    : [
        `job ${job.id} is not done yet: ${job.status}${job.phase ? `, phase ${job.phase}` : ''}${why}`,
        `its log: ${log}`,
      ]
}

const next = ({ api, source, target, image, dataDir }: DemoPlace, scanId: string): string => `
${bold('Try next')}
   curl -s '${api}/v1/jobs?limit=5'
   curl -s ${api}/v1/jobs/${scanId}/log
   curl -s -X POST ${api}/v1/jobs ${JSON_BODY} \\
        -d '{"type":"scan","params":{"image":"${target}/${image}","platform":"linux/arm64"}}'
   curl -s -X POST ${api}/v1/policies ${JSON_BODY} \\
        -d '{"name":"nightly","type":"scan","images":["${source}/**:*"],"cron":"0 3 * * *"}'
   docs/quickstart.md goes on with a public registry. Ctrl-C ends it; the data stays in ${dataDir}
`
