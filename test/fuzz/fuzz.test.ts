/** Damage for every reader, as much as a test may take; `npm run fuzz -- --inputs N` for more. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { importsOf, sourceFiles } from '../architecture/sources.ts'
import { flawOf, inputOf } from './inputs.ts'
import { refusing, type Target } from './target.ts'
import { TARGETS } from './targets.ts'

const INPUTS_EACH = 150
const CORPUS = join(import.meta.dirname, 'corpus')

describe('whatever it is given', () => {
  it.each(TARGETS.map((target) => [target.name, target] as const))('%s reads it or refuses it', async (_, target) => {
    // Untouched, or the damage would prove nothing.
    for (const input of target.seeds.inputs)
      expect(await flawOf(target, target.dress?.(input, none) ?? input)).toBeUndefined()
    const flaws: string[] = []
    for (let seed = 1; seed <= Math.ceil(INPUTS_EACH * (target.share ?? 1)); seed++) {
      const text = await flawOf(target, inputOf(seed, target).input)
      if (text !== undefined)
        flaws.push(`npm run fuzz -- --inputs 1 --from ${seed} --target ${target.name}   # ${text}`)
    }
    expect(flaws).toEqual([])
  })

  it.each(readdirSync(CORPUS).filter((name) => name !== 'README.md'))(
    '%s, which once was a flaw, is none',
    async (file) => {
      const target = TARGETS.find(({ name }) => name === file.slice(0, file.lastIndexOf('.')))
      expect(target).toBeDefined()
      expect(await flawOf(target!, readFileSync(join(CORPUS, file)))).toBeUndefined()
    },
  )
})

describe('the fuzzer', () => {
  const naive: Target = {
    name: 'naive',
    seeds: { inputs: [Buffer.from('{"a":{"b":[1]}}')] },
    run(input) {
      let json: { a: { b: number[] } }
      try {
        json = JSON.parse(input.toString())
      } catch {
        return
      }
      json.a.b.map(String)
    },
  }

  it('finds the flaw of a reader that believes its input, by an input that its seed gives again', async () => {
    const flaws: { seed: number; text: string }[] = []
    for (let seed = 1; seed <= 2_000; seed++) {
      const text = await flawOf(naive, inputOf(seed, naive).input)
      if (text !== undefined) flaws.push({ seed, text })
    }
    expect(flaws.length).toBeGreaterThan(5)
    const { seed, text } = flaws[0]!
    expect(await flawOf(naive, inputOf(seed, naive).input)).toBe(text)
  })

  it('takes a refusal for an answer, and a fault of ours for a flaw', () => {
    expect(() => refusing(() => (undefined as unknown as string).length)).toThrow(TypeError)
  })

  it('leaves out no reader of what others wrote', () => {
    const reached = new Set<string>()
    const waiting = sourceFiles('test/fuzz/targets')
    for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
      if (reached.has(file) || !/^(?:test\/fuzz|lib)\//.test(file)) continue
      reached.add(file)
      waiting.push(...importsOf(file).filter((to) => to.endsWith('.ts')))
    }
    const readers = [
      ...sourceFiles('lib/scan/packages', 'lib/scan/inputs', 'lib/scan/versions'),
      ...sourceFiles('lib/scan/exceptions').filter((file) =>
        /\/(?:read|openvex|cyclonedx-vex|trivyignore.*)\.ts$/.test(file),
      ),
      ...[
        'tar',
        'tar-pax',
        'unpack/inflate',
        'unpack/gunzip-module',
        'unpack/zstd-frames',
        'os',
        'purl',
        'severity',
        'merge',
      ].map((name) => `lib/scan/${name}.ts`),
      ...['osv', 'zip', 'bbolt', 'trivy-db'].map((name) => `lib/advisories/${name}.ts`),
      ...['manifest', 'challenge', 'realm', 'reference', 'retry'].map((name) => `lib/oci/${name}.ts`),
    ]
    expect(readers.filter((file) => !reached.has(file))).toEqual([])
    expect(readers.length).toBeGreaterThan(50)
  })
})

/** Chance that never chooses to leave a checksum wrong. */
const none = { chance: () => false } as unknown as Parameters<NonNullable<Target['dress']>>[1]
