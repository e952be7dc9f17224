/** Ports that a person chose: whether they are free, asked before anything is started. */
import { createServer } from 'node:net'
import { LongshoreError } from '../errors.ts'

/** Throws `config-invalid` with one sentence. */
export async function requireFreePort(port: number, variable: string, example: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const probe = createServer()
    probe.once('error', (error: NodeJS.ErrnoException) => reject(portError(error, port, variable, example)))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve()))
  })
}

export function portError(error: NodeJS.ErrnoException, port: number, variable: string, example: string): Error {
  if (error.code === 'EADDRINUSE')
    return new LongshoreError(
      'config-invalid',
      `port ${port} on 127.0.0.1 is in use; stop what uses it or choose another with ${variable}=${example}`,
    )
  if (error.code === 'EACCES')
    return new LongshoreError(
      'config-invalid',
      `port ${port} needs more rights than this user has; choose another with ${variable}=${example}`,
    )
  return error
}
