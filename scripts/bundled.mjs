// Bundles TypeScript that Node 20 cannot read by itself, and is gone with its files when the use of it is over.
import { mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** `use` gets the path of each bundle; they lie in node_modules, so that packages are found from there. */
export async function withBundles(entries, use) {
  const folder = join(root, 'node_modules/.cache/longshore-bundles')
  mkdirSync(folder, { recursive: true })
  const outputs = entries.map((_, i) => join(folder, `${process.pid}-${i}.mjs`))
  try {
    for (const [i, entry] of entries.entries())
      await build({
        entryPoints: [join(root, entry)],
        outfile: outputs[i],
        bundle: true,
        platform: 'node',
        format: 'esm',
        target: 'node20',
        packages: 'external',
        // Fixtures lie beside the sources, not beside the bundle.
        define: { 'import.meta.dirname': JSON.stringify(join(root, 'test/scan/packages')) },
        logLevel: 'error',
      })
    return await use(outputs)
  } finally {
    for (const output of outputs) rmSync(output, { force: true })
  }
}
