// Compiles lib/scan/unpack/assembly to gunzip.generated.ts beside it. `--check` only compares and ends with 1
// when they differ. The compiler is fetched for this alone (100 MB): a build or a test needs none, and a source that was
// changed without it is told by a test. node scripts/gunzip.mjs [--check]
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { deflateRawSync, inflateRawSync } from 'node:zlib'

const COMPILER = 'assemblyscript@0.28.20'
const FLAGS = [
  ...['-O3', '--noAssert', '--runtime', 'stub', '--enable', 'simd,bulk-memory,threads'],
  // Its owner hands in the memory, which both see.
  ...['--importMemory', '--noExportMemory', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '256'],
]
const sources = fileURLToPath(new URL('../lib/scan/unpack/assembly', import.meta.url))
const target = fileURLToPath(new URL('../lib/scan/unpack/gunzip.generated.ts', import.meta.url))

const folder = mkdtempSync(join(tmpdir(), 'longshore-gunzip-'))
try {
  const out = join(folder, 'gunzip.wasm')
  const asc = [
    'exec',
    '--yes',
    `--package=${COMPILER}`,
    '--',
    'asc',
    join(sources, 'index.ts'),
    ...FLAGS,
    '--outFile',
    out,
  ]
  execFileSync('npm', asc, { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] })
  const wasm = readFileSync(out)
  if (process.argv.includes('--check')) {
    const text = /GUNZIP_WASM = '(.*)'/.exec(readFileSync(target, 'utf8'))?.[1] ?? ''
    const same = inflateRawSync(Buffer.from(text, 'base64')).equals(wasm)
    console.log(
      same ? 'gunzip.generated.ts is what the compiler makes' : 'gunzip.generated.ts is stale: npm run gunzip',
    )
    process.exitCode = same ? 0 : 1
  } else {
    const hash = createHash('sha256')
    for (const name of readdirSync(sources).sort()) hash.update(readFileSync(join(sources, name)))
    // Deflated, because base64 of the bytes as they are does not shrink in a package.
    const packed = deflateRawSync(wasm, { level: 9 }).toString('base64')
    writeFileSync(
      target,
      `// Made by scripts/gunzip.mjs with ${COMPILER} of assembly/; the SHA-256 of its files, in order, is\n` +
        `// ${hash.digest('hex')}\n` +
        `/** A WebAssembly module, deflated, in base64. */\nexport const GUNZIP_WASM = '${packed}'\n`,
    )
    console.log(`${wasm.length} bytes, ${packed.length} as written`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
