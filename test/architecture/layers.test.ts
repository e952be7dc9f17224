import { join } from 'node:path'
import { build } from 'esbuild'
import { describe, expect, test } from 'vitest'
import { cycles, LAYERS, layerProblems } from './layers.ts'
import { importsOf, ownImports, ROOT, roomOf, sourceFiles, textOf } from './sources.ts'

const files = sourceFiles('lib', 'functions')

describe('imports', () => {
  test('only go down through the layers of the design', () => {
    expect(layerProblems(ownImports(files))).toEqual([])
  })

  test('make no cycle between files', () => {
    expect(cycles(ownImports(files))).toEqual([])
  })

  test('name files that exist', () => {
    const known = new Set(files)
    expect(ownImports(files).filter(({ to }) => !known.has(to) && !to.endsWith('.d.ts'))).toEqual([])
  })

  test('are all seen: the scan finds what esbuild finds', async () => {
    const { metafile } = await build({
      absWorkingDir: ROOT,
      entryPoints: files.filter((file) => roomOf(file) === 'functions'),
      bundle: true,
      packages: 'external',
      platform: 'node',
      format: 'esm',
      write: false,
      metafile: true,
      outdir: join(ROOT, 'never-written'),
    })
    const blind = Object.entries(metafile.inputs).flatMap(([file, { imports }]) => {
      const seen = new Set(importsOf(file))
      return imports.filter(({ path, external }) => !external && !seen.has(path)).map(({ path }) => `${file} ${path}`)
    })
    expect(blind).toEqual([])
    expect(Object.keys(metafile.inputs).length).toBeGreaterThan(50)
  })

  test('of the job protocol name no job type', () => {
    const types = LAYERS[2]!
    const naming = files
      .filter((file) => roomOf(file) === 'job')
      .flatMap((file) =>
        textOf(file)
          .split('\n')
          .map((line, i) => ({ at: `${file}:${i + 1}`, line })),
      )
      .filter(({ line }) => !/^\s*(\*|\/\/|\/\*)/.test(line))
      .filter(({ line }) => types.some((type) => new RegExp(`['"\`]${type}['"\`]`).test(line)))
    expect(naming).toEqual([])
  })
})

describe('the test itself', () => {
  test('sees an import that goes up', () => {
    expect(layerProblems([{ from: 'lib/store/port.ts', to: 'lib/job/record.ts' }])).toEqual([
      'lib/store/port.ts imports lib/job/record.ts: job is above store',
    ])
  })

  test('sees an import sideways', () => {
    expect(layerProblems([{ from: 'lib/scan/job.ts', to: 'lib/replicate/job.ts' }])).toEqual([
      'lib/scan/job.ts imports lib/replicate/job.ts: scan and replicate stand beside each other',
    ])
  })

  test('sees a room that nobody placed', () => {
    expect(layerProblems([{ from: 'lib/misc/a.ts', to: 'lib/errors.ts' }])).toContain(
      'the room misc stands in no layer',
    )
  })

  test('sees a cycle of three files', () => {
    const imports = [
      { from: 'lib/c.ts', to: 'lib/a.ts' },
      { from: 'lib/a.ts', to: 'lib/b.ts' },
      { from: 'lib/b.ts', to: 'lib/c.ts' },
    ]
    expect(cycles(imports)).toEqual(['lib/a.ts -> lib/b.ts -> lib/c.ts -> lib/a.ts'])
  })

  test.each([
    ["import type { A } from './a.ts'", ['lib/job/a.ts']],
    ["import {\n  a,\n  b,\n} from '../b.ts'", ['lib/b.ts']],
    ["export * from './a.ts'", ['lib/job/a.ts']],
    ["import 'croner'", ['croner']],
    ["  const { a } = await import('./a.ts')", ['lib/job/a.ts']],
  ])('reads %j', (text, expected) => {
    expect(importsOf('lib/job/x.ts', text)).toEqual(expected)
  })
})
