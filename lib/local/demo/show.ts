/** The main job in front of a new reader: scan the demo image, replicate it, print what came of it and what to try. */
import { styleText } from 'node:util'

export interface DemoPlace {
  api: string
  /** Hosts of the two demo registries. */
  source: string
  target: string
  image: string
}

interface JobView {
  id: string
  status: string
  error: { code: string; message: string } | null
  result: { [name: string]: never } | null
}

const bold = (text: string): string => (process.stdout.isTTY && !process.env.NO_COLOR ? styleText('bold', text) : text)
const print = (text = ''): void => {
  process.stdout.write(`${text}\n`)
}

/** Never throws: what goes wrong is printed, the service runs on. */
export async function showDemo(place: DemoPlace): Promise<void> {
  const { api, source, target, image } = place
  try {
    print(bold(`\nLongshore answers at ${api}`))
    print(`\n1. Scan ${source}/${image}`)
    const scan = await run(api, { type: 'scan', params: { image: `${source}/${image}` } })
    print(`   POST /v1/jobs -> 202, job ${scan.id} -> ${scan.status}\n`)
    if (scan.status === 'success') print(indent(await text(`${api}/v1/jobs/${scan.id}/report?format=table`)))
    else print(`   ${scan.error?.code}: ${scan.error?.message}; see ${api}/v1/jobs/${scan.id}/log`)

    print(`\n2. Replicate it to ${target}`)
    const copy = await run(api, {
      type: 'replicate',
      params: { source: `${source}/${image}`, target: `${target}/${image}` },
    })
    print(`   POST /v1/jobs -> 202, job ${copy.id} -> ${copy.status}`)
    print(`   ${copy.result ? replicated(copy.result) : `${copy.error?.code}: ${copy.error?.message}`}`)
    print(next(place, scan.id))
  } catch (thrown) {
    print(`the demo could not be shown: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
  }
}

async function run(api: string, body: object): Promise<JobView> {
  const answer = await fetch(`${api}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const job = (await answer.json()) as JobView & { detail?: string }
  if (answer.status !== 202) throw new Error(job.detail ?? `the API answered ${answer.status}`)
  let seen: JobView = job
  for (let round = 0; round < 6 && !['success', 'error', 'stopped', 'canceled'].includes(seen.status); round++)
    seen = (await (await fetch(`${api}/v1/jobs/${job.id}?wait=10`)).json()) as JobView
  return seen
}

const text = async (url: string): Promise<string> => await (await fetch(url)).text()
const indent = (block: string): string =>
  block
    .trimEnd()
    .split('\n')
    .map((line) => `   ${line}`)
    .join('\n')

function replicated(result: { [name: string]: unknown }): string {
  const { digest, blobs, bytes, requests } = result as {
    digest: string
    blobs: { copied: number; mounted: number; present: number }
    bytes: { copied: number; skipped: number }
    requests: { source: number; target: number }
  }
  return [
    `${digest}`,
    `blobs: ${blobs.copied} copied, ${blobs.mounted} mounted, ${blobs.present} there already; ${bytes.copied} bytes moved`,
    `requests: ${requests.source} to the source, ${requests.target} to the target`,
  ].join('\n   ')
}

const next = ({ api, source, target, image }: DemoPlace, scanId: string): string => `
${bold('Try next')}
   curl -s '${api}/v1/jobs?limit=5'
   curl -s '${api}/v1/jobs/${scanId}/report' | head -c 1000
   curl -s ${api}/v1/jobs/${scanId}/log
   curl -s -X POST ${api}/v1/jobs -H 'content-type: application/json' \\
        -d '{"type":"scan","params":{"image":"${target}/${image}","platform":"linux/arm64"}}'
   curl -s -X POST ${api}/v1/policies -H 'content-type: application/json' \\
        -d '{"name":"nightly","type":"scan","images":["${source}/**:*"],"cron":"0 3 * * *","timeZone":"Europe/Berlin"}'
   docs/quickstart.md scans an image of a public registry. Ctrl-C ends everything; the data stays in .longshore.
`
