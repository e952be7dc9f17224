import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { STATUSES, TERMINAL_STATUSES } from '../../lib/glossary.ts'
import { TRANSITIONS } from '../../lib/job/transitions.ts'
import { QUESTIONS } from './models.ts'

const model = readFileSync(join(import.meta.dirname, 'job.pml'), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')
/** The text without the definition of MOVE itself. */
const body = model.replace(/#define MOVE\((?:.*\\\n)*.*/, '')

/** Status names of the model by their numbers, as the model defines them. */
const numbers = new Map(
  [...model.matchAll(/^#define ([A-Z]+) (\d)$/gm)].map(([, name, number]) => [name!.toLowerCase(), Number(number)]),
)

test('the model moves from and to exactly what the table of transitions allows', () => {
  const moved: { [name: string]: { from: Set<string>; to: Set<string> } } = {}
  for (const [, name, from, to] of body.matchAll(/\bMOVE\((\w+), (\w+), (\w+)\)/g)) {
    // The one switch that breaks the rule on purpose names no status.
    if (from === 'st') continue
    moved[name!] ??= { from: new Set(), to: new Set() }
    moved[name!]!.from.add(from!.toLowerCase())
    moved[name!]!.to.add(to!.toLowerCase())
  }
  const sorted = (entries: [string, { from: Iterable<string>; to: Iterable<string> }][]) =>
    Object.fromEntries(entries.map(([name, { from, to }]) => [name, { from: [...from].sort(), to: [...to].sort() }]))
  expect(sorted(Object.entries(moved))).toEqual(sorted(Object.entries(TRANSITIONS)))
})

test('a resend of the model keeps the status', () => {
  for (const [whole, from, to] of body.matchAll(/\bMOVE\(resend, (\w+), (\w+)\)/g)) expect(from, whole).toBe(to)
})

test('the model changes the status by MOVE and by the submit alone', () => {
  const assignments = [...body.matchAll(/^.*\bst = (\w+).*$/gm)].map(([line, value]) => [value, line.trim()])
  expect(assignments.map(([value]) => value)).toEqual(['NONE', 'PENDING', 'PENDING', 'SCHEDULED'])
  for (const [, line] of assignments.slice(1)) expect(line).toContain('accepted = 1')
})

test('the model knows every status, and the terminal ones as terminal', () => {
  for (const status of STATUSES) {
    const number = numbers.get(status)
    expect(number, status).toBeGreaterThan(0)
    expect(number! >= numbers.get('success')!, status).toBe((TERMINAL_STATUSES as readonly string[]).includes(status))
  }
})

test('every switch of a model is thrown by some question, and every question throws switches of its model', () => {
  for (const file of new Set(QUESTIONS.map((question) => question.file))) {
    const text = readFileSync(join(import.meta.dirname, `${file}.pml`), 'utf8')
    const switches = new Set([...text.matchAll(/^#ifn?def (\w+)/gm)].map(([, name]) => name))
    const thrown = new Set(
      QUESTIONS.filter((question) => question.file === file).flatMap(({ flags }) =>
        flags.map((flag) => flag.replace(/^-D(\w+).*/, '$1')),
      ),
    )
    for (const name of thrown) expect(switches, file).toContain(name)
    const sizes = new Set([...text.matchAll(/^#ifndef (\w+)\n#define \1 /gm)].map(([, name]) => name))
    for (const name of switches) if (!sizes.has(name)) expect(thrown, file).toContain(name)
  }
})
