import { basename } from 'node:path'
import { describe, expect, test } from 'vitest'
import { sourceFiles, textOf } from './sources.ts'

const linesOf = (file: string): number => textOf(file).trimEnd().split('\n').length
const longerThan = (max: number, files: string[]) =>
  files.filter((file) => linesOf(file) > max).map((file) => `${file} has ${linesOf(file)} lines, at most ${max}`)

describe('files', () => {
  test('of functions/ wire in 30 lines', () => {
    expect(longerThan(30, sourceFiles('functions'))).toEqual([])
  })

  test('of lib/ hold one idea in 350 lines', () => {
    expect(longerThan(350, sourceFiles('lib'))).toEqual([])
  })

  test('and rooms are named after an idea', () => {
    const nameless = /^(utils?|helpers?|misc|common|shared|stuff)$/
    const files = sourceFiles('lib', 'functions', 'test')
    expect(files.filter((file) => file.split('/').some((part) => nameless.test(basename(part, '.ts'))))).toEqual([])
  })
})

describe('tests', () => {
  const files = sourceFiles('test').filter((file) => file.endsWith('.test.ts'))
  const CALL = /^( *)(?:test|it|describe)(?:\.\w+(?:\((?:[^()]|\([^()]*\))*\))?)*\(\s*(['"`])(.+?)\2/gm

  /** Names that stand twice at one depth under the same describe: a report could not tell them apart. */
  function duplicates(text: string): string[] {
    const above: string[] = []
    const seen = new Set<string>()
    const twice: string[] = []
    for (const [, indent = '', , name = ''] of text.matchAll(CALL)) {
      const depth = indent.length / 2
      above.length = depth
      above[depth] = name
      const path = Array.from(above, (part) => part ?? '').join(' > ')
      if (seen.has(path)) twice.push(path)
      seen.add(path)
    }
    return twice
  }

  test('have names of their own within a file', () => {
    expect(files.flatMap((file) => duplicates(textOf(file)).map((name) => `${file}: ${name}`))).toEqual([])
  })

  test('named alike in one describe are seen, and those in two are let be', () => {
    expect(duplicates("describe('a', () => {\n  test('b', x)\n  test('b', y)\n})")).toEqual(['a > b'])
    expect(duplicates("describe('a', () => {\n  test('b', x)\n})\ndescribe('c', () => {\n  test('b', y)\n})")).toEqual(
      [],
    )
  })

  test('are all run: none is left alone with only, none is put off with todo', () => {
    expect(files.filter((file) => /\b(?:test|it|describe)\.(?:only|todo)\b/.test(textOf(file)))).toEqual([])
  })
})
