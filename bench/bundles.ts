/**
 * Question: how heavy is each function? The size of its bundle, plain and gzipped as Lambda stores it, and the CPU time
 * of loading it in a process of its own: the part of a cold start that is ours.
 *
 *   npm run build
 *   npx esbuild bench/bundles.ts --bundle --platform=node --format=esm --outfile=/tmp/longshore-bench/bundles.mjs
 *   node /tmp/longshore-bench/bundles.mjs [loads=7]
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { resolve } from 'node:path'
import { gzipSync } from 'node:zlib'

/** Issue "The main job", F: bytes. */
const LIMITS = { api: { raw: 1_000_000, gz: 290_000 }, worker: { raw: 700_000, gz: 212_000 } }

const FOLDER = resolve('dist/functions')
const loads = Number(process.argv[2] ?? 7)

/** As in the cloud, but for addresses nobody calls: loading opens no connection. */
const environment = {
  PATH: process.env.PATH,
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'bench',
  AWS_SECRET_ACCESS_KEY: 'bench',
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
  LONGSHORE_TABLE: 'jobs',
  LONGSHORE_QUEUE_PREFIX: 'https://sqs.us-east-1.amazonaws.com/000000000000/longshore-bench-',
  LONGSHORE_BLOBS: 's3://longshore-bench',
  LONGSHORE_SECRETS: 'aws:longshore/bench/',
  LONGSHORE_EVENTS: 'bus:longshore-bench',
}

/** What is measured ends before the exit; node's own start is taken off by measuring around the load only. */
const LOAD = `
const before = process.cpuUsage()
const { handler } = require(process.argv[1])
const { user, system } = process.cpuUsage(before)
if (typeof handler !== 'function') throw new Error('no handler')
process.stdout.write(JSON.stringify({ cpuMs: (user + system) / 1000, rssMB: process.memoryUsage.rss() / 1048576 }))
process.exit(0)`

const table = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.js'))
  .map((file) => {
    const path = resolve(FOLDER, file)
    const content = readFileSync(path)
    const runs = Array.from({ length: loads }, () => load(path))
    const name = file.replace('.js', '')
    const limit = name === 'api' ? LIMITS.api : LIMITS.worker
    const gz = gzipSync(content, { level: 9 }).length
    return {
      function: name,
      bytes: content.length,
      gzBytes: gz,
      loadCpuMs: Number(median(runs.map((run) => run.cpuMs)).toFixed(1)),
      rssMB: Math.round(median(runs.map((run) => run.rssMB))),
      within: content.length <= limit.raw && gz <= limit.gz,
    }
  })
console.log(`${cpus().length} x ${cpus()[0]?.model.trim()}, node ${process.version}, medians of ${loads} loads`)
console.table(table)
if (!table.every((row) => row.within)) process.exitCode = 1

function load(path: string): { cpuMs: number; rssMB: number } {
  return JSON.parse(execFileSync(process.execPath, ['-e', LOAD, path], { env: environment, encoding: 'utf8' }))
}

function median(numbers: number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? 0
}
