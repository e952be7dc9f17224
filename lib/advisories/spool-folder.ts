/**
 * The temporary folder of a spool. Whoever is killed cannot remove its own, and a function that is started again in the
 * same machine finds the disk as it left it: each new folder first removes those that nobody can need any more.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'
import { isAlive } from '../is-alive.ts'

/** A process of another container is not seen to live: what a build writes is not left alone for so long. */
const STALE_MS = 3_600_000
const NAME = /^longshore-spool-(\d+)-(\d+)-/

/** Folders of this thread that are in use. */
const own = new Set<string>()

export function makeFolder(now = Date.now()): string {
  for (const name of readdirSync(tmpdir())) {
    const path = join(tmpdir(), name)
    if (isStale(name, path, now)) tryToRemove(path)
  }
  const folder = mkdtempSync(join(tmpdir(), `longshore-spool-${process.pid}-${threadId}-`))
  own.add(folder)
  return folder
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
  own.delete(folder)
}

function isStale(name: string, path: string, now: number): boolean {
  const [, pid, thread] = NAME.exec(name) ?? []
  if (pid === undefined) return false
  // A process that was started anew may have the number of the one before, and then knows its own.
  if (Number(pid) === process.pid) return Number(thread) === threadId && !own.has(path)
  if (isAlive(Number(pid))) return false
  const found = statSync(path, { throwIfNoEntry: false })
  return found !== undefined && now - found.mtimeMs > STALE_MS
}

/** In a shared temporary folder it may belong to another user: then it stays. */
function tryToRemove(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true })
  } catch {}
}
