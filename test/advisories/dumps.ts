/** Real zip dumps of OSV records in a directory of their own, as OSV publishes them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { zipSync } from 'fflate'
import { directorySource } from '../../lib/advisories/index.ts'
import { defaultLimits, type Limits } from '../../lib/config.ts'

export type Doc = Record<string, unknown>

/** A record that is affected before `fixed`, in OSV's shape. */
export const record = (id: string, ecosystem: string, name: string, fixed: string, more: Doc = {}): Doc => ({
  id,
  modified: '2026-01-02T03:04:05Z',
  published: '2025-12-01T00:00:00Z',
  affected: [
    { package: { ecosystem, name }, ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed }] }] },
  ],
  ...more,
})

/** Zip bytes of members given as documents or raw text. */
export function zip(members: Record<string, Doc | string>): Uint8Array {
  const files = Object.entries(members).map(([name, content]) => {
    const text = typeof content === 'string' ? content : JSON.stringify(content)
    return [name, new TextEncoder().encode(text)] as const
  })
  return zipSync(Object.fromEntries(files), { mtime: '2026-01-01T00:00:00' })
}

export const dump = (...records: Doc[]): Uint8Array =>
  zip(Object.fromEntries(records.map((one) => [`${String(one.id)}.json`, one])))

export interface Dumps extends Disposable {
  directory: string
  source(limits?: Limits): ReturnType<typeof directorySource>
  write(ecosystem: string, bytes: Uint8Array): void
}

/** A fresh directory, removed at the end of the block that holds it by `using`. */
export function dumps(byEcosystem: Record<string, Uint8Array>): Dumps {
  const directory = mkdtempSync(join(tmpdir(), 'longshore-osv-'))
  const write = (ecosystem: string, bytes: Uint8Array) => {
    mkdirSync(join(directory, ecosystem), { recursive: true })
    writeFileSync(join(directory, ecosystem, 'all.zip'), bytes)
  }
  for (const [ecosystem, bytes] of Object.entries(byEcosystem)) write(ecosystem, bytes)
  return {
    directory,
    source: (limits = defaultLimits) => directorySource(directory, limits),
    write,
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  }
}
