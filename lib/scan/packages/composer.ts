/**
 * What Composer installed: `composer/installed.json` in `vendor/`, or however a project calls it (`vendor-dir`); a list
 * in Composer 1, an object with the list in Composer 2.
 */
import type { FoundPackage } from '../model.ts'
import { type Analyzer, isField, Unreadable } from './analyzer.ts'
import { own, readJson } from './json.ts'

const INSTALLED = 'composer/installed.json'

export const composer: Analyzer = {
  kind: 'composer',
  wants: (path) =>
    path.endsWith(INSTALLED) && (path.length === INSTALLED.length || path.at(-INSTALLED.length - 1) === '/'),
  bytesMax: 'packageListBytesMax',
  read(path, content, { gap, packagesLeft }) {
    const installed = readJson(content)
    const list = Array.isArray(installed) ? installed : own(installed, 'packages')
    if (!Array.isArray(list)) throw new Unreadable('holds no list of packages')
    const packages: FoundPackage[] = []
    let unread = 0
    for (const entry of list) {
      if (packages.length > packagesLeft) break
      const name = own(entry, 'name')
      const version = own(entry, 'version')
      if (isField(name) && isField(version)) packages.push({ kind: 'composer', name, version, path })
      else unread++
    }
    if (unread > 0) gap(`has ${unread} entries without a name or version`)
    return packages
  },
}
