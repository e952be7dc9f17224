/** Where OSV records come from: a directory that holds `<Ecosystem>/all.zip` as OSV's own exports do. */
import { existsSync } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { type ZipMember, zipMembers } from './zip.ts'

/** What a source lists of one ecosystem (OSV's `modified_id.csv`), and the records one by one. */
export interface Listing {
  /** Id -> when it changed last, milliseconds. */
  times: ReadonlyMap<string, number>
  /** Undefined when the source does not have it. Throws `advisories-invalid` when it cannot be had now. */
  record(id: string): Promise<Buffer | undefined>
}

/** The bytes of a record, or why a part of the source cannot be one. */
export type SourceRecord = ZipMember | { name: string; problem: string }

export interface AdvisorySource {
  /** How the source is called in errors and logs. */
  readonly name: string
  /** Names of the ecosystems it holds, sorted. Throws `advisories-invalid` when it cannot be read or holds none. */
  ecosystems(): Promise<string[]>
  /** The raw records of one ecosystem. Throws `advisories-invalid` when the archive is damaged. */
  records(ecosystem: string): AsyncIterable<SourceRecord>
  /** For sources that are far away: undefined for an ecosystem without a list. */
  listing?(ecosystem: string): Promise<Listing | undefined>
}

/** One whose every part is a record, whatever it holds. */
interface ArchiveSource extends AdvisorySource {
  records(ecosystem: string): AsyncIterable<ZipMember>
}

const ARCHIVE = 'all.zip'

/** Reads a local directory; nothing is written and nothing is kept. */
export function directorySource(directory: string, limits: Limits): ArchiveSource {
  return {
    name: directory,
    async ecosystems() {
      const entries = await readdir(directory, { withFileTypes: true }).catch((cause: unknown) => {
        throw new LongshoreError(
          'advisories-invalid',
          `The advisory directory ${directory} cannot be read; set LONGSHORE_ADVISORIES to a directory that holds <Ecosystem>/all.zip`,
          { cause },
        )
      })
      const found = entries.map((entry) => entry.name).filter((name) => existsSync(join(directory, name, ARCHIVE)))
      if (found.length === 0)
        throw new LongshoreError(
          'advisories-invalid',
          `The advisory directory ${directory} holds no <Ecosystem>/all.zip; copy OSV's exports there, such as Debian/all.zip`,
        )
      return found.sort()
    },
    async *records(ecosystem) {
      const path = join(directory, ecosystem, ARCHIVE)
      const file = await open(path).catch((cause: unknown) => {
        throw new LongshoreError('advisories-invalid', `${path} cannot be opened`, { cause })
      })
      try {
        yield* zipMembers(file.fd, path, limits.advisoryRecordBytesMax, limits.advisoryRecordsMax)
      } finally {
        await file.close()
      }
    },
  }
}
