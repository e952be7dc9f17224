/**
 * The simulator as one file of plain JavaScript: it runs in threads at full speed, without a test runner's transforms,
 * and with a flaw built into the production code where a mutant asks for one. The sources themselves are not touched.
 */
import { mkdirSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { build } from 'esbuild'

/** One line of a source changed. `find` must occur exactly once in `file`. */
export interface Mutation {
  file: string
  find: string
  replace: string
}

export interface Bundle {
  path: string
  remove(): void
}

let bundles = 0

/** `root`: the repository. The bundle lies in its node_modules, so that packages are found from there. */
export async function bundleSimulator(root: string, mutation?: Mutation): Promise<Bundle> {
  const folder = join(root, 'node_modules/.cache/longshore-simulator')
  mkdirSync(folder, { recursive: true })
  const path = join(folder, `${process.pid}-${++bundles}-${Math.random().toString(36).slice(2, 8)}.mjs`)
  let met = 0
  await build({
    entryPoints: [join(root, 'test/simulation/worker.ts')],
    outfile: path,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'silent',
    absWorkingDir: root,
    plugins: [
      {
        name: 'mutation',
        setup(hooks) {
          if (!mutation) return
          const file = resolve(root, mutation.file)
          hooks.onLoad({ filter: /\.ts$/ }, async ({ path: loaded }) => {
            if (loaded !== file) return undefined
            const source = await readFile(loaded, 'utf8')
            const parts = source.split(mutation.find)
            if (parts.length !== 2)
              throw new Error(`"${mutation.find}" occurs ${parts.length - 1} times in ${mutation.file}, once is needed`)
            met++
            return { contents: parts.join(mutation.replace), loader: 'ts', resolveDir: dirname(loaded) }
          })
        },
      },
    ],
  })
  if (mutation && met !== 1) throw new Error(`${mutation.file} is no part of the simulator`)
  return { path, remove: () => rmSync(path, { force: true }) }
}
