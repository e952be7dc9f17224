// `npm run simulate -- --seeds N [--from SEED] [--trace]`: the protocol under faults, history by history; every line of a
// violation replays it. The simulator is TypeScript (test/simulation): bundled first, as Node 20 does not read it.
import { mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const folder = join(root, 'node_modules/.cache/longshore-simulator')
const command = join(folder, `command-${process.pid}.mjs`)
mkdirSync(folder, { recursive: true })
try {
  await build({
    entryPoints: [join(root, 'test/simulation/command.ts')],
    outfile: command,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'error',
  })
  const { simulate } = await import(pathToFileURL(command))
  process.exitCode = await simulate(root, process.argv.slice(2))
} finally {
  rmSync(command, { force: true })
}
