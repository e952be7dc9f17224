/**
 * Against real docker-registry 2.8 and skopeo. Skipped unless LONGSHORE_LAB=1 and the addresses are in the
 * environment:
 *
 *   bash registries.sh /tmp/lab start-auth && bash registries.sh /tmp/lab seed
 *   env LONGSHORE_LAB=1 $(bash registries.sh /tmp/lab env) npx vitest run test/lab/registry.lab.test.ts
 */
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../lib/clock.ts'
import { defaultLimits } from '../../lib/config.ts'
import { createOpenRegistry } from '../../lib/oci/open.ts'
import { parseReference } from '../../lib/oci/reference.ts'
import { systemRandom } from '../../lib/random.ts'
import { runReplicate } from '../../lib/replicate/job.ts'
import { Secret } from '../../lib/secrets/port.ts'
import { runOf } from '../replicate/run.ts'

const { LONGSHORE_LAB, SRC = '', DST = '', BASIC = '', TOKEN = '', LAB_USER = '', LAB_PASS = '' } = process.env
const skipped = LONGSHORE_LAB && SRC && DST ? '' : ' (skipped: LONGSHORE_LAB and the addresses of the lab are not set)'

function opening(password = LAB_PASS) {
  const open = createOpenRegistry({
    find: async (host) => ({
      host,
      insecure: true,
      allowPrivate: true,
      ...((host === BASIC || host === TOKEN) && {
        credentials: { type: 'basic', username: LAB_USER, password: new Secret(password) },
      }),
    }),
    ecrToken: () => Promise.reject(new Error('no ECR here')),
    limits: defaultLimits,
    clock: systemClock,
    random: systemRandom,
  })
  onTestFinished(open.close)
  return open
}

async function replicate(source: string, target: string) {
  const open = opening()
  const { registry, repository, tag = 'latest' } = parseReference(source)
  const found = await (await open(registry)).resolve(repository, tag)
  if (!found) throw new Error(`${source} is not there: seed the lab`)
  const { context } = runOf(registry, repository, found.digest, { registry: open, limits: defaultLimits })
  return (await runReplicate({ source, target }, context)).result
}

/** The digest as skopeo sees it. */
function digestBySkopeo(image: string, credentials = ''): string {
  const login = credentials ? ['--creds', credentials] : ['--no-creds']
  const command = ['inspect', '--tls-verify=false', '--format', '{{.Digest}}', ...login, `docker://${image}`]
  return execFileSync('skopeo', command, { encoding: 'utf8' }).trim()
}

describe.skipIf(skipped !== '')(`real registries${skipped}`, () => {
  test('an index is copied so that skopeo finds the same digest, then nothing is left to do', async () => {
    const target = `${DST}/lab-test/${randomUUID()}:1`
    const result = await replicate(`${SRC}/lab/multi:1`, target)
    expect(digestBySkopeo(target)).toBe(result.digest)
    expect(result).toMatchObject({ blobs: { copied: 6 } })
    expect(await replicate(`${SRC}/lab/multi:1`, target)).toMatchObject({ requests: { source: 0, target: 1 } })
  })

  test('within one registry everything is mounted', async () => {
    const result = await replicate(`${SRC}/lab/multi:1`, `${SRC}/lab-test/${randomUUID()}:1`)
    expect(result).toMatchObject({ blobs: { copied: 0, mounted: 6 }, bytes: { copied: 0 } })
  })

  test.each(['BASIC', 'TOKEN'])('a registry with %s login takes a push and gives it back', async (kind) => {
    const host = kind === 'BASIC' ? BASIC : TOKEN
    const target = `${host}/lab-test/${randomUUID()}:1`
    const result = await replicate(`${SRC}/lab/multi:1`, target)
    expect(digestBySkopeo(target, `${LAB_USER}:${LAB_PASS}`)).toBe(result.digest)
    expect(await replicate(target, `${DST}/lab-test/${randomUUID()}:1`)).toMatchObject({ digest: result.digest })
  })

  test.each(['BASIC', 'TOKEN'])(
    'a wrong password at the %s registry is told once, without the password',
    async (kind) => {
      const client = await opening('wrong-canary')(kind === 'BASIC' ? BASIC : TOKEN)
      const error = await client.resolve('lab/x', '1').then(
        () => new Error('it should have failed'),
        (thrown: Error) => thrown,
      )
      expect(error).toMatchObject({ code: 'registry-unauthorized' })
      expect(error.message).not.toContain('wrong-canary')
    },
  )

  test('tags and repositories are listed page by page', async () => {
    const client = await opening()(SRC)
    const names: string[] = []
    for (let last: string | undefined; ; ) {
      const page = await client.repositories({ limit: 1, ...(last !== undefined && { last }) })
      names.push(...page.repositories)
      last = page.next
      if (last === undefined) break
    }
    expect(names).toEqual(expect.arrayContaining(['lab/debian', 'lab/many', 'lab/multi', 'lab/single']))
    expect((await client.tags('lab/multi')).tags).toEqual(['1'])
  })
})
