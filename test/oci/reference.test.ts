import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatReference, normalizeHost, parseReference } from '../../lib/oci/reference.ts'

const DIGEST = `sha256:${'a1'.repeat(32)}`
const hub = 'registry-1.docker.io'

describe('references', () => {
  test.each([
    ['alpine', { registry: hub, repository: 'library/alpine', tag: 'latest' }],
    ['alpine:3.20', { registry: hub, repository: 'library/alpine', tag: '3.20' }],
    ['library/alpine', { registry: hub, repository: 'library/alpine', tag: 'latest' }],
    ['docker.io/alpine', { registry: hub, repository: 'library/alpine', tag: 'latest' }],
    ['docker.io/team/app:1', { registry: hub, repository: 'team/app', tag: '1' }],
    ['index.docker.io/x/y', { registry: hub, repository: 'x/y', tag: 'latest' }],
    ['team/app', { registry: hub, repository: 'team/app', tag: 'latest' }],
    ['localhost/app', { registry: 'localhost', repository: 'app', tag: 'latest' }],
    ['localhost:5000/app:v1', { registry: 'localhost:5000', repository: 'app', tag: 'v1' }],
    ['127.0.0.1:5000/a/b/c:v1', { registry: '127.0.0.1:5000', repository: 'a/b/c', tag: 'v1' }],
    ['[::1]:5000/app', { registry: '[::1]:5000', repository: 'app', tag: 'latest' }],
    ['Registry.Example:5000/app', { registry: 'registry.example:5000', repository: 'app', tag: 'latest' }],
    [`r.example/app@${DIGEST}`, { registry: 'r.example', repository: 'app', digest: DIGEST }],
    [`r.example/app:1@${DIGEST}`, { registry: 'r.example', repository: 'app', tag: '1', digest: DIGEST }],
    ['r.example/a__b/c.d-e---f_g', { registry: 'r.example', repository: 'a__b/c.d-e---f_g', tag: 'latest' }],
  ])('%s is understood', (text, expected) => {
    expect(parseReference(text)).toEqual(expected)
  })

  test.each([
    ['', 'empty'],
    ['https://r.example/app', 'scheme'],
    ['r.example/Team/app', 'capital'],
    ['r.example/../app', 'not a repository'],
    ['r.example/a/../b', 'not a repository'],
    ['r.example//app', 'not a repository'],
    ['r.example/app/', 'not a repository'],
    ['r.example/', 'no repository'],
    ['r.example/app:', 'not a tag'],
    ['r.example/app:-x', 'not a tag'],
    [`r.example/app:${'x'.repeat(129)}`, 'not a tag'],
    ['r.example/äpp', 'not a repository'],
    ['r.example/app?x', 'not a repository'],
    ['r.example/app%2f', 'not a repository'],
    ['r.example/app\n', 'not a repository'],
    ['r.example/app@sha256:abc', 'not a digest'],
    [`r.example/app@sha256:${'A1'.repeat(32)}`, 'not a digest'],
    [`r.example/app@__proto__:${'a1'.repeat(32)}`, 'not a digest'],
    [`r.example/app@md5:${'a1'.repeat(16)}`, 'not a digest'],
    [`r.example/${'a'.repeat(256)}`, 'at most 255'],
    ['x'.repeat(2_048), 'at most 1024'],
    ['r.example:99999/app', 'port'],
    ['0x7f.1/app', 'plain registry host'],
    ['127.1/app', 'plain registry host'],
    ['user@r.example/app', 'not a digest'],
    ['.example/app', 'not a registry host'],
    ['r.example./app', 'not a registry host'],
  ])('%j is refused with a sentence', (text, says) => {
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: 'invalid-value' }))
    expect(() => parseReference(text)).toThrow(says)
  })

  test('a long value is shortened in the message', () => {
    try {
      parseReference(`r.example/${'A'.repeat(500)}`)
    } catch (error) {
      expect((error as Error).message.length).toBeLessThan(250)
    }
    expect.assertions(1)
  })

  test('what is formatted is read back the same', () => {
    const part = fc.stringMatching(/^[a-z0-9]{1,8}$/)
    fc.assert(
      fc.property(
        fc.constantFrom('docker.io', 'r.example', 'localhost:5000', '[::1]:5000'),
        fc.array(part, { minLength: 1, maxLength: 4 }),
        fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/), { nil: undefined }),
        fc.option(fc.constant(DIGEST), { nil: undefined }),
        (host, parts, tag, digest) => {
          const text = `${host}/${parts.join('/')}${tag ? `:${tag}` : ''}${digest ? `@${digest}` : ''}`
          const parsed = parseReference(text)
          expect(parseReference(formatReference(parsed))).toEqual(parsed)
        },
      ),
    )
  })

  test('any text is understood or refused as invalid-value, never anything else', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        try {
          parseReference(text)
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid-value' })
        }
      }),
      { numRuns: 500 },
    )
  })

  test('every name of Docker Hub is one host', () => {
    for (const name of ['docker.io', 'index.docker.io', 'registry-1.docker.io', 'Docker.IO'])
      expect(normalizeHost(name)).toBe(hub)
  })
})
