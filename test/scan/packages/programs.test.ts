import { deflateSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { defaultLimits, type Limits } from '../../../lib/config.ts'
import { ExecutableProbe, type ProbeResult, type Range } from '../../../lib/scan/packages/executable.ts'
import { damage, fixture } from './reading.ts'

/** The fixtures are real programs whose code is zeroed; `go version -m` named these modules in them. */
const MODULES = ['stdlib 1.19.8', 'example.com/dep v1.2.3', 'example.com/new v1.4.0']

function probe(
  program: Buffer,
  options: { chunk?: number; range?: Range; limits?: Limits; packagesLeft?: number } = {},
) {
  let result: ProbeResult | undefined
  const sink = new ExecutableProbe('usr/bin/tool', program.length, {
    limits: options.limits ?? defaultLimits,
    range: options.range,
    packagesLeft: options.packagesLeft ?? defaultLimits.packagesMax,
    done: (done) => {
      result = done
    },
  })
  const size = options.chunk ?? 65_536
  for (let at = 0; at < program.length; at += size)
    // Chunks are copies, as the inflater's are: what is kept of them must be kept by the probe.
    if (!sink.push(Buffer.from(program.subarray(at, at + size)))) return undefined
  sink.end()
  return result
}

const names = (result: ProbeResult | undefined) => result?.packages?.map(({ name, version }) => `${name} ${version}`)

/** A Go program with this text as its module information. */
function goProgram(version: string, information: string, flags = 2): Buffer {
  const varint = (length: number) => Buffer.from(length < 128 ? [length] : [(length & 0x7f) | 0x80, length >> 7])
  const text = information && `${'\x01'.repeat(16)}${information}${'\x02'.repeat(16)}`
  const program = Buffer.alloc(200_000)
  const whole = fixture('programs/go')
  whole.copy(program, 0, 0, 4096)
  // Its writable segment, which is at 0x110000 in the real one.
  program.writeBigUInt64LE(131_072n, 64 + 56 * 4 + 8)
  for (let i = 0; i < program.readUInt16LE(56); i++) {
    const at = 64 + 56 * i
    if (program.readUInt32LE(at) === 1 && (program.readUInt32LE(at + 4) & 2) === 2)
      program.writeBigUInt64LE(131_072n, at + 8)
  }
  const mark = Buffer.alloc(32)
  mark.write('\xff Go buildinf:', 'latin1')
  mark[14] = 8
  mark[15] = flags
  const parts = [mark, varint(version.length), Buffer.from(version), varint(text.length), Buffer.from(text, 'latin1')]
  Buffer.concat(parts).copy(program, 131_072 + 4_096)
  return program
}

describe('a Go program', () => {
  test.each([
    ['of Go', 'go'],
    ['of the system, as with cgo', 'go-cgo'],
    ['for Windows', 'go-windows'],
    ['for a big-endian machine', 'go-s390x'],
  ])('linked by the linker %s names its modules, however the bytes are cut', (_, name) => {
    const program = fixture(`programs/${name}`)
    for (const chunk of [65_536, 4_097, 1_000_000]) {
      const result = probe(program, { chunk })
      expect(names(result)).toEqual(MODULES)
      expect(result).toMatchObject({ gaps: [] })
      expect(result?.again).toBeUndefined()
    }
  })

  test('names its own module when that has a version, and a module replaced by a directory as it was', () => {
    const text =
      'path\tx.org/a\nmod\tx.org/a\tv2.0.0\th1:x=\ndep\tx.org/b\tv1.0.0\n=>\t./b\t(devel)\t\nbuild\t-compiler=gc\n'
    expect(names(probe(goProgram('go1.22', text)))).toEqual(['stdlib 1.22.0', 'x.org/a v2.0.0', 'x.org/b v1.0.0'])
  })

  test.each([
    ['go1.21rc2', 'stdlib 1.21.0-rc2'],
    ['go1.20.3 X:boringcrypto', 'stdlib 1.20.3'],
    ['go1.20.6-vendor', 'stdlib 1.20.6'],
  ])('of %s has the %s', (version, stdlib) => {
    expect(names(probe(goProgram(version, 'mod\ta\t(devel)\t\n')))).toEqual([stdlib])
  })

  test.each([
    ['devel go1.23-0f3b', 'mod\ta\t(devel)\t\n', 2, 'was built with "devel go1.23-0f3b", which is no release of Go'],
    ['go1.22.1', '', 2, 'was built without module information, so its modules are not known'],
    ['go1.22.1', 'path\tx.org/a\n', 2, 'was built outside of a module, so its modules are not known'],
    ['go1.17', 'mod\ta\t(devel)\t\n', 0, 'was built with a Go older than 1.18, whose list of modules is not read'],
  ])('of %s with %j and flags %i says what is missing', (version, text, flags, gap) => {
    expect(probe(goProgram(version, text, flags))?.gaps).toEqual([gap])
  })

  test('whose information is beyond the limit is told, not guessed', () => {
    const limits = { ...defaultLimits, executableBuildInfoBytesMax: 100 }
    const [gap] = probe(fixture('programs/go'), { limits })!.gaps
    expect(gap).toContain('executableBuildInfoBytesMax')
  })
})

describe('a Rust program', () => {
  test('with a list of crates asks for it, and then names those of crates.io that are in it', () => {
    const program = fixture('programs/rust')
    const first = probe(program)!
    expect(first.packages).toBeUndefined()
    expect(names(probe(program, { range: first.again! }))).toEqual(['time 0.1.43'])
    expect(names(probe(program, { range: first.again!, chunk: 5_000 }))).toEqual(['time 0.1.43'])
  })

  test('with a list that is none says so only when the section has its name', () => {
    const program = fixture('programs/rust')
    const range = probe(program)!.again!
    program.fill(0, range.start, range.end)
    expect(probe(program, { range: { ...range, named: true } })).toMatchObject({
      packages: [],
      gaps: ['has a list of crates that does not inflate'],
    })
    expect(probe(program, { range: { ...range, named: false } })).toEqual({ gaps: [] })
  })

  test('with a list that inflates without end is bounded', () => {
    const bomb = deflateSync(Buffer.alloc(64 * 1024 * 1024))
    const program = Buffer.concat([fixture('programs/rust'), bomb])
    const start = program.length - bomb.length
    expect(probe(program, { range: { start, end: program.length, named: true } })!.gaps).toEqual([
      'has a list of crates that does not inflate',
    ])
  })
})

test('a script is not looked at beyond its head', () => {
  expect(probe(Buffer.alloc(100_000, '#!/bin/sh\n'))).toBeUndefined()
})

test.each(['go', 'go-cgo', 'rust'])('the program %s with any damage is answered by packages or gaps', (name) => {
  // Whole programs; the fuzzer's are small.
  const whole = fixture(`programs/${name}`)
  const [head, data] = [whole.subarray(0, 4_096), Buffer.from(whole)]
  for (let seed = 1; seed <= 150; seed++) {
    damage(head, seed).copy(data)
    const result = probe(data, { chunk: 262_144 })
    if (result?.again) probe(data, { range: result.again, chunk: 262_144 })
  }
})
