// Builds when something has changed since the last build: half a second to three that a command need not wait for.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
/** What a build is made of: sources, how, and the packages that it bundles. */
const MADE_OF = ['lib', 'functions', 'build.mjs', 'package.json', 'node_modules/.package-lock.json']
/** Not read by anything but this file: which state of all that was built. */
const STAMP = join(root, 'dist/built')
const MADE = ['functions.json', 'local/command.mjs', 'local/stack.mjs'].map((name) => join(root, 'dist', name))

/** Throws what esbuild throws, and ERR_MODULE_NOT_FOUND when packages are missing. */
export async function buildWhenChanged() {
  // Whoever has built already, as the tests have, says so.
  if (process.env.LONGSHORE_BUILT) return
  const state = stateOf(root, MADE_OF)
  if (MADE.every(existsSync) && existsSync(STAMP) && readFileSync(STAMP, 'utf8') === state) return
  const { build } = await import('../build.mjs')
  await build()
  writeFileSync(STAMP, state)
}

/** By name, size and time of every file: reading them all would take as long as to build. */
export function stateOf(folder, names) {
  const hash = createHash('sha256')
  const add = (path) => {
    const found = statSync(path, { throwIfNoEntry: false })
    if (found?.isDirectory()) for (const name of readdirSync(path).sort()) add(join(path, name))
    else hash.update(`${path}\n${found?.size} ${found?.mtimeMs}\n`)
  }
  for (const name of names) add(join(folder, name))
  return hash.digest('hex')
}
