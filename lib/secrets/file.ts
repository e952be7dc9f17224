/**
 * Secrets of the local run: one file sealed with AES-256-GCM, beside a key file that only the owner may read. This
 * keeps passwords out of backups, editors and screen shares of the data folder; it does not protect them from someone
 * who can read both files as this user.
 */
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LongshoreError } from '../errors.ts'
import { assertSecretName, assertSecretValue } from './check.ts'
import { Secret, type SecretStore } from './port.ts'

/** Bound into the seal, so that a file of another format is refused rather than misread. */
const FORMAT = 'longshore-secrets-1'
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

/**
 * `secrets.sealed` and `secrets.key` (both mode 0600) in the folder, made with the first secret. Every read goes to
 * the file, so that what another process stored is seen. Throws `config-invalid` naming the file when it cannot be
 * opened with the key, `store-unavailable` when the file system refuses.
 */
export function fileSecrets(dir: string): SecretStore {
  const sealedPath = join(dir, 'secrets.sealed')
  const keyPath = join(dir, 'secrets.key')
  /** The end of the line of writers: each reads what the one before left. */
  let lastWrite: Promise<unknown> = Promise.resolve()

  const readAll = async (): Promise<Map<string, string>> => {
    const sealed = await readIfThere(sealedPath)
    if (!sealed) return new Map()
    const key = await readIfThere(keyPath)
    if (!key) throw unreadable(sealedPath, `its key ${keyPath} is missing`)
    if (key.length !== KEY_BYTES) throw unreadable(sealedPath, `its key ${keyPath} is damaged`)
    const text = unseal(sealed, key)
    if (text === undefined) throw unreadable(sealedPath, `${keyPath} is not its key or it was changed`)
    return new Map(JSON.parse(text) as [string, string][])
  }

  const change = (edit: (secrets: Map<string, string>) => void): Promise<void> => {
    const write = async () => {
      const secrets = await readAll()
      edit(secrets)
      await mkdir(dir, { recursive: true, mode: 0o700 }).catch(refuse(dir))
      const key = (await readIfThere(keyPath)) ?? (await makeKey(keyPath))
      await replace(sealedPath, seal(JSON.stringify([...secrets]), key))
    }
    const mine = lastWrite.then(write, write)
    lastWrite = mine
    return mine
  }

  return {
    async get(name) {
      assertSecretName(name)
      const value = (await readAll()).get(name)
      return value === undefined ? undefined : new Secret(value)
    },
    async put(name, value) {
      assertSecretName(name)
      assertSecretValue(name, value)
      await change((secrets) => secrets.set(name, value.reveal()))
    },
    async delete(name) {
      assertSecretName(name)
      if ((await readAll()).has(name)) await change((secrets) => secrets.delete(name))
    },
  }
}

/** nonce, tag, ciphertext; a new random nonce at every write, as GCM demands. */
function seal(text: string, key: Buffer): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(FORMAT))
  const content = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), content])
}

/** Undefined when the key is another one or a bit was changed. */
function unseal(sealed: Buffer, key: Buffer): string | undefined {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined
  const nonce = sealed.subarray(0, NONCE_BYTES)
  const tag = sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(FORMAT)).setAuthTag(tag)
  try {
    return decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
  } catch {
    // The error of the cipher says nothing more than that the seal does not fit.
    return undefined
  }
}

async function makeKey(path: string): Promise<Buffer> {
  const key = randomBytes(KEY_BYTES)
  // Exclusive: two processes that start together must not end with two keys.
  await writeFile(path, key, { mode: 0o600, flag: 'wx' }).catch(refuse(path))
  return key
}

async function replace(path: string, content: Buffer): Promise<void> {
  const temporary = `${path}.${randomUUID()}`
  try {
    await writeFile(temporary, content, { mode: 0o600, flag: 'wx' })
    await rename(temporary, path)
  } catch (thrown) {
    await rm(temporary, { force: true })
    refuse(path)(thrown)
  }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    return refuse(path)(thrown)
  }
}

const refuse =
  (path: string) =>
  (cause: unknown): never => {
    throw new LongshoreError('store-unavailable', `the file ${path} cannot be used: ${(cause as Error).message}`, {
      cause,
    })
  }

const unreadable = (path: string, why: string) =>
  new LongshoreError(
    'config-invalid',
    `the secrets in ${path} cannot be opened: ${why}; restore both files, or delete both and enter the credentials again`,
  )
