/**
 * What happened, one JSON line each, so that queues outlive the process. A line is handed to the operating system
 * before the caller gets its answer: a killed process loses nothing; a power cut may lose the last lines, which the
 * sweep heals as it heals any lost message. What was in flight comes back visible, because who held it is dead.
 */
import { closeSync, existsSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import type { MessageContent } from './message.ts'

export type JournalRecord =
  | {
      do: 'queue'
      queue: string
      createdAt: number
      modifiedAt: number
      salt: string
      attributes: Readonly<Record<string, string>>
      tags: Record<string, string>
    }
  | { do: 'delete-queue' | 'purge'; queue: string }
  | { do: 'put'; queue: string; key: number; content: MessageContent }
  | { do: 'receive'; queue: string; key: number; receiveCount: number; firstReceivedAt: number }
  | { do: 'delete'; queue: string; key: number }

export interface Journal {
  write(record: JournalRecord): void
  close(): void
}

/** Keeps nothing. */
export const noJournal: Journal = { write: () => {}, close: () => {} }

/** Rewritten with only what still matters once it has this size and has doubled since the last time. */
const REWRITE_BYTES_MIN = 8 * 1024 * 1024

/** The records of a journal file; a last line cut off by a crash is left out. */
export function readJournal(path: string): JournalRecord[] {
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').split('\n')
  lines.pop()
  return lines.map((line) => JSON.parse(line) as JournalRecord)
}

/** Opens the journal at `path`, rewritten to what `snapshot` gives. The folder must exist; one process per file. */
export function openJournal(path: string, snapshot: () => Iterable<JournalRecord>): Journal {
  let bytes = 0
  let rewriteAt = 0
  let file = rewrite()

  function rewrite(): number {
    const lines = Array.from(snapshot(), (record) => `${JSON.stringify(record)}\n`).join('')
    // Whole or not at all: a crash in between leaves the old journal.
    writeFileSync(`${path}.new`, lines, { mode: 0o600 })
    renameSync(`${path}.new`, path)
    bytes = Buffer.byteLength(lines)
    rewriteAt = Math.max(REWRITE_BYTES_MIN, 2 * bytes)
    return openSync(path, 'a', 0o600)
  }

  return {
    write(record: JournalRecord): void {
      if (bytes > rewriteAt) {
        closeSync(file)
        file = rewrite()
      }
      bytes += writeSync(file, `${JSON.stringify(record)}\n`)
    },
    close: () => closeSync(file),
  }
}
