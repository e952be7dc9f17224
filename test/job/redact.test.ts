import { describe, expect, test } from 'vitest'
import { logLine, redacted } from '../../lib/job/redact.ts'

const CANARY = 'canary-9d2f'

describe('a line of a log', () => {
  test.each([
    `authorization: Basic ${CANARY}`,
    `{"Authorization":"Bearer ${CANARY}"}`,
    `set-cookie: session=${CANARY}; path=/`,
    `Bearer ${CANARY}`,
    `https://robot:${CANARY}@registry.example/v2/`,
    `password=${CANARY}&user=robot`,
    `{"username":"robot","password":"${CANARY}"}`,
    `"secret": "${CANARY}"`,
    `token:${CANARY}`,
    `access_token: ${CANARY}`,
    `refresh-token=${CANARY}`,
    `x-auth-token: ${CANARY}`,
    `{"x-auth-token":"${CANARY}"}`,
    `https://bucket.example/blob?x-amz-signature=${CANARY}&x-amz-date=1`,
    `?X-Amz-Security-Token=${CANARY}`,
    `?sig.signature=${CANARY}`,
    `PRIVATE-TOKEN:${CANARY}`,
    `client-secret:${CANARY}`,
    `db.password:${CANARY}`,
    `--docker-password:${CANARY}`,
    `h-x-amz-security-token:${CANARY}`,
    `x-api-token:'${CANARY}'`,
    `GET /v2/ x-auth-token:${CANARY}`,
    `my_token:${CANARY}`,
  ])('holds no credential: %s', (line) => {
    expect(redacted(line)).not.toContain(CANARY)
    expect(redacted(line)).toContain('***')
  })

  test.each([
    `job accepted: scan registry.example/demo/token:1.0@sha256:${'a'.repeat(64)}`,
    'registry.example/team/sealed-secret:v1 was not found',
    'registry.example/team/vault.password:latest names another digest',
    'team/my_token:2 is scanned',
    'credentials are an object with username and password, or with secret (a name or an ARN)',
  ])('keeps what only looks like one: %s', (line) => {
    expect(redacted(line)).toBe(line)
  })

  test('cannot be taken for several, nor move what is on the screen', () => {
    expect(logLine('one\nINFO two\u001b[2J\u202e')).toBe('one\\u000aINFO two\\u001b[2J\\u202e')
  })
})
