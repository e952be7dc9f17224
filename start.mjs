// `npm start`: builds, then runs serverless-offline with the local stack, all in this process.
import './scripts/lifetime.mjs'
import { createRequire } from 'node:module'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildWhenChanged } from './scripts/built.mjs'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) give(`Longshore needs Node 20.19 or newer; this is ${process.version}`)

// Folders are meant from where the command was given.
for (const name of ['LONGSHORE_DATA', 'LONGSHORE_ADVISORIES', 'LONGSHORE_ENRICHMENT']) {
  const value = process.env[name]
  if (value && !/^https?:/.test(value)) process.env[name] = resolve(value)
}
process.chdir(dirname(fileURLToPath(import.meta.url)))

try {
  await buildWhenChanged()
} catch (error) {
  if (error.code === 'ERR_MODULE_NOT_FOUND') give('packages are missing; run npm ci first')
  // Of mistakes in the sources esbuild has told where and why already.
  give(`the build failed${error.errors ? '' : `: ${error.stack}`}`)
}

process.env.LONGSHORE_BUILT = '1'
process.env.SLS_LOG_LEVEL ??= 'warning'
process.argv = [process.argv[0], 'serverless', 'offline', 'start', '--noSponsor', ...process.argv.slice(2)]
createRequire(import.meta.url)('serverless/scripts/serverless.js')

function give(sentence) {
  console.error(`longshore: ${sentence}`)
  process.exit(1)
}
