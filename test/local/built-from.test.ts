import { expect, test } from 'vitest'
import { isOutdated } from '../../lib/local/built-from.ts'

const COMMAND = '{"command":"advisories update","from":"/data/osv"}'

test.each([
  ['nothing was built yet', { before: '', fingerprint: 'a', asked: false }, true],
  ['the demo is as it was', { before: 'a', fingerprint: 'a', asked: false }, false],
  ['the demo has changed', { before: 'a', fingerprint: 'b', asked: false }, true],
  ['the named folder is as it was', { before: 'a', fingerprint: 'a', asked: true }, false],
  ['the named folder has changed', { before: 'a', fingerprint: 'b', asked: true }, true],
  ['an address was named, of which only its server knows', { before: 'a', fingerprint: undefined, asked: true }, true],
  ['the command has built and nothing is named', { before: COMMAND, fingerprint: 'a', asked: false }, false],
  ['the command has built and a folder is named', { before: COMMAND, fingerprint: 'a', asked: true }, true],
])('when %s', (_, built, expected) => {
  expect(isOutdated(built)).toBe(expected)
})
