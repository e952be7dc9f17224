import { expect, test } from 'vitest'
import { memoryBlobs } from '../../lib/blobs/memory.ts'
import { logPrefix, readLog } from '../../lib/job/log.ts'
import { createWorld, TENANT } from './world.ts'

test('a part that is gone when it is read leaves a blank line, and offsets stay what they were', async () => {
  const world = createWorld()
  const job = await world.job((await world.submitProbe()).id)
  const blobs = memoryBlobs()
  const parts = ['one\n', 'two\n', 'three\n', 'four\n']
  for (const [n, text] of parts.entries())
    await blobs.put(`${logPrefix({ ...job!, tenant: TENANT })}00000${n}.log`, text)
  const whole = await readLog(blobs, job!)
  const lossy = { ...blobs, get: async (key: string) => (key.endsWith('2.log') ? undefined : await blobs.get(key)) }
  expect((await readLog(lossy, job!)).text).toBe(whole.text.replace('three\n', '     \n'))
  let text = ''
  for (let end = 0, isWhole = false; !isWhole; ) {
    const part = await readLog(lossy, job!, end, 200)
    text += part.text
    end = part.end
    isWhole = part.isWhole
  }
  expect(text).toBe(whole.text.replace('three\n', '     \n'))
})
