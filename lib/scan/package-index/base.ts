/**
 * The base of the package index: one immutable file of all images of a tenant, as three tables of numbers. A question is
 * answered by running over them once, which takes milliseconds for ten thousand images and needs nothing to be built.
 *
 *   eight uint32: magic "LSPX", version, groups G, their keys in all, entries N, their groups in all, bytes of the key
 *   text, bytes of the entry text; then uint32: where each group's keys begin (G + 1), the keys; where each entry's groups
 *   begin (N + 1), the groups; then text: group ids (32 characters each), keys, entries. Little endian, gzipped.
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import { LongshoreError } from '../../errors.ts'
import type { Segment } from './segment.ts'

const MAGIC = 0x5850534c
const VERSION = 1
const HEADER = 8
const GROUP_ID = 32
/** A million images are about 900 MB; a file of ours is never larger. */
const BASE_BYTES_MAX = 2_000_000_000

/** An image as it was indexed; it has another entry for each other set until it is purged. */
export interface BaseEntry {
  digest: string
  set: string
  /** Milliseconds since the epoch: when it was published last. */
  at: number
}

/** Lists of numbers, one behind the other. */
interface Lists {
  starts: Uint32Array
  values: Uint32Array
}

export interface IndexBase {
  /** Sorted. */
  keys: string[]
  groupIds: string[]
  /** Of each group, its keys. */
  groups: Lists
  entries: BaseEntry[]
  /** Of each entry, its groups. */
  members: Lists
}

export const EMPTY_BASE: IndexBase = {
  keys: [],
  groupIds: [],
  groups: { starts: new Uint32Array(1), values: new Uint32Array(0) },
  entries: [],
  members: { starts: new Uint32Array(1), values: new Uint32Array(0) },
}

const slice = ({ starts, values }: Lists, i: number): Uint32Array => values.subarray(starts[i], starts[i + 1])

function listsOf(lists: readonly (readonly number[] | Uint32Array)[]): Lists {
  const starts = new Uint32Array(lists.length + 1)
  lists.forEach((list, i) => {
    starts[i + 1] = starts[i]! + list.length
  })
  const values = new Uint32Array(starts[lists.length]!)
  lists.forEach((list, i) => {
    values.set(list, starts[i])
  })
  return { starts, values }
}

/** Whether any key is wanted, for each group; then which entries have one of those groups. */
export function entriesWith(base: IndexBase, wanted: ReadonlySet<string>): BaseEntry[] {
  const { keys, groups, entries, members } = base
  const isKey = new Uint8Array(keys.length)
  let any = false
  for (const key of wanted) {
    const at = indexOf(keys, key)
    if (at === undefined) continue
    isKey[at] = 1
    any = true
  }
  if (!any) return []
  const isGroup = marked(groups, isKey)
  const isEntry = marked(members, isGroup)
  return entries.filter((_, i) => isEntry[i] === 1)
}

/** For each list, whether one of its values is marked. */
function marked({ starts, values }: Lists, isMarked: Uint8Array): Uint8Array {
  const count = starts.length - 1
  const found = new Uint8Array(count)
  for (let i = 0; i < count; i++) {
    const end = starts[i + 1]!
    for (let at = starts[i]!; at < end; at++)
      if (isMarked[values[at]!] === 1) {
        found[i] = 1
        break
      }
  }
  return found
}

function indexOf(sorted: readonly string[], text: string): number | undefined {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! < text) low = middle + 1
    else high = middle
  }
  return sorted[low] === text ? low : undefined
}

/** A base and segments as one base. Entries that `keep` refuses are left out, and what only they had. */
export function mergeIndex(
  base: IndexBase,
  segments: readonly Segment[],
  keep: (entry: BaseEntry) => boolean = () => true,
): IndexBase {
  const ordinals = new Map(base.keys.map((key, i) => [key, i]))
  const groupLists: (readonly number[] | Uint32Array)[] = base.groupIds.map((_, i) => slice(base.groups, i))
  const groupOrdinals = new Map(base.groupIds.map((id, i) => [id, i]))
  const ordinalOf = (key: string): number => {
    const known = ordinals.get(key) ?? ordinals.size
    ordinals.set(key, known)
    return known
  }
  const merged = new Map<string, { entry: BaseEntry; groups: readonly number[] | Uint32Array }>()
  base.entries.forEach((entry, i) => {
    merged.set(`${entry.digest} ${entry.set}`, { entry, groups: slice(base.members, i) })
  })
  for (const { digest, set, at, groups } of segments) {
    const name = `${digest} ${set}`
    const before = merged.get(name)
    const entry = { digest, set, at: Math.max(at, before?.entry.at ?? 0) }
    if (before) {
      merged.set(name, { ...before, entry })
      continue
    }
    const members = groups.map(({ id, keys }) => {
      const known = groupOrdinals.get(id)
      if (known !== undefined) return known
      groupOrdinals.set(id, groupLists.length)
      return groupLists.push(keys.map(ordinalOf)) - 1
    })
    merged.set(name, { entry, groups: members })
  }
  const kept = [...merged].filter(([, { entry }]) => keep(entry)).sort(([a], [b]) => (a < b ? -1 : 1))
  return renumbered(
    kept.map(([, one]) => one),
    { ids: [...groupOrdinals.keys()], lists: groupLists, keys: [...ordinals.keys()] },
  )
}

