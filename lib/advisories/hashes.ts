/**
 * What a revision says of each package, as one hash: of its ranges and of all a finding would show. Two revisions are
 * compared by these alone. A file has one line for each name, sorted: 16 hexadecimal digits, a space, the name.
 */
import { hash } from 'node:crypto'

/** 64 bit: among ten million packages a change stays unseen once in a trillion. */
const HASH_DIGITS = 16

export const contentHash = (content: string): string => hash('sha256', content, 'hex').slice(0, HASH_DIGITS)

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Names hold no line break: the builder drops records whose names do. */
export function encodeHashes(entries: Iterable<readonly [name: string, hash: string]>): Buffer {
  const sorted = [...entries].sort(([a], [b]) => byText(a, b))
  return Buffer.from(sorted.map(([name, digits]) => `${digits} ${name}\n`).join(''))
}

function* decodeHashes(file: Uint8Array): Generator<[name: string, hash: string]> {
  const text = Buffer.from(file.buffer, file.byteOffset, file.byteLength).toString('utf8')
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\n', at)
    yield [text.slice(at + HASH_DIGITS + 1, end), text.slice(at, at + HASH_DIGITS)]
    at = end + 1
  }
}

/** The names that only one of the files has, or whose hashes differ, sorted. Both are read once, side by side. */
export function* differentNames(before: Uint8Array, after: Uint8Array): Generator<string> {
  const [older, newer] = [decodeHashes(before), decodeHashes(after)]
  let a = older.next()
  let b = newer.next()
  while (!a.done || !b.done) {
    const side = a.done ? 1 : b.done ? -1 : byText(a.value[0], b.value[0])
    if (side === 0) {
      if (a.value![1] !== b.value![1]) yield a.value![0]
      a = older.next()
      b = newer.next()
    } else if (side < 0) {
      yield a.value![0]
      a = older.next()
    } else {
      yield b.value![0]
      b = newer.next()
    }
  }
}
