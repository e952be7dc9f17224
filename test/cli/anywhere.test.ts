import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { VERSION } from '../../lib/version.ts'

// The build looked for one of its aliases from the working directory.
test('the command builds itself and runs from any folder', async () => {
  const { LONGSHORE_BUILT: _, ...env } = process.env
  const bin = resolve('bin/longshore.mjs')
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [bin, '--version'], { cwd: tmpdir(), env })
  expect([stdout, stderr]).toEqual([`${VERSION}\n`, ''])
})
