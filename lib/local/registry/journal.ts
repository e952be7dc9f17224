/** What repositories know, one JSON line per change, so that a restart finds it again. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

export type Change =
  | { blob: string; in: string }
  | { manifest: string; in: string; mediaType: string }
  | { tag: string; in: string; is: string }
  | { removeBlob: string; in: string }
  | { removeManifest: string; in: string }
  | { removeTag: string; in: string }

export interface Journal {
  append(change: Change): void
}

/**
 * Replays the file into `apply`, then keeps appending to it. A line that was torn by a crash is the last one and is
 * dropped; the file is rewritten from `snapshot` so that it does not grow for ever.
 */
export function openJournal(path: string, apply: (change: Change) => void, snapshot: () => Iterable<Change>): Journal {
  mkdirSync(dirname(path), { recursive: true })
  if (existsSync(path))
    for (const line of readFileSync(path, 'utf8').split('\n')) {
      const change = parsed(line)
      if (change) apply(change)
    }
  let text = ''
  for (const change of snapshot()) text += `${JSON.stringify(change)}\n`
  writeFileSync(`${path}.new`, text)
  renameSync(`${path}.new`, path)
  // Synchronous: a line of 150 bytes costs some 20 µs, and the answer must not precede it.
  return { append: (change) => appendFileSync(path, `${JSON.stringify(change)}\n`) }
}

function parsed(line: string): Change | undefined {
  if (line === '') return undefined
  try {
    return JSON.parse(line) as Change
  } catch {
    return undefined
  }
}
