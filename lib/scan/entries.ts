/** The packages of an inventory as reports and SBOMs list them. */
import type { PackageEntry } from '../report/model.ts'
import type { ImageInventory, ImagePackage } from './model.ts'
import { packageUrl } from './purl.ts'

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function entry(found: ImagePackage, os: ImageInventory['os']): PackageEntry {
  return {
    name: found.name,
    version: found.version,
    purl: found.purl ?? packageUrl(found, os),
    path: found.member ? `${found.path}!/${found.member}` : found.path,
    layer: found.layer,
    ...(found.source ? { source: { name: found.source.name, version: found.source.version } } : {}),
  }
}

/** Packages in one order, each once. */
export function packageEntries(packages: readonly ImagePackage[], os: ImageInventory['os']) {
  return packages
    .map((found) => ({ found, entry: entry(found, os) }))
    .sort((a, b) => byText(a.entry.purl, b.entry.purl) || byText(a.entry.path, b.entry.path))
    .filter(({ entry: { purl, path } }, i, all) => {
      const before = all[i - 1]?.entry
      return purl !== before?.purl || path !== before.path
    })
}
