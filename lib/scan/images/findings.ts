/** What differs between the findings of two reports of one image. */
import type { Finding } from '../../report/model.ts'

export interface FindingChanges {
  new: Finding[]
  gone: Finding[]
  changed: { before: Finding; after: Finding }[]
}

/** A package entry is one purl at one place. */
const place = ({ purl, path }: Finding): string => `${purl}\n${path}`
const identity = (found: Finding): string => `${place(found)}\n${found.id}`

const isSameFlaw = (a: Finding, b: Finding): boolean => {
  const ids = new Set([a.id, ...a.aliases])
  return [b.id, ...b.aliases].some((id) => ids.has(id))
}

/**
 * In the order of the reports. A flaw that has got another id since, because a CVE was assigned say, has changed; it is
 * not one that went and one that came.
 */
export function compareFindings(before: readonly Finding[], after: readonly Finding[]): FindingChanges {
  const old = new Map(before.map((found) => [identity(found), found]))
  const kept = new Set<Finding>()
  const changes: FindingChanges = { new: [], gone: [], changed: [] }
  const fresh: Finding[] = []
  for (const found of after) {
    const was = old.get(identity(found))
    if (!was) {
      fresh.push(found)
      continue
    }
    kept.add(was)
    if (JSON.stringify(was) !== JSON.stringify(found)) changes.changed.push({ before: was, after: found })
  }
  const left = new Map<string, Finding[]>()
  for (const was of before) if (!kept.has(was)) left.set(place(was), [...(left.get(place(was)) ?? []), was])
  for (const found of fresh) {
    const was = left.get(place(found))?.find((one) => !kept.has(one) && isSameFlaw(one, found))
    if (was) {
      kept.add(was)
      changes.changed.push({ before: was, after: found })
    } else changes.new.push(found)
  }
  changes.gone = before.filter((was) => !kept.has(was))
  return changes
}
