import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { socketFile } from '../../lib/local/socket-file.ts'

test.skipIf(process.platform === 'win32')(
  'the socket files of killed processes are removed, those of living ones stay',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'longshore-sockets-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const dead = spawnSync(process.execPath, ['--version']).pid
    for (const pid of [dead, process.ppid]) writeFileSync(join(folder, `longshore-${pid}.sock`), '')
    writeFileSync(join(folder, 'longshore-notes.sock'), '')

    const path = socketFile(folder)

    expect(path).toBe(join(folder, `longshore-${process.pid}.sock`))
    expect(readdirSync(folder).sort()).toEqual([`longshore-${process.ppid}.sock`, 'longshore-notes.sock'].sort())
  },
)
