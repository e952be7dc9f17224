import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { useLocalAws } from '../../lib/local/aws-variables.ts'
import { readSettings } from '../../lib/local/settings.ts'

describe('the settings of the local run', () => {
  test('have the defaults a newcomer reads about', () => {
    expect(readSettings({})).toEqual({
      port: 3000,
      demoPorts: [5001, 5002],
      dataDir: join(process.cwd(), '.longshore'),
      tickSeconds: 60,
      workerProcesses: 0,
      registries: [],
    })
  })

  test.each([
    [{ LONGSHORE_PORT: 'abc' }, 'LONGSHORE_PORT=abc is not a whole number from 1 to 65535'],
    [{ LONGSHORE_PORT: '70000' }, 'LONGSHORE_PORT=70000 is not a whole number from 1 to 65535'],
    [{ LONGSHORE_DEMO_PORTS: '1' }, 'LONGSHORE_DEMO_PORTS=1 must be two ports, e.g. 5001,5002'],
    [{ LONGSHORE_DEMO_PORTS: '5001,' }, 'LONGSHORE_DEMO_PORTS= is not a whole number from 1 to 65535'],
    [
      { LONGSHORE_PORT: '5002' },
      'LONGSHORE_PORT=5002 and LONGSHORE_DEMO_PORTS=5001,5002 must be three different ports',
    ],
    [{ LONGSHORE_DEMO: 'no' }, 'LONGSHORE_DEMO=no is neither "on" nor "off"'],
    [{ LONGSHORE_TICK_SECONDS: '0' }, 'LONGSHORE_TICK_SECONDS=0 is not a whole number from 1 to 3600'],
    [{ LONGSHORE_REGISTRIES: '{oops' }, 'LONGSHORE_REGISTRIES is not JSON'],
    [{ LONGSHORE_REGISTRIES: '[{}]' }, 'LONGSHORE_REGISTRIES is not valid at /0/host'],
  ])('%j is told by its name', (env, sentence) => {
    expect(() => readSettings(env)).toThrow(sentence)
  })

  test('take folders from where the command was given, and addresses as they are', () => {
    const settings = readSettings({
      LONGSHORE_ADVISORIES: 'osv',
      LONGSHORE_ENRICHMENT: 'https://a.test,https://b.test',
    })
    expect(settings).toMatchObject({
      advisories: join(process.cwd(), 'osv'),
      enrichment: 'https://a.test,https://b.test',
    })
  })

  test('without a demo, its ports do not matter', () => {
    const settings = readSettings({ LONGSHORE_DEMO: 'off', LONGSHORE_PORT: '5001' })
    expect(settings).toMatchObject({ port: 5001 })
    expect(settings).not.toHaveProperty('demoPorts')
  })
})

describe('the AWS settings of the user', () => {
  test('are gone, except for the two endpoints meant for the local run', () => {
    const env: Record<string, string | undefined> = {
      HOME: '/home/someone',
      AWS_ACCESS_KEY_ID: 'AKIAREAL',
      AWS_SECRET_ACCESS_KEY: 'real',
      AWS_SESSION_TOKEN: 'real',
      AWS_PROFILE: 'work',
      AWS_CONFIG_FILE: '/home/someone/.aws/config',
      AWS_ROLE_ARN: 'arn:aws:iam::1:role/real',
      AWS_ENDPOINT_URL: 'https://real.example',
      AWS_ENDPOINT_URL_SQS: 'http://127.0.0.1:9324',
    }
    useLocalAws(env, 'us-east-1')
    expect(JSON.stringify(env)).not.toMatch(/real|work|\.aws/i)
    expect(env).toMatchObject({
      HOME: '/home/someone',
      AWS_ACCESS_KEY_ID: 'local',
      AWS_SECRET_ACCESS_KEY: 'local',
      AWS_REGION: 'us-east-1',
      AWS_ENDPOINT_URL_SQS: 'http://127.0.0.1:9324',
    })
  })
})