/** Numbers groups by id and keys by text, and leaves out what no entry has: equal content gives an equal file. */
function renumbered(
  kept: readonly { entry: BaseEntry; groups: readonly number[] | Uint32Array }[],
  old: { ids: string[]; lists: (readonly number[] | Uint32Array)[]; keys: string[] },
): IndexBase {
  const isUsed = new Uint8Array(old.ids.length)
  for (const { groups } of kept) for (const group of groups) isUsed[group] = 1
  const groups = old.ids
    .map((id, i) => ({ id, i }))
    .filter(({ i }) => isUsed[i] === 1)
    .sort((a, b) => (a.id < b.id ? -1 : 1))
  const hasKey = new Uint8Array(old.keys.length)
  for (const { i } of groups) for (const key of old.lists[i]!) hasKey[key] = 1
  const keys = old.keys
    .map((key, i) => ({ key, i }))
    .filter(({ i }) => hasKey[i] === 1)
    .sort((a, b) => (a.key < b.key ? -1 : 1))
  const keyNumbers = numbering(keys, old.keys.length)
  const groupNumbers = numbering(groups, old.ids.length)
  const renumber = (list: readonly number[] | Uint32Array, numbers: Uint32Array) =>
    Uint32Array.from(list, (one) => numbers[one]!).sort()
  return {
    keys: keys.map(({ key }) => key),
    groupIds: groups.map(({ id }) => id),
    groups: listsOf(groups.map(({ i }) => renumber(old.lists[i]!, keyNumbers))),
    entries: kept.map(({ entry }) => entry),
    members: listsOf(kept.map((one) => renumber(one.groups, groupNumbers))),
  }
}

function numbering(sorted: readonly { i: number }[], count: number): Uint32Array {
  const numbers = new Uint32Array(count)
  sorted.forEach(({ i }, n) => {
    numbers[i] = n
  })
  return numbers
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint32Array): Buffer => Buffer.from(buffer, byteOffset, byteLength)

export function encodeBase({ keys, groupIds, groups, entries, members }: IndexBase): Buffer {
  // No key holds a NUL: those of packages come from files and would end there.
  const keyText = Buffer.from(keys.join('\0'))
  const entryText = Buffer.from(entries.map(({ digest, set, at }) => `${digest} ${set} ${at}`).join('\n'))
  const header = Uint32Array.of(
    MAGIC,
    VERSION,
    groupIds.length,
    groups.values.length,
    entries.length,
    members.values.length,
    keyText.length,
    entryText.length,
  )
  const tables = [header, groups.starts, groups.values, members.starts, members.values].map(bytesOf)
  return gzipSync(Buffer.concat([...tables, Buffer.from(groupIds.join('')), keyText, entryText]), { level: 4 })
}

/** Throws `internal` for bytes that are no base of this version. */
export function decodeBase(content: Uint8Array): IndexBase {
  const packed = gunzipSync(content, { maxOutputLength: BASE_BYTES_MAX })
  // Numbers are read in place, which needs them to begin at a multiple of four.
  const bytes = packed.byteOffset % 4 === 0 ? packed : Buffer.from(new Uint8Array(packed).buffer)
  const header = new Uint32Array(bytes.buffer, bytes.byteOffset, HEADER)
  const [magic, version, groupCount, groupKeys, entryCount, entryGroups, keyBytes, entryBytes] = header as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  if (magic !== MAGIC || version !== VERSION)
    throw new LongshoreError('internal', 'the package index was written by another version; deploy the newer code')
  let at = HEADER * 4
  const numbers = (count: number): Uint32Array => {
    const table = new Uint32Array(bytes.buffer, bytes.byteOffset + at, count)
    at += count * 4
    return table
  }
  const text = (length: number): string => {
    const part = bytes.toString('utf8', at, at + length)
    at += length
    return part
  }
  const groups = { starts: numbers(groupCount + 1), values: numbers(groupKeys) }
  const members = { starts: numbers(entryCount + 1), values: numbers(entryGroups) }
  const ids = text(groupCount * GROUP_ID)
  const groupIds = Array.from({ length: groupCount }, (_, i) => ids.slice(i * GROUP_ID, (i + 1) * GROUP_ID))
  const keyText = text(keyBytes)
  const entryText = text(entryBytes)
  return {
    keys: keyText === '' ? [] : keyText.split('\0'),
    groupIds,
    groups,
    entries: (entryText === '' ? [] : entryText.split('\n')).map((line) => {
      const [digest = '', set = '', published] = line.split(' ')
      return { digest, set, at: Number(published) }
    }),
    members,
  }
}
