import { expect, test } from 'vitest'
import { OwnedPaths } from '../../../lib/scan/packages/owned.ts'

const PATH = 'usr/lib/python3/dist-packages/six-1.0.egg-info'

/** Whether the path is known to be its package's, after so many empty lists. */
const knowsAfter = (lists: number) => {
  const owned = new OwnedPaths(100_000)
  for (let i = 0; i < lists; i++) owned.addList(Buffer.alloc(0), `info/${'a'.repeat(4_000)}${i}`)
  owned.addList(Buffer.from(`/${PATH}\n`), 'info/six')
  owned.addListName('info/six')
  return owned.has(PATH)
}

test("names of dpkg's lists count against what is kept, so that empty lists cannot fill the memory", () => {
  expect(knowsAfter(20)).toBe(true)
  expect(knowsAfter(25)).toBe(false)
})
