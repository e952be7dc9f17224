/** rpm's database in its three formats: SQLite (Fedora, RHEL 9), ndb (SUSE), Berkeley DB (RHEL 8 and older). */
import type { FoundPackage } from '../model.ts'
import { type Analyzer, readingBinary, Unreadable } from './analyzer.ts'
import { bdbPackages, isBdbHash } from './rpm-bdb.ts'
import { readRpmHeader } from './rpm-header.ts'
import { NDB_MAGIC, ndbPackages } from './rpm-ndb.ts'
import { SQLITE_MAGIC, sqlitePackages } from './rpm-sqlite.ts'

const FOLDER = /^(?:var\/lib|usr\/lib\/sysimage|usr\/share)\/rpm\/(?:rpmdb\.sqlite(?:-wal)?|Packages(?:\.db)?)$/

export const rpm: Analyzer = {
  kind: 'rpm',
  wants: (path) => path.includes('/rpm/') && FOLDER.test(path),
  bytesMax: 'rpmFileBytesMax',
  read(path, content, room) {
    if (path.endsWith('-wal')) {
      // Empty after a clean end, which is how images are made; else the newest packages are only in here.
      if (content.length > 0) room.gap('holds changes that rpm has not put into its database yet; they are not read')
      return []
    }
    const packages: FoundPackage[] = []
    let damaged = 0
    const readAll = () => {
      for (const header of headers(content)) {
        if (packages.length > room.packagesLeft) break
        try {
          const found = readingBinary('header', () => readRpmHeader(header, path, room.owns))
          if (found) packages.push(found)
        } catch (error) {
          if (!(error instanceof Unreadable)) throw error
          damaged++
        }
      }
    }
    try {
      readingBinary('rpm database', readAll)
    } catch (error) {
      // What came before the damage is installed all the same.
      if (!(error instanceof Unreadable) || packages.length === 0) throw error
      room.gap(`${error.message}; ${packages.length} packages before that place were read`)
    }
    if (damaged > 0) room.gap(`has ${damaged} packages whose headers cannot be read`)
    return packages
  },
}

function headers(content: Buffer): Iterable<Buffer> {
  const magic = content.toString('latin1', 0, SQLITE_MAGIC.length)
  if (magic === SQLITE_MAGIC) return sqlitePackages(content)
  if (magic.startsWith(NDB_MAGIC)) return ndbPackages(content)
  if (isBdbHash(content)) return bdbPackages(content)
  throw new Unreadable('is an rpm database of a format that is not known')
}
