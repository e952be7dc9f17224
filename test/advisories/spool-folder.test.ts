import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'
import { buildSync } from 'esbuild'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeFolder, removeFolder } from '../../lib/advisories/spool-folder.ts'

const before = process.env.TMPDIR
let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'longshore-test-'))
  process.env.TMPDIR = folder
})
afterEach(() => {
  if (before === undefined) delete process.env.TMPDIR
  else process.env.TMPDIR = before
  rmSync(folder, { recursive: true })
})

/** A folder that somebody left, so long ago. */
function left(name: string, hoursAgo: number): string {
  const path = join(folder, name)
  mkdirSync(path)
  const at = new Date(Date.now() - hoursAgo * 3_600_000)
  utimesSync(path, at, at)
  return path
}

/** Of a process that has ended. */
const deadPid = (): number => spawnSync(process.execPath, ['-e', '']).pid

test('a new spool removes what killed builds have left, and nothing that may be in use', () => {
  const pid = deadPid()
  const stale = [
    left(`longshore-spool-${pid}-0-abcdef`, 2),
    // Of the process before, which had our number, as in a function that is started again after its time was over.
    left(`longshore-spool-${process.pid}-${threadId}-abcdef`, 0),
  ]
  const used = makeFolder()
  const kept = [
    used,
    // Its process may be one of another container.
    left(`longshore-spool-${pid}-0-ghijkl`, 0.5),
    left(`longshore-spool-${process.ppid}-0-abcdef`, 2),
    left(`longshore-spool-${process.pid}-${threadId + 1}-abcdef`, 2),
    left('longshore-spool-abcdef', 2),
    left('of-somebody-else', 2),
  ]
  const next = makeFolder()
  expect(stale.map(existsSync)).toEqual([false, false])
  expect(kept.map(existsSync)).toEqual(kept.map(() => true))
  for (const path of [used, next]) removeFolder(path)
  expect([used, next].map(existsSync)).toEqual([false, false])
})

test.skipIf(process.getuid?.() !== 0)('what another user has left in a shared folder stays, and does no harm', () => {
  const stale = left(`longshore-spool-${deadPid()}-0-abcdef`, 2)
  writeFileSync(join(stale, '0'), 'of root')
  utimesSync(stale, new Date(0), new Date(0))
  chmodSync(folder, 0o1777)
  const source = new URL('../../lib/advisories/spool-folder.ts', import.meta.url).pathname
  const script = join(folder, 'spool-folder.mjs')
  buildSync({ entryPoints: [source], outfile: script, bundle: true, platform: 'node', format: 'esm' })
  const code = `import('${script}').then(({ makeFolder }) => console.log(makeFolder()))`
  const nobody = { uid: 65_534, gid: 65_534, cwd: '/', env: { TMPDIR: folder }, encoding: 'utf8' } as const
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', code], nobody)
  expect(stderr).toBe('')
  expect(existsSync(stdout.trim())).toBe(true)
  expect(existsSync(stale)).toBe(true)
})
