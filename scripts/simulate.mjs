// `npm run simulate -- --seeds N [--from SEED] [--trace]`: the protocol under faults, history by history; every line of a
// violation replays it. The simulator is TypeScript (test/simulation).
import { pathToFileURL } from 'node:url'
import { root, withBundles } from './bundled.mjs'

process.exitCode = await withBundles(['test/simulation/command.ts'], async ([command]) => {
  const { simulate } = await import(pathToFileURL(command))
  return simulate(root, process.argv.slice(2))
})
