// `npm run fuzz -- --inputs N [--from SEED] [--target NAME] [--save FOLDER]`: damaged input for every reader; see test/fuzz.
import { pathToFileURL } from 'node:url'
import { withBundles } from './bundled.mjs'

process.exitCode = await withBundles(['test/fuzz/command.ts', 'test/fuzz/worker.ts'], async ([command, worker]) => {
  const { fuzzCommand } = await import(pathToFileURL(command))
  return fuzzCommand(worker, process.argv.slice(2))
})
