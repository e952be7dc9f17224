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

/**
 * Open jobs lie in sixteen partitions, executions and children in four, so that many writers of a cloud do not meet in one.
 * The handful of a history lies in two of each, and a sweep, which looks into all of them, costs a quarter. Histories that
 * no bundle runs (the corpus, fast-check's) have as many as the cloud.
 */
const FEWER_PARTITIONS: readonly Mutation[] = ['OPEN_SHARDS = 16', 'MEMBER_SHARDS = 4', 'EXECUTION_SHARDS = 4'].map(
  (find) => ({ file: 'lib/job/keys.ts', find, replace: find.replace(/\d+/, '2') }),
)

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
  const edits = [...FEWER_PARTITIONS, ...(mutation ? [mutation] : [])]
  const met = new Set<Mutation>()
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
          hooks.onLoad({ filter: /\.ts$/ }, async ({ path: loaded }) => {
            const own = edits.filter(({ file }) => resolve(root, file) === loaded)
            if (own.length === 0) return undefined
            let contents = await readFile(loaded, 'utf8')
            for (const edit of own) {
              const parts = contents.split(edit.find)
              if (parts.length !== 2)
                throw new Error(`"${edit.find}" occurs ${parts.length - 1} times in ${edit.file}, once is needed`)
              contents = parts.join(edit.replace)
              met.add(edit)
            }
            return { contents, loader: 'ts', resolveDir: dirname(loaded) }
          })
        },
      },
    ],
  })
  for (const edit of edits) if (!met.has(edit)) throw new Error(`${edit.file} is no part of the simulator`)
  return { path, remove: () => rmSync(path, { force: true }) }
}
