import { mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'

const script = pathToFileURL(join(import.meta.dirname, '../../scripts/built.mjs')).href
const { stateOf } = (await import(script)) as { stateOf(folder: string, names: string[]): string }

test('a build is stale when a source was changed, added, renamed or taken away, and only then', () => {
  const folder = mkdtempSync(join(tmpdir(), 'longshore-built-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const at = (name: string) => join(folder, name)
  mkdirSync(at('lib/deep'), { recursive: true })
  writeFileSync(at('lib/a.ts'), 'a')
  writeFileSync(at('lib/deep/b.ts'), 'b')
  writeFileSync(at('beside.ts'), 'x')
  const state = () => stateOf(folder, ['lib', 'package.json'])
  const states = [state()]
  expect(state()).toBe(states[0])
  writeFileSync(at('beside.ts'), 'of no build')
  expect(state()).toBe(states[0])
  const changes = [
    // The same size: only its time tells.
    () => utimesSync(at('lib/deep/b.ts'), new Date(1_000), new Date(2_000)),
    () => writeFileSync(at('lib/c.ts'), 'c'),
    () => renameSync(at('lib/c.ts'), at('lib/d.ts')),
    () => rmSync(at('lib/deep/b.ts')),
    // Installed packages lie in the bundles, too.
    () => writeFileSync(at('package.json'), '{}'),
  ]
  for (const change of changes) {
    change()
    states.push(state())
  }
  expect(new Set(states).size).toBe(changes.length + 1)
})
