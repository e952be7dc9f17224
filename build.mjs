// Bundles functions/ and lib/local into dist/. Plain esbuild: 0.5 s, one file per function, byte-equal across runs.

import { readdirSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build as esbuild, stop } from 'esbuild'

const root = dirname(fileURLToPath(import.meta.url))

/** zod ships the error texts of 40 languages and exports them all; only English is ever used. */
const onlyEnglish = {
  name: 'only-english',
  setup(build) {
    build.onLoad({ filter: /zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: 'export { default as en } from "./en.js"',
      loader: 'js',
    }))
  },
}

export async function build({ metafile = false } = {}) {
  const functions = readdirSync(join(root, 'functions'))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(root, 'functions', name))
  const common = {
    bundle: true,
    platform: 'node',
    target: 'node20',
    // The ES module builds of the SDK shrink to two thirds of the CommonJS ones.
    mainFields: ['module', 'main'],
    logLevel: 'warning',
    plugins: [onlyEnglish],
    metafile,
  }
  const [cloud] = await Promise.all([
    esbuild({
      ...common,
      entryPoints: functions,
      outdir: join(root, 'dist/functions'),
      format: 'cjs',
      minify: true,
      legalComments: 'none',
    }),
    esbuild({
      ...common,
      entryPoints: {
        stack: join(root, 'lib/local/stack.ts'),
        'advisories-worker': join(root, 'lib/local/advisories-worker.ts'),
      },
      outdir: join(root, 'dist/local'),
      outExtension: { '.js': '.mjs' },
      format: 'esm',
      splitting: false,
      packages: 'external',
      sourcemap: 'inline',
    }),
  ])
  // The handlers are CommonJS inside a package of ES modules.
  await writeFile(join(root, 'dist/functions/package.json'), '{"type":"commonjs"}\n')
  // Ends esbuild's own process: what starts from here on is one Node process.
  await stop()
  return cloud
}
