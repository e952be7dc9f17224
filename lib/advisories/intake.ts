/**
 * Takes records in, whatever archive they come from, and decides which of one id counts: the newest, and of equals the
 * one that came first. What decides about it stays in memory; the records themselves go to the spool when they are many.
 */
import { baseEcosystem } from './ecosystem.ts'
import { type OsvProblem, type OsvRecord, readOsvRecord } from './osv.ts'
import { byBase, type PreparedMatch, type PreparedRecord } from './prepared.ts'
import type { Spool } from './spool.ts'

/** Sentences kept about bad records; the rest is counted. */
const EXAMPLES_MAX = 20

/** One line of a spool. */
type Line = [sequence: number, record: OsvRecord, matches: PreparedMatch[]]

/**
 * Lines that wait in memory before all of them go to the spool: about 2 KB each. A build of fewer writes nothing to
 * the disk and reads nothing again.
 */
const HELD_MAX = 50_000

/** Reads the bytes of one record. */
export function readRecord(bytes: Buffer, eventsMax: number): OsvRecord | OsvProblem {
  let document: unknown
  try {
    document = JSON.parse(bytes.toString('utf8'))
  } catch {
    return { problem: 'is not JSON' }
  }
  return readOsvRecord(document, eventsMax)
}

export class Intake {
  readonly skipped: { count: number; examples: string[] } = { count: 0, examples: [] }
  /** By ecosystem without release: the newest date of its records, milliseconds. */
  readonly newest = new Map<string, number>()
  readonly #spool: Spool
  readonly #now: number
  readonly #held = new Map<string, Line[]>()
  #heldCount = 0
  readonly #counted = new Map<string, { sequence: number; modified: number; live: boolean }>()
  #sequence = 0

  /** @param now dates after it are upstream typos and do not date a source, milliseconds */
  constructor(spool: Spool, now: number) {
    this.#spool = spool
    this.#now = now
  }

  skip(where: string, { problem }: OsvProblem): void {
    this.skipped.count++
    if (this.skipped.examples.length < EXAMPLES_MAX) this.skipped.examples.push(`${where} ${problem}`)
  }

  /** Returns the sequence number of a record that counts now and has something to match; a later one may replace it. */
  add(archive: string, { record, matches }: PreparedRecord): number | undefined {
    const base = baseEcosystem(archive)
    const dated = record.modified ?? record.published
    if (dated !== undefined && dated <= this.#now && dated > (this.newest.get(base) ?? Number.NEGATIVE_INFINITY))
      this.newest.set(base, dated)
    const known = this.#counted.get(record.id)
    const modified = record.modified ?? 0
    if (known && known.modified >= modified) return undefined
    const live = matches.length > 0
    const sequence = this.#sequence++
    this.#counted.set(record.id, { sequence, modified, live })
    for (const [ecosystem, some] of byBase(matches)) this.#hold(ecosystem, [sequence, record, some])
    return live ? sequence : undefined
  }

  #hold(ecosystem: string, line: Line): void {
    const lines = this.#held.get(ecosystem)
    if (lines) lines.push(line)
    else this.#held.set(ecosystem, [line])
    if (++this.#heldCount < HELD_MAX) return
    for (const [name, held] of this.#held) for (const one of held) this.#spool.write(name, JSON.stringify(one))
    this.#held.clear()
    this.#heldCount = 0
  }

  /** Whether the record that was given this number is the one of its id. */
  counts = (id: string, sequence: number): boolean => this.#counted.get(id)?.sequence === sequence

  /** Records that count and have something to match. */
  size(): number {
    let size = 0
    for (const { live } of this.#counted.values()) if (live) size++
    return size
  }

  /** Ecosystems, without releases, that have records. */
  ecosystems(): string[] {
    return [...new Set([...this.#spool.names(), ...this.#held.keys()])].sort()
  }

  /** The records of one ecosystem that count, in the order of their ids. They are given out once. */
  take(ecosystem: string): PreparedRecord[] {
    const found: PreparedRecord[] = []
    for (const [sequence, record, matches] of this.#lines(ecosystem))
      if (this.counts(record.id, sequence)) found.push({ record, matches })
    this.#held.delete(ecosystem)
    return found.sort((a, b) => (a.record.id < b.record.id ? -1 : 1))
  }

  *#lines(ecosystem: string): Generator<Line> {
    for (const text of this.#spool.read(ecosystem)) yield JSON.parse(text) as Line
    yield* this.#held.get(ecosystem) ?? []
  }
}
