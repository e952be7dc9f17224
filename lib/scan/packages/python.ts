/** Installed Python distributions: `dist-info`, `egg-info` and eggs (packaging.python.org, "Core metadata"). */
import type { FoundPackage } from '../model.ts'
import { type Analyzer, isField, Unreadable } from './analyzer.ts'
import { archiveBudget, openZip } from './zip.ts'

const METADATA = /\.dist-info\/METADATA$|\.egg-info(?:\/PKG-INFO)?$|(?:^|\/)EGG-INFO\/PKG-INFO$/
const EGG = '.egg'
/** The fields stand before the first empty line; the description after it may be a whole manual. */
const HEADER_BYTES_MAX = 65_536

export const python: Analyzer = {
  kind: 'python',
  wants(path) {
    switch (path[path.length - 1]) {
      case 'A':
      case 'O':
      case 'o':
        return METADATA.test(path)
      case 'g':
        return path.endsWith(EGG)
      default:
        return false
    }
  },
  bytesMax: 'packageListBytesMax',
  read(path, content, { limits }) {
    if (!path.endsWith(EGG)) return [readMetadata(path, content)]
    const zip = openZip(content, archiveBudget(limits))
    const member = zip.members.find(({ name }) => name === 'EGG-INFO/PKG-INFO')
    if (!member) throw new Unreadable('is an egg without metadata')
    return [readMetadata(path, zip.read(member, limits.manifestFileBytesMax))]
  },
}

function readMetadata(path: string, content: Buffer): FoundPackage {
  const text = content.toString('utf8', 0, HEADER_BYTES_MAX)
  const header = text.slice(0, /\r?\n\r?\n/.exec(text)?.index ?? text.length)
  const name = /^Name:(.*)$/im.exec(header)?.[1]?.trim()
  const version = /^Version:(.*)$/im.exec(header)?.[1]?.trim()
  if (!isField(name) || !isField(version)) throw new Unreadable('has no name or version')
  return { kind: 'python', name, version, path }
}
