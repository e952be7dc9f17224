/** What a function writes for operators: one JSON object a line, with nothing in it that is not theirs to see. */
import { describe, expect, onTestFinished, test } from 'vitest'
import { operatorLog } from '../lib/operator-log.ts'

/** What Powertools wrote, line by line. It has a console of its own on the streams of the process. */
function captured(): string[] {
  const lines: string[] = []
  const streams = [process.stdout, process.stderr]
  const writes = streams.map((stream) => stream.write)
  for (const stream of streams) stream.write = ((text: string) => lines.push(text) > 0) as typeof stream.write
  onTestFinished(() => {
    for (const [index, stream] of streams.entries()) stream.write = writes[index] as typeof stream.write
  })
  return lines
}

describe('an operator log', () => {
  test('writes one JSON object a line, with level, service, message and fields', () => {
    const lines = captured()

    operatorLog('scan').warn('the job ended', { jobId: '01JD', attempt: 2, ms: 12 })

    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0]!)).toMatchObject({
      level: 'WARN',
      service: 'longshore-scan',
      message: 'the job ended',
      jobId: '01JD',
      attempt: 2,
      ms: 12,
    })
  })

  test('lets no registry forge a line, move the cursor or turn the direction of writing', () => {
    const lines = captured()
    const hostile = 'gone\n{"level":"INFO"}\r\u001b[2J\u009b\u2028\u202e'

    operatorLog('scan').warn(hostile, { reason: hostile, nested: { deep: [hostile] } })

    expect(lines).toHaveLength(1)
    expect(lines[0]!.trimEnd()).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/)
    const line = JSON.parse(lines[0]!)
    for (const text of [line.message, line.reason, line.nested.deep[0]])
      expect(text).toBe('gone\\u000a{"level":"INFO"}\\u000d\\u001b[2J\\u009b\\u2028\\u202e')
  })

  test.each([
    'Authorization: Basic dXNlcjpodW50ZXIyMg==',
    'Bearer hunter22hunter22',
    'https://user:hunter22@registry.example/v2/',
    'https://hunter22@registry.example/v2/',
    'https://registry.example/token?token=hunter22&scope=x',
    '{"password":"hunter22"}',
    'password: hunter22',
  ])('does not repeat the credential in %s', (text) => {
    const lines = captured()

    operatorLog('scan').error(text, { reason: text, list: [text] })

    expect(lines.join('')).not.toMatch(/hunter22|dXNlcjpodW50ZXIyMg/)
  })

  test('cuts what is endless', () => {
    const lines = captured()

    operatorLog('scan').warn('x'.repeat(1_000_000), { reason: 'y'.repeat(1_000_000) })

    expect(lines.join('').length).toBeLessThan(9_000)
  })
})
