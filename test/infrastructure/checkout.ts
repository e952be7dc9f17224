/** A clean checkout, packaged offline: what `npx serverless package` makes of the sources, outside the working tree. */
import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
  /** Sources and their bytes in the bundle of a function. */
  inputs(name: string): { [path: string]: { bytesInOutput: number } }
  /** Files of a function's zip. */
  zip(name: string): Promise<{ [file: string]: Uint8Array }>
}

/** Throws with the output of the command when it fails. */
async function serverless(folder: string, args: string[], variables: { [name: string]: string } = {}): Promise<string> {
  const cli = join(ROOT, 'node_modules/serverless/scripts/serverless.js')
  const env = { ...bareEnvironment(folder), ...variables }
  return (await run(process.execPath, [cli, ...args], { cwd: folder, env, maxBuffer: 67_108_864 })).stdout
}

export async function packaged(folder: string): Promise<Packaged> {
  await serverless(folder, ['package', '--package', 'packaged'])
  const read = (name: string) => readFile(join(folder, 'packaged', name))
  const outputs = JSON.parse(await readFile(join(folder, 'dist/functions.json'), 'utf8')) as {
    [file: string]: { inputs: { [path: string]: { bytesInOutput: number } } }
  }
  return {
    template: JSON.parse((await read('cloudformation-template-update-stack.json')).toString()) as Template,
    inputs: (name) => outputs[`dist/functions/${name}.js`]!.inputs,
    zip: async (name) => unzipSync(await read(`${name}.zip`)),
  }
}

interface Printed {
  functions: { api: { events: unknown } }
  provider: { environment: { [name: string]: unknown } }
  resources: Template
}

/** serverless.yml as it is read with these flags, in a shell that holds what shells of AWS users hold. */
export async function printedWith(folder: string, flags: string[]): Promise<Printed> {
  const shell = { AWS_PROFILE: 'nobody', AWS_REGION: 'eu-west-1', AWS_SESSION_TOKEN: 'stale', CI: 'true' }
  return JSON.parse(await serverless(folder, ['print', '--format', 'json', ...flags], shell))
}

/** The events of the API function with these flags. */
export const routesWith = async (folder: string, flags: string[]): Promise<unknown> =>
  (await printedWith(folder, flags)).functions.api.events

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
