/** A clean checkout, packaged offline: what `npx serverless package` makes of the sources, outside the working tree. */
import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { unzipSync } from 'fflate'
import { ROOT } from '../architecture/sources.ts'
import type { Template } from './template.ts'

const run = promisify(execFile)

/** What the shell of the reader may hold is not inherited: PATH finds node, HOME is a folder of the test. */
const bareEnvironment = (home: string) => ({ PATH: process.env.PATH, HOME: home, SLS_NOTIFICATIONS_MODE: 'off' })

export async function checkOut(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const name of ['lib', 'functions', 'infrastructure', 'scripts', 'serverless.yml', 'build.mjs', 'package.json'])
    await cp(join(ROOT, name), join(folder, name), { recursive: true })
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
}

export interface Packaged {
  template: Template
  /** Files of a function's zip. */
  zip(name: string): Promise<{ [file: string]: Uint8Array }>
}

/** Throws with the output of the command when it fails. */
export async function packaged(
  folder: string,
  variables: { [name: string]: string } = {},
  flags: string[] = [],
): Promise<Packaged> {
  const cli = join(ROOT, 'node_modules/serverless/scripts/serverless.js')
  const env = { ...bareEnvironment(folder), ...variables }
  await run(process.execPath, [cli, 'package', '--package', 'packaged', ...flags], { cwd: folder, env })
  const read = (name: string) => readFile(join(folder, 'packaged', name))
  return {
    template: JSON.parse((await read('cloudformation-template-update-stack.json')).toString()) as Template,
    zip: async (name) => unzipSync(await read(`${name}.zip`)),
  }
}

/** Sources and their bytes in each bundle, by function. */
export async function bundleInputs(
  folder: string,
): Promise<Map<string, { inputs: { [path: string]: { bytesInOutput: number } }; bytes: number }>> {
  const module = pathToFileURL(join(folder, 'build.mjs')).href
  const script = `import(${JSON.stringify(module)}).then(async ({ build }) => {
    const { metafile } = await build({ metafile: true, local: false, outdir: ${JSON.stringify(join(folder, 'measured'))} })
    process.stdout.write(JSON.stringify(metafile.outputs))
  })`
  const { stdout } = await run(process.execPath, ['-e', script], {
    cwd: folder,
    env: bareEnvironment(folder),
    maxBuffer: 67_108_864,
  })
  const outputs = JSON.parse(stdout) as {
    [file: string]: { inputs: { [path: string]: { bytesInOutput: number } }; bytes: number }
  }
  return new Map(
    Object.entries(outputs).map(([file, output]) => [/functions\/(.+)\.js$/.exec(file)?.[1] ?? file, output]),
  )
}

export interface Loaded {
  /** `typeof` of what the bundle exports as handler. */
  handler: string
  /** Of the call that was asked for. */
  answer?: { statusCode?: number }
}

/** Requires bundles in a process of their own, as Lambda does, and calls those that have an event. */
export async function load(
  bundles: { name: string; file: string; event?: unknown }[],
  variables: { [name: string]: string },
): Promise<{ [name: string]: Loaded }> {
  const script = `(async () => {
    const loaded = {}
    for (const { name, file, event } of JSON.parse(process.argv[1])) {
      const { handler } = require(file)
      loaded[name] = { handler: typeof handler, answer: event && (await handler(event, {})) }
    }
    process.stdout.write(JSON.stringify(loaded))
    process.exit(0)
  })()`
  const env = { ...bareEnvironment(tmpdir()), ...variables }
  const { stdout } = await run(process.execPath, ['-e', script, JSON.stringify(bundles)], { env })
  return JSON.parse(stdout)
}
