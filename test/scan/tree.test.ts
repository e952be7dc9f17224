import { expect, test } from 'vitest'
import { Tree } from '../../lib/scan/tree.ts'

/** `x/../` so many times, which goes nowhere and takes two steps each. */
const detour = (turns: number) => 'x/../'.repeat(turns)

test('links on the way are followed, up to the 40 that Linux follows', () => {
  const tree = new Tree<number>()
  for (let i = 0; i < 41; i++) tree.setLink(`l${i}`, i === 40 ? 'end' : `l${i + 1}`)
  expect(tree.land('l1/file')).toBe('end/file')
  expect(tree.land('l0/file')).toBe('l0/file')
})

test('a detour inside a link is walked, but not without end: 39 links of 4 KiB would be 64,000 steps for every file', () => {
  const tree = new Tree<number>()
  for (let i = 0; i < 39; i++) tree.setLink(`l${i}`, `${detour(200)}l${i + 1}`)
  tree.setLink('long', `${detour(800)}end`)
  // Two of them are 802 steps, three are more than are taken.
  expect(tree.land('l37/file')).toBe('l39/file')
  expect(tree.land('l36/file')).toBe('l36/file')
  expect(tree.land('l0/file')).toBe('l0/file')
  expect(tree.land('long/file')).toBe('long/file')
})

test('as many files beneath such links as fit into a small archive are placed in no time', () => {
  const tree = new Tree<number>()
  for (let i = 0; i < 39; i++) tree.setLink(`l${i}`, `${detour(800)}l${i + 1}`)
  const started = process.cpuUsage()
  for (let i = 0; i < 20_000; i++) tree.land(`l0/${i}`)
  const { user, system } = process.cpuUsage(started)
  // It took 5 ms for each.
  expect((user + system) / 20_000).toBeLessThan(1_000)
})
