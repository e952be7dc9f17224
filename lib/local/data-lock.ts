/**
 * Who owns a data folder. LevelDB locks its folder with an operating system lock, which the kernel drops when the
 * process dies, however it dies: no stale lock file, no process id to compare, no clean-up after a power cut.
 */
import { mkdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { LongshoreError } from '../errors.ts'

export interface DataLock {
  release(): Promise<void>
}

/** Takes the lock in `<dir>/lock`, making the folder when it is new. Throws `config-invalid` when another process has it. */
export async function lockDataDir(dir: string): Promise<DataLock> {
  await makeFolder(dir).catch((cause: Error) => {
    throw new LongshoreError(
      'config-invalid',
      `the data folder ${dir} cannot be made (${cause.message}); set LONGSHORE_DATA to another folder`,
      { cause },
    )
  })
  const level = await openLevel(join(dir, 'lock'), dir)
  return { release: () => level.close() }
}

/** With its parents. Node's own `recursive` never ends where a file system refuses with ENOENT, as /proc does. */
async function makeFolder(dir: string, parentsToo = true): Promise<void> {
  try {
    await mkdir(dir)
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    if (code === 'EEXIST' && (await stat(dir)).isDirectory()) return
    if (code !== 'ENOENT' || !parentsToo || dirname(dir) === dir) throw thrown
    await makeFolder(dirname(dir))
    await makeFolder(dir, false)
  }
}

/** Opens a LevelDB store of the data folder. Throws `config-invalid` with one sentence when it is locked or cannot be opened. */
export async function openLevel(path: string, dir: string): Promise<ClassicLevel> {
  const level = new ClassicLevel(path)
  try {
    await level.open()
    return level
  } catch (thrown) {
    const cause = (thrown as Error).cause as (Error & { code?: string }) | undefined
    if (cause?.code === 'LEVEL_LOCKED')
      throw new LongshoreError(
        'config-invalid',
        `the data folder ${dir} is in use by another Longshore; stop it or set LONGSHORE_DATA to another folder`,
        { cause: thrown },
      )
    throw new LongshoreError(
      'config-invalid',
      `the data folder ${dir} cannot be opened (${cause?.message ?? String(thrown)}); repair it or set LONGSHORE_DATA to another folder`,
      { cause: thrown },
    )
  }
}
