/**
 * What the package index knows of one image: groups of keys, one for each layer. Images on one base share its group, so
 * that a package of the base leads to one group and from there to all its images.
 *
 * A key is `ecosystem\nname`, as advisories are filed; `ecosystem\n*` for every ecosystem the image is judged by; for OS
 * packages also `dpkg\nname` of the binary package; `\nid` for every id of a finding.
 */
import { createHash } from 'node:crypto'
import { EVERY_PACKAGE } from '../../advisories/changes.ts'
import { packageKey } from '../../advisories/ecosystem.ts'
import type { Finding } from '../../report/model.ts'
import { distributionOf } from '../distribution.ts'
import { judgesOf } from '../judges.ts'
import type { ImageInventory } from '../model.ts'

export interface KeyGroup {
  /** Hash of the keys: groups with equal keys are one. */
  id: string
  /** Sorted, each once. */
  keys: string[]
}

export interface IndexEntry {
  digest: string
  /** Hash of the groups: tells whether an image is in the index as it is. */
  set: string
  groups: KeyGroup[]
}

/** A package, by the name that advisories of its ecosystem have for it. */
export function keyOfPackage(ecosystem: string, name: string): string {
  const key = packageKey(ecosystem, name)
  return `${key.ecosystem}\n${key.name}`
}

/** Names come from files of strangers: the index ends a key at a NUL and is written as UTF-8. */
const plain = (key: string): string =>
  /[\0\ud800-\udfff]/.test(key) ? Buffer.from(key.replaceAll('\0', '\ufffd')).toString('utf8') : key

/** A flaw, by any of its ids. */
export const keyOfFlaw = (id: string): string => `\n${id}`

const hash = (parts: readonly string[]): string =>
  createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 32)

/**
 * Every key under which something may be said of the image: also of packages that are not judged today, because their OS
 * package speaks for them. An image that is named once too often is judged once more; none is ever left out.
 */
export function indexEntry(inventory: ImageInventory, findings: readonly Finding[]): IndexEntry {
  const layers = new Map<string, Set<string>>()
  const keysOf = (layer: string): Set<string> => {
    const keys = layers.get(layer) ?? new Set()
    layers.set(layer, keys)
    return keys
  }
  const distribution = distributionOf(inventory.os)
  const own = keysOf('')
  if (!('gap' in distribution))
    for (const ecosystem of distribution.ecosystems) own.add(keyOfPackage(ecosystem, EVERY_PACKAGE))
  const judges = judgesOf(inventory.os)
  for (const found of inventory.packages) {
    const keys = keysOf(found.layer)
    const judge = judges.get(found.kind)
    for (const ecosystem of judge?.ecosystems ?? []) {
      for (const { name } of judge!.subjects(found)) keys.add(keyOfPackage(ecosystem, name))
      own.add(keyOfPackage(ecosystem, EVERY_PACKAGE))
    }
    keys.add(`${found.kind}\n${found.name}`)
  }
  for (const { layer, id, aliases } of findings) for (const one of [id, ...aliases]) keysOf(layer).add(keyOfFlaw(one))
  const groups = new Map<string, KeyGroup>()
  for (const keys of layers.values()) {
    if (keys.size === 0) continue
    const sorted = [...new Set([...keys].map(plain))].sort()
    const id = hash(sorted)
    groups.set(id, { id, keys: sorted })
  }
  const sorted = [...groups.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  return { digest: inventory.digest, set: hash(sorted.map(({ id }) => id)), groups: sorted }
}
