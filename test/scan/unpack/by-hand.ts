/** Drives the compiled inflater without its thread: pieces of any size in, pieces of any size out. */
import { type Gunzip, gunzipModule, layoutOf, memoryFor } from '../../../lib/scan/unpack/gunzip-module.ts'

const module = gunzipModule()
const IN_BYTES_MAX = 262_144
const OUT_BYTES_MAX = 262_144
const layout = layoutOf(2, IN_BYTES_MAX, OUT_BYTES_MAX)
const memory = memoryFor(layout)
const bytes = Buffer.from(memory.buffer)

export const newGunzip = (): Gunzip =>
  new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Gunzip

export interface Unpacked {
  content: Buffer
  /** `length`: a member is not as long as it says. */
  problem?: 'invalid' | 'cut' | 'length' | 'more than the limit'
}

export function gunzipInPieces(packed: Buffer, inBytes: number, outBytes: number, bytesMax = 2 ** 30): Unpacked {
  const gunzip = newGunzip()
  const parts: Buffer[] = []
  let total = 0
  let before = 0
  let places = 0
  const handOn = () => {
    const at = layout.outAt[places % 2]!
    parts.push(Buffer.from(bytes.subarray(at, at + gunzip.made())))
    total += gunzip.made()
    places++
    gunzip.room(layout.outAt[places % 2]!, outBytes)
  }
  const ended = (problem?: Unpacked['problem']) => {
    handOn()
    const content = Buffer.concat(parts)
    return problem ? { content, problem } : { content }
  }
  gunzip.room(layout.outAt[0]!, outBytes)
  for (let given = 0; given === 0 || given * inBytes < packed.length; given++) {
    const piece = packed.subarray(given * inBytes, (given + 1) * inBytes)
    piece.copy(bytes, layout.inAt[given % 2]!)
    gunzip.give(layout.inAt[given % 2]!, piece.length)
    for (let status = gunzip.run(); status !== 0; status = gunzip.run()) {
      if (status === 3) return ended('invalid')
      if (status === 1) handOn()
      else {
        const made = total + gunzip.made()
        if (gunzip.length.value >>> 0 !== made - before) return ended('length')
        before = made
      }
      if (total > bytesMax) return ended('more than the limit')
    }
  }
  return ended(gunzip.mayEnd() ? undefined : 'cut')
}
