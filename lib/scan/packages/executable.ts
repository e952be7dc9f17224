/**
 * Programs that carry the list of what they were built from: Go's build information and cargo-auditable's. The file
 * is looked at while it streams by; of a program of any size a few KB are kept.
 *
 * An ELF file tells at its start where its writable data lies, in which Go keeps its mark, so only that is searched.
 * The section table, by which cargo-auditable's data is found, stands at the end: when it names such a section, the
 * layer is read a second time for it. Other formats are rare in images and are searched as a whole.
 */
import type { Limits } from '../../config.ts'
import type { FoundPackage } from '../model.ts'
import type { ContentSink } from '../tar.ts'
import { type ReadingRoom, readingBinary, Unreadable } from './analyzer.ts'
import { GO_MARK, readGoBuild } from './go.ts'
import { readRustAudit } from './rust.ts'

/** A Go program's runtime alone has 1 MB, a Rust program 300 KB; smaller ones hold no list worth looking for. */
export const EXECUTABLE_BYTES_MIN = 65_536
/** ELF header, program headers and, when Go's own linker wrote the file, the section headers. */
const HEAD_BYTES = 4_096
/** Names of sections stand directly before the section headers, unless an unstripped program's symbols do. */
const NAMES_BYTES = 16_384
const SECTIONS_BYTES_MAX = 65_536
const GO_ALIGNMENT = 16

/** Bytes of the file that only a second reading of the layer can give. */
export interface Range {
  start: number
  end: number
  /** The section has the right name; else only the right looks, and may be something else. */
  named: boolean
}

export interface ProbeResult {
  /** Absent when the program carries no list. */
  packages?: FoundPackage[]
  gaps: string[]
  again?: Range
}

interface Span {
  start: number
  end: number
}

interface Window extends Span {
  parts: Buffer[]
}

export class ExecutableProbe implements ContentSink {
  readonly #path: string
  readonly #size: number
  readonly #limits: Limits
  readonly #done: (result: ProbeResult) => void
  readonly #room: ReadingRoom
  readonly #gaps: string[] = []
  #at = 0
  #windows: Window[] = []
  #search: Span[] = []
  /** The last bytes of a chunk that was searched, in which a mark may begin. */
  #carry = Buffer.alloc(0)
  readonly #head: Window
  #sections: Window | undefined
  #layout: Elf | undefined
  #go: Window | undefined
  readonly #rust: Window | undefined
  readonly #range: Range | undefined

