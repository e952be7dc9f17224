/** The specification of each installed Ruby gem, default gems among them, as RubyGems writes it. */
import type { FoundPackage } from '../model.ts'
import { type Analyzer, isField, Unreadable } from './analyzer.ts'

const SPECIFICATION = /(?:^|\/)specifications\/(?:default\/)?[^/]+\.gemspec$/
/** RubyGems' own shortcut in one of the first lines: name, version, platform, paths. */
const STUB = /^# stub: (\S+) (\S+)/m
const NAME = /^[ \t]*s\.name[ \t]*=[ \t]*["']([^"'\n]+)["']/m
const VERSION = /^[ \t]*s\.version[ \t]*=[ \t]*(?:Gem::Version\.new[ (][ \t]*)?["']([^"'\n]+)["']/m

export const gem: Analyzer = {
  kind: 'gem',
  wants: (path) => path.endsWith('.gemspec') && SPECIFICATION.test(path),
  bytesMax: 'manifestFileBytesMax',
  read(path, content) {
    const text = content.toString('utf8')
    const stub = STUB.exec(text.slice(0, 4_096))
    const name = stub?.[1] ?? NAME.exec(text)?.[1]
    const version = stub?.[2] ?? VERSION.exec(text)?.[1]
    if (!isField(name) || !isField(version)) throw new Unreadable('has no name or version that can be read as text')
    const found: FoundPackage = { kind: 'gem', name, version, path }
    return [found]
  },
}
