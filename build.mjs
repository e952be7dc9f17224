// Bundles functions/ and lib/local into dist/. Plain esbuild: half a second, one file per function, the same bytes
// for the same sources. What it leaves out, and how much that is: docs/decisions/0003-bundles.md.
import { readdirSync, rmSync, statSync, utimesSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
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

/**
 * A Lambda function gets its credentials in its environment; the SDK's default chain also brings SSO, profiles, web
 * identity, processes and instance metadata, a tenth of a megabyte that is loaded at every cold start.
 */
const credentialsFromEnvironment = {
  name: 'credentials-from-environment',
  setup(build) {
    build.onLoad({ filter: /credential-provider-node[\\/]dist-es[\\/]index\.js$/ }, () => ({
      contents:
        'import { fromEnv } from "@aws-sdk/credential-provider-env"; export const defaultProvider = () => fromEnv()',
      loader: 'js',
      resolveDir: join(root, 'node_modules/@aws-sdk/credential-provider-node/dist-es'),
    }))
  },
}

/**
 * The SDK describes every operation of a service in one module of constants. Written with computed keys and calls at top
 * level they look like side effects, so nothing of them is ever dropped. Keys are written out and calls marked pure
 * here; the registration of errors stays, it is how errors get their classes.
 */
const droppableSchemas = {
  name: 'droppable-schemas',
  setup(build) {
    build.onLoad({ filter: /@aws-sdk[\\/].*dist-es[\\/].*schemas_0\.js$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8')
      const names = new Map(
        [...source.matchAll(/^const (_\w+) = ("[^"\n]*");$/gm)].map(([, name, text]) => [name, text]),
      )
      const contents = source.replace(/\[(_\w+)\]:/g, (whole, name) =>
        names.has(name) ? `${names.get(name)}:` : whole,
      )
      return { contents, loader: 'js' }
    })
  },
}

/** For its version alone, every client brings its whole package.json. */
const versionOnly = {
  name: 'version-only',
  setup(build) {
    build.onLoad({ filter: /@aws-sdk[\\/][^\\/]+[\\/]package\.json$/ }, async ({ path }) => {
      const { version } = JSON.parse(await readFile(path, 'utf8'))
      return { contents: JSON.stringify({ version }), loader: 'json' }
    })
  },
}

/**
 * Parts of the SDK that our calls never reach, each with what is left of it: endpoint discovery (of DAX and Timestream; it
 * brings a cache library), event streams (of S3 Select), the rate limiter of the adaptive retry mode (then as in the standard
 * one), signatures for all regions at once, web streams (what node:http gives is none), sessions of directory buckets, and
 * hashes in JavaScript for machines without node:crypto.
 */
const NEVER_USED = [
  [
    /@aws-sdk[\\/]middleware-endpoint-discovery[\\/]dist-es[\\/]index\.js$/,
    `export const NODE_ENDPOINT_DISCOVERY_CONFIG_OPTIONS = {
       environmentVariableSelector: () => undefined, configFileSelector: () => undefined, default: undefined }
     export const resolveEndpointDiscoveryConfig = (input) => input`,
  ],
  [
    /@smithy[\\/]core[\\/]dist-es[\\/]submodules[\\/]event-streams[\\/]index\.js$/,
    `export const resolveEventStreamSerdeConfig = (input) => input
     export const eventStreamSerdeProvider = () => { throw new Error('event streams are not bundled') }
     export const EventStreamSerde = eventStreamSerdeProvider`,
  ],
  [
    /[\\/]DefaultRateLimiter\.js$/,
    'export class DefaultRateLimiter { async getSendToken() {} updateClientSendingRate() {} }',
  ],
  [
    /[\\/]SignatureV4MultiRegion\.js$/,
    `import { SignatureV4SignWithCredentials } from './SignatureV4SignWithCredentials'
     export class SignatureV4MultiRegion extends SignatureV4SignWithCredentials {
       static sigv4aDependency() { return 'none' } }`,
  ],
  [
    /[\\/]sdk-stream-mixin\.browser\.js$/,
    'export const sdkStreamMixin = () => { throw new Error("web streams are not bundled") }',
  ],
  [
    /[\\/]createChecksumStream\.browser\.js$/,
    'export const createChecksumStream = () => { throw new Error("web streams are not bundled") }',
  ],
  [
    /[\\/]S3ExpressIdentityProviderImpl\.js$/,
    `export class S3ExpressIdentityProviderImpl {
       async getS3ExpressIdentity() { throw new Error('directory buckets are not bundled') } }`,
  ],
  [/[\\/]Sha256Js\.js$/, 'export const Sha256Js = undefined'],
  [/[\\/]Sha1Js\.js$/, 'export const Sha1Js = undefined'],
  [/[\\/]Md5Js\.js$/, 'export const Md5Js = undefined'],
]
const neverUsed = {
  name: 'never-used',
  setup(build) {
    for (const [filter, contents] of NEVER_USED) build.onLoad({ filter }, () => ({ contents, loader: 'js' }))
  },
}

/**
 * Every schema of zod can describe itself as JSON Schema, which only the API does (OpenAPI). Workers check with them: the
 * descriptions are left out there, the rest of each module stays.
 */
const noJsonSchema = {
  name: 'no-json-schema',
  setup(build) {
    build.onLoad(
      { filter: /zod[\\/]v4[\\/]core[\\/](?:to-json-schema|json-schema-processors)\.js$/ },
      async ({ path }) => {
        const source = await readFile(path, 'utf8')
        const contents = source.replace(
          /^export const (\w+(?:Processor|JSONSchemaMethod)) = [\s\S]*?\n};\n/gm,
          'export const $1 = () => undefined;\n',
        )
        return { contents, loader: 'js' }
      },
    )
  },
}

/** Every limit says why it is what it is, which is for the readers of docs/limits.md; a function needs the numbers. */
const limitsWithoutReasons = {
  name: 'limits-without-reasons',
  setup(build) {
    build.onLoad({ filter: /[\\/]lib[\\/]limits[\\/][a-z]+\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8')
      const contents = source.replace(/,\s*(?:'[^'\n]*'|"[^"\n]*"),?\s*\),\n/g, ", ''),\n")
      return { contents, loader: 'ts' }
    })
  },
}

/** Titles of errors stand in the API's problem documents and nowhere else. */
const errorsWithoutTitles = {
  name: 'errors-without-titles',
  setup(build) {
    build.onLoad({ filter: /[\\/]lib[\\/]errors\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8')
      const contents = source.replace(/(\brow\('\w+', \d+, \d+, )(?:'[^'\n]*'|"[^"\n]*")\)/g, "$1'')")
      return { contents, loader: 'ts' }
    })
  },
}

/** What is packaged for the cloud needs no `local`. `dist/functions.json` says which source makes which bytes. */
export async function build({ local = true } = {}) {
  const common = {
    // An alias is looked for from the working directory, which is the user's.
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
    metafile: true,
    write: false,
  }
  const functions = readdirSync(join(root, 'functions')).filter((name) => name.endsWith('.ts'))
  const forCloud = (names, ...more) =>
    esbuild({
      ...common,
      entryPoints: names.map((name) => join(root, 'functions', name)),
      outdir: join(root, 'dist/functions'),
      format: 'cjs',
      minify: true,
      legalComments: 'none',
      // The ES module builds of the SDK shrink to two thirds of the CommonJS ones.
      mainFields: ['module', 'main'],
      // The whole of hash-wasm is 212 KB of WebAssembly in one module; it ships every hash on its own, too.
      // On the laptop's Node 20 alone: the cloud's unpacks zstd itself.
      external: ['fzstd'],
      alias: { 'hash-wasm': 'hash-wasm/dist/sha256.umd.min.js' },
      plugins: [
        onlyEnglish,
        credentialsFromEnvironment,
        droppableSchemas,
        versionOnly,
        neverUsed,
        limitsWithoutReasons,
        ...more,
      ],
    })
  const isApi = (name) => name === 'api.ts'
  const [api, workers, ...locals] = await Promise.all([
    forCloud(functions.filter(isApi)),
    forCloud(
      functions.filter((name) => !isApi(name)),
      noJsonSchema,
      errorsWithoutTitles,
    ),
    ...(local ? forLaptop(common) : []),
  ])
  // The handlers are CommonJS inside a package of ES modules.
  const scope = { path: join(root, 'dist/functions/package.json'), contents: Buffer.from('{"type":"commonjs"}\n') }
  const metafile = { outputs: { ...api.metafile.outputs, ...workers.metafile.outputs } }
  const sizes = { path: join(root, 'dist/functions.json'), contents: Buffer.from(JSON.stringify(metafile.outputs)) }
  const files = [...[api, workers, ...locals].flatMap(({ outputFiles }) => outputFiles), scope, sizes]
  // Who reads the new command finds its parts.
  await Promise.all(files.filter(isPart).map(replace))
  await Promise.all(files.filter((file) => !isPart(file)).map(replace))
  if (local) removeOldParts(join(root, 'dist/local'), new Set(files.map(({ path }) => path)))
  // Ends esbuild's own process: what starts from here on is one Node process.
  await stop()
  return { metafile }
}

/** What runs on the laptop, and only there. */
function forLaptop(common) {
  const bundle = (names, more) =>
    esbuild({
      ...common,
      entryPoints: Object.fromEntries(names.map(([name, source]) => [name, join(root, source)])),
      outdir: join(root, 'dist/local'),
      outExtension: { '.js': '.mjs' },
      format: 'esm',
      ...more,
    })
  const whole = {
    mainFields: ['module', 'main'],
    plugins: [onlyEnglish, versionOnly],
    // Packages in CommonJS ask for Node's own modules by `require`.
    banner: {
      js: "import { createRequire as createRequireOf } from 'node:module'; const require = createRequireOf(import.meta.url);",
    },
  }
  return [
    // The stack keeps its packages outside: serverless-offline and dynalite load theirs from there, too.
    bundle([['stack', 'lib/local/stack.ts']], { packages: 'external' }),
    bundle(
      [
        ['advisories-worker', 'lib/local/advisories-worker.ts'],
        ['worker-process', 'lib/local/worker-process.ts'],
      ],
      whole,
    ),
    // A command is over in a moment: of few files it starts in half the time that two hundred small ones take, and what it
    // imports when it is needed (the SDK, YAML) is not read before.
    bundle([['command', 'lib/cli/main.ts']], {
      ...whole,
      splitting: true,
      minifySyntax: true,
      minifyWhitespace: true,
      chunkNames: `${PART}[name]-[hash]`,
    }),
  ]
}

/** Parts of the command are named by what is in them, so those of the build before stay beside those of this one. */
const PART = 'command-'
const isPart = ({ path }) => basename(path).startsWith(PART)

/**
 * Another instance may be running on parts that this build no longer has: they go an hour after they were seen to be old.
 * Until then their time says since when; of those in use it is 0.
 */
export function removeOldParts(folder, made, now = Date.now()) {
  for (const path of readdirSync(folder).map((name) => join(folder, name))) {
    if (!isPart({ path })) continue
    // Two builds may be at it.
    const found = statSync(path, { throwIfNoEntry: false })
    if (!found) continue
    try {
      if (made.has(path)) utimesSync(path, 0, 0)
      else if (found.mtimeMs === 0) utimesSync(path, now / 1000, now / 1000)
      else if (now - found.mtimeMs > 3_600_000) rmSync(path, { force: true })
    } catch (error) {
      if (error.code !== 'ENOENT') throw error
    }
  }
}

/** Whole or not at all, and untouched when equal: another instance may be reading it just now. */
async function replace({ path, contents }) {
  const before = await readFile(path).catch(() => undefined)
  if (before?.equals(contents)) return
  await mkdir(dirname(path), { recursive: true })
  const unfinished = `${path}.${process.pid}`
  await writeFile(unfinished, contents)
  await rename(unfinished, path)
}