  /** `range` is what an earlier probe of the same file asked for. `done` is called once, when the file is over. */
  constructor(
    path: string,
    size: number,
    options: { limits: Limits; packagesLeft: number; range?: Range | undefined; done(result: ProbeResult): void },
  ) {
    this.#path = path
    this.#size = size
    this.#limits = options.limits
    this.#done = options.done
    const gap = (sentence: string) => void this.#gaps.push(sentence)
    const { limits, packagesLeft } = options
    this.#room = { limits, packagesLeft, gap, owns() {}, ownsList() {} }
    this.#head = this.#want(0, Math.min(size, HEAD_BYTES))
    this.#range = options.range
    if (this.#range) this.#rust = this.#want(this.#range.start, this.#range.end)
  }

  #want(start: number, end: number): Window {
    const window: Window = { start, end: Math.min(end, this.#size), parts: [] }
    this.#windows.push(window)
    return window
  }

  push(chunk: Buffer): boolean {
    const head = this.#head.end - this.#at
    // What the head asks for may begin directly after it.
    if (head > 0 && chunk.length > head) return this.push(chunk.subarray(0, head)) && this.push(chunk.subarray(head))
    const at = this.#at
    this.#at += chunk.length
    for (const window of this.#windows) {
      const from = Math.max(0, window.start - at)
      const to = Math.min(chunk.length, window.end - at)
      // The chunk is the inflater's and will be overwritten.
      if (from < to) window.parts.push(Buffer.from(chunk.subarray(from, to)))
    }
    if (this.#at === this.#head.end && head > 0) return this.#begin()
    if (this.#search.length > 0 && !this.#go) this.#find(chunk, at)
    return true
  }

  /** The head is here: what kind of file it is. False when it is no program. */
  #begin(): boolean {
    const head = Buffer.concat(this.#head.parts)
    this.#head.parts = []
    const magic = head.readUInt32BE(0)
    if (magic === ELF_MAGIC) {
      try {
        const layout = readingBinary('ELF file', () => readElf(head))
        this.#layout = layout
        this.#search = layout.writable
        const sectionsEnd = layout.sections.start + layout.sections.bytes * layout.sections.count
        const start = Math.max(0, layout.sections.start - NAMES_BYTES)
        if (layout.sections.count > 0 && sectionsEnd <= this.#size && sectionsEnd - start <= SECTIONS_BYTES_MAX) {
          this.#sections = this.#want(start, sectionsEnd)
          // What of the head belongs to it has passed already.
          if (start < head.length) this.#sections.parts.push(head.subarray(start, Math.min(head.length, sectionsEnd)))
        }
        return true
      } catch (error) {
        if (!(error instanceof Unreadable)) throw error
        return false
      }
    }
    if (magic >>> 16 !== PE_MAGIC && !MACH_O_MAGICS.has(magic)) return false
    this.#search = [{ start: 0, end: this.#size }]
    return true
  }

  #find(chunk: Buffer, at: number): void {
    if (!this.#search.some(({ start, end }) => this.#at > start && at < end)) {
      this.#carry = Buffer.alloc(0)
      return
    }
    const bytes = Buffer.concat([this.#carry, chunk])
    const first = at - this.#carry.length
    for (let hit = bytes.indexOf(GO_MARK); hit >= 0; hit = bytes.indexOf(GO_MARK, hit + 1)) {
      const place = first + hit
      if (place % GO_ALIGNMENT !== 0 || !this.#search.some(({ start, end }) => place >= start && place < end)) continue
      this.#go = this.#want(place, place + this.#limits.executableBuildInfoBytesMax)
      this.#go.parts.push(Buffer.from(bytes.subarray(hit, hit + this.#limits.executableBuildInfoBytesMax)))
      return
    }
    this.#carry = Buffer.from(bytes.subarray(Math.max(0, bytes.length - GO_MARK.length + 1)))
  }

  end(): void {
    const result: ProbeResult = { gaps: this.#gaps }
    const go = this.#go && this.#read(this.#go, readGoBuild)
    const rust = this.#rust && this.#read(this.#rust, readRustAudit)
    if (go || rust) result.packages = [...(go ?? []), ...(rust ?? [])]
    if (!this.#rust && !go && this.#sections && this.#layout) {
      const again = rustSection(this.#layout, this.#sections)
      if (again) result.again = again
    }
    this.#done(result)
  }

  #read(window: Window, reader: typeof readGoBuild): FoundPackage[] | undefined {
    try {
      const content = Buffer.concat(window.parts)
      return readingBinary('list of what it was built from', () => reader(this.#path, content, this.#room))
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      if (window === this.#rust && !this.#range?.named) return undefined
      this.#gaps.push(error.message)
      return []
    }
  }
}

const ELF_MAGIC = 0x7f454c46
const PE_MAGIC = 0x4d5a
const MACH_O_MAGICS: ReadonlySet<number> = new Set([0xfeedface, 0xfeedfacf, 0xcefaedfe, 0xcffaedfe])

interface Elf {
  /** 64 bits, else 32. */
  wide: boolean
  little: boolean
  writable: Span[]
  sections: { start: number; bytes: number; count: number; names: number }
}

/** Real programs have about ten. */
const SEGMENTS_MAX = 128
const SEGMENT_LOAD = 1
const SEGMENT_WRITABLE = 2

const reading = (bytes: Buffer, little: boolean) => ({
  u16: (at: number) => (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at)),
  u32: (at: number) => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at)),
  u64: (at: number) => Number(little ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at)),
})

/** elf(5): the writable segments and where the section headers are. Throws RangeError when the head is cut. */
function readElf(head: Buffer): Elf {
  const wide = head[4] === 2
  const little = head[5] === 1
  const { u16, u32, u64 } = reading(head, little)
  const word = wide ? u64 : u32
  const programs = word(wide ? 32 : 28)
  const programBytes = u16(wide ? 54 : 42)
  const writable: Span[] = []
  const count = u16(wide ? 56 : 44)
  if (count > SEGMENTS_MAX) throw new Unreadable('has more segments than a program has')
  for (let i = 0; i < count; i++) {
    const at = programs + i * programBytes
    if (u32(at) !== SEGMENT_LOAD || (u32(at + (wide ? 4 : 24)) & SEGMENT_WRITABLE) === 0) continue
    const start = word(at + (wide ? 8 : 4))
    writable.push({ start, end: start + word(at + (wide ? 32 : 16)) })
  }
  return {
    wide,
    little,
    writable,
    sections: {
      start: word(wide ? 40 : 32),
      bytes: u16(wide ? 58 : 46),
      count: u16(wide ? 60 : 48),
      names: u16(wide ? 62 : 50),
    },
  }
}

const RUST_SECTION = Buffer.from('.dep-v0\0')
const PROGRAM_BITS = 1
const ALLOCATED = 2
const FLAGS = 7

/** Where cargo-auditable's section is, by its name, or by its looks when symbols stand between names and headers. */
function rustSection({ wide, little, sections }: Elf, window: Window): Range | undefined {
  const bytes = Buffer.concat(window.parts)
  if (bytes.length < window.end - window.start) return undefined
  const { u32, u64 } = reading(bytes, little)
  const word = wide ? u64 : u32
  const section = (index: number) => {
    const at = sections.start - window.start + index * sections.bytes
    const start = word(at + (wide ? 24 : 16))
    return {
      name: u32(at),
      type: u32(at + 4),
      flags: word(at + 8),
      start,
      end: start + word(at + (wide ? 32 : 20)),
      alignment: word(at + (wide ? 48 : 32)),
    }
  }
  try {
    const names = section(sections.names)
    const known = names.start >= window.start && names.end <= window.end
    for (let i = 1; i < sections.count; i++) {
      const one = section(i)
      const bytesOf = one.end - one.start
      if (one.type !== PROGRAM_BITS || (one.flags & FLAGS) !== ALLOCATED) continue
      if (bytesOf < AUDIT_BYTES_MIN || bytesOf > AUDIT_BYTES_MAX) continue
      const name = names.start - window.start + one.name
      const matches = known
        ? bytes.subarray(name, name + RUST_SECTION.length).equals(RUST_SECTION)
        : one.alignment === 1 && one.start >= HEAD_BYTES
      if (matches) return { start: one.start, end: one.end, named: known }
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
  }
  return undefined
}

/** Of an empty list, compressed. */
const AUDIT_BYTES_MIN = 16
/** Compressed; the largest seen has 20 KB. */
const AUDIT_BYTES_MAX = 1_048_576
