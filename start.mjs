// `npm start`: builds, then runs serverless-offline with the local stack, all in this process.
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(fileURLToPath(import.meta.url))
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`longshore needs Node 20.19 or newer; this is ${process.version}`)
  process.exit(1)
}
process.chdir(root)

// The terminal may go before anything is up: then nothing must stay behind.
const parent = process.ppid
setInterval(() => {
  if (process.ppid !== parent && process.listenerCount('longshore:stop') === 0) process.exit(0)
}, 250).unref()

const { build } = await import('./build.mjs')
await build()

Object.assign(process.env, {
  LONGSHORE_BUILT: '1',
  LONGSHORE_DEMO_SHOWN: '1',
  SLS_LOG_LEVEL: process.env.SLS_LOG_LEVEL ?? 'warning',
  AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true',
})
process.argv = [process.argv[0], 'serverless', 'offline', 'start', '--noSponsor', ...process.argv.slice(2)]
createRequire(import.meta.url)('serverless/scripts/serverless.js')
