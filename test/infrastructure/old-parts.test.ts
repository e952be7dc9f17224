import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
// @ts-expect-error: the build is JavaScript, which runs without being built.
import { removeOldParts as remove } from '../../build.mjs'

const HOUR = 3_600_000
const removeOldParts = remove as (folder: string, made: ReadonlySet<string>, now: number) => void
let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'longshore-parts-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const write = (name: string) => {
  writeFileSync(join(folder, name), '')
  // However long ago it was built.
  utimesSync(join(folder, name), 1, 1)
}
const build = (names: string[], at: number) => {
  for (const name of names) write(name)
  removeOldParts(folder, new Set(names.map((name) => join(folder, name))), at)
  return readdirSync(folder).sort()
}

test('parts of a build before go an hour after they went out of use, not after they were built', () => {
  const began = Date.parse('2026-11-30T12:00:00Z')
  expect(build(['command-a.mjs', 'command-b.mjs'], began)).toEqual(['command-a.mjs', 'command-b.mjs'])
  // A day later `a` is replaced: what runs on it may have begun a second ago.
  const replaced = began + 24 * HOUR
  const all = ['command-a.mjs', 'command-b.mjs', 'command-c.mjs']
  expect(build(['command-b.mjs', 'command-c.mjs'], replaced)).toEqual(all)
  expect(build(['command-b.mjs', 'command-c.mjs'], replaced + HOUR / 2)).toEqual(all)
  expect(build(['command-b.mjs', 'command-c.mjs'], replaced + HOUR + 1)).toEqual(['command-b.mjs', 'command-c.mjs'])
})

test('a part that comes into use again stays, and what is no part is not touched', () => {
  const began = Date.parse('2026-11-30T12:00:00Z')
  write('stack.mjs')
  build(['command-a.mjs'], began)
  build(['command-b.mjs'], began + HOUR)
  build(['command-a.mjs'], began + 1.5 * HOUR)
  expect(build(['command-a.mjs'], began + 9 * HOUR)).toEqual(['command-a.mjs', 'stack.mjs'])
})
