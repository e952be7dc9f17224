/** The libraries of a .NET application, beside it as `<name>.deps.json` (dotnet/sdk, "runtime-configuration-file.md"). */
import type { FoundPackage } from '../model.ts'
import { type Analyzer, isField, Unreadable } from './analyzer.ts'
import { own, readJson } from './json.ts'

/** A self-contained application carries the runtime; its advisories name the package without this. */
const RUNTIME_PACK = 'runtimepack.'

export const nuget: Analyzer = {
  kind: 'nuget',
  wants: (path) => path.endsWith('.deps.json'),
  bytesMax: 'packageListBytesMax',
  read(path, content, { gap, packagesLeft }) {
    const libraries = own(readJson(content), 'libraries')
    if (typeof libraries !== 'object' || libraries === null) throw new Unreadable('holds no libraries')
    const packages: FoundPackage[] = []
    let unread = 0
    for (const [key, library] of Object.entries(libraries)) {
      if (packages.length > packagesLeft) break
      const type = own(library, 'type')
      // The rest are projects of the application itself.
      if (type !== 'package' && type !== 'runtimepack') continue
      const slash = key.lastIndexOf('/')
      const name = key.slice(type === 'runtimepack' && key.startsWith(RUNTIME_PACK) ? RUNTIME_PACK.length : 0, slash)
      const version = key.slice(slash + 1)
      if (slash > 0 && isField(name) && isField(version)) packages.push({ kind: 'nuget', name, version, path })
      else unread++
    }
    if (unread > 0) gap(`has ${unread} libraries without a name or version`)
    return packages
  },
}
