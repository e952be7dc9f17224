/** What every secret store must do alike. */
import { inspect } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Secret, type SecretStore } from '../../lib/secrets/port.ts'

export interface SecretsUnderTest {
  secrets: SecretStore
  close(): Promise<void>
}

export function secretsConformance(name: string, open: () => Promise<SecretsUnderTest>): void {
  describe(`a secret store (${name})`, () => {
    let underTest: SecretsUnderTest
    let secrets: SecretStore
    beforeAll(async () => {
      underTest = await open()
      secrets = underTest.secrets
    })
    afterAll(() => underTest?.close())
    const read = async (secret: string) => (await secrets.get(secret))?.reveal()

    test('returns what was put, replaces it and forgets it', async () => {
      expect(await read('a')).toBeUndefined()
      await secrets.put('a', new Secret('first'))
      expect(await read('a')).toBe('first')
      await secrets.put('a', new Secret('pässwörd 😀\n"{}'))
      expect(await read('a')).toBe('pässwörd 😀\n"{}')
      await secrets.delete('a')
      expect(await read('a')).toBeUndefined()
      await secrets.delete('a')
      await secrets.put('a', new Secret('again'))
      expect(await read('a')).toBe('again')
    })

    test('hands out secrets that do not print', async () => {
      await secrets.put('quiet', new Secret('canary-value'))
      const secret = await secrets.get('quiet')
      expect(`${secret} ${JSON.stringify({ secret })} ${inspect({ secret })}`).not.toContain('canary-value')
    })

    test('keeps names apart that differ in one character', async () => {
      const names = [
        'registry/host',
        'registry/host:5001',
        'registry/host=3A5001',
        'registry/host.5001',
        'registry/Host',
        'x'.repeat(256),
      ]
      for (const one of names) await secrets.put(one, new Secret(one))
      for (const one of names) expect(await read(one)).toBe(one)
    })

    test('keeps all of many that are put at the same time', async () => {
      const names = Array.from({ length: 10 }, (_, i) => `many/${i}`)
      await Promise.all(names.map((one) => secrets.put(one, new Secret(one))))
      expect(await Promise.all(names.map(read))).toEqual(names)
    })

    test('takes 64 KiB and refuses more, nothing, and bad names without naming the value', async () => {
      await secrets.put('large', new Secret('x'.repeat(65_536)))
      const refused = { code: 'invalid-value', message: expect.not.stringContaining('xxx') }
      await expect(secrets.put('larger', new Secret('x'.repeat(65_537)))).rejects.toMatchObject(refused)
      await expect(secrets.put('empty', new Secret(''))).rejects.toMatchObject(refused)
      for (const bad of ['', 'a b', '../é', 'y'.repeat(257)]) {
        await expect(secrets.put(bad, new Secret('xxx'))).rejects.toMatchObject(refused)
        await expect(secrets.get(bad)).rejects.toMatchObject(refused)
        await expect(secrets.delete(bad)).rejects.toMatchObject(refused)
      }
    })
  })
}
