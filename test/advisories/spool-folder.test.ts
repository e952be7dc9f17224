import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'
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
