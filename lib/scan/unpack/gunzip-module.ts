/** What assembly/ is compiled to, what it exports, and where things lie in its memory. */
import { inflateRawSync } from 'node:zlib'
import { GUNZIP_WASM } from './gunzip.generated.ts'

/** One instance reads one stream. */
export interface Gunzip {
  /** The next piece of input; what is left of the one before goes in front of it. */
  give(at: number, bytes: number): void
  /** Where output goes; what a match may refer to goes in front of it. */
  room(at: number, bytes: number): void
  /** Why it stopped: 0 needs input, 1 needs room, 2 a member ended, 3 the input is invalid. */
  run(): 0 | 1 | 2 | 3
  /** Bytes since `room`. */
  made(): number
  /** Not 0 where the stream may end. */
  mayEnd(): number
  /** Bytes that the member says it has, modulo 2^32. */
  length: { value: number }
}

/** So many places for input and for output, used in turn. */
export interface Layout {
  inAt: number[]
  outAt: number[]
  outBytes: number
}

const PAGE_BYTES = 65_536
/** Its own addresses, and what it needs around a place. It exports them by the same names; a test compares. */
export const TABLES_END = 32_768
export const IN_FRONT = 1_024
export const WINDOW = 32_768
export const BEHIND = 288

export function layoutOf(places: number, inBytes: number, outBytes: number): Layout {
  const inEach = IN_FRONT + inBytes
  const outEach = WINDOW + outBytes + BEHIND
  return {
    inAt: Array.from({ length: places }, (_, i) => TABLES_END + i * inEach + IN_FRONT),
    outAt: Array.from({ length: places }, (_, i) => TABLES_END + places * inEach + i * outEach + WINDOW),
    outBytes,
  }
}

export function memoryFor({ outAt, outBytes }: Layout): WebAssembly.Memory {
  const pages = Math.ceil(((outAt.at(-1) as number) + outBytes + BEHIND) / PAGE_BYTES)
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
}

export const gunzipModule = (): WebAssembly.Module =>
  new WebAssembly.Module(inflateRawSync(Buffer.from(GUNZIP_WASM, 'base64')))
