#!/usr/bin/env node
// `npx longshore ...`: builds like start.mjs, then runs one command.
import { buildWhenChanged } from '../scripts/built.mjs'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) give(`Longshore needs Node 20.19 or newer; this is ${process.version}`)

try {
  await buildWhenChanged()
} catch (error) {
  if (error.code === 'ERR_MODULE_NOT_FOUND') give('packages are missing; run npm ci first')
  give(`the build failed${error.errors ? '' : `: ${error.stack}`}`)
}

// Whoever reads has read enough (head, less): as if by SIGPIPE, which is no success.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error) => process.exit(error.code === 'EPIPE' ? 141 : 3))

const { main } = await import('../dist/local/command.mjs')
process.exitCode = await main(process.argv.slice(2), {
  env: process.env,
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${line}\n`),
})

function give(sentence) {
  console.error(`longshore: ${sentence}`)
  process.exit(1)
}
