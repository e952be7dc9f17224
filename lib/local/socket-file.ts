/** The socket file that stands in for serverless-offline's Lambda port: no browser can reach it. */
import { readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isAlive } from '../is-alive.ts'

const NAME = /^longshore-(\d+)\.sock$/

/**
 * Its path, free to listen on, and gone when this process ends. What a killed process left behind is removed here. It lies in
 * the temporary folder and not with the data, since a path of a socket has at most 104 bytes.
 */
export function socketFile(folder = tmpdir()): string {
  if (process.platform === 'win32') return `\\\\.\\pipe\\longshore-${process.pid}`
  for (const name of readdirSync(folder)) {
    const pid = Number(NAME.exec(name)?.[1] ?? process.pid)
    if (!isAlive(pid)) remove(join(folder, name))
  }
  const path = join(folder, `longshore-${process.pid}.sock`)
  process.once('exit', () => remove(path))
  remove(path)
  return path
}

/** In a shared temporary folder a file may belong to another user: then it stays. */
function remove(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {}
}
