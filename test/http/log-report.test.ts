import { describe, expect, test } from 'vitest'
import { apiWorld, appImage, expectProblem } from './world.ts'

const UNKNOWN = '01JD9W3Q4V5X6Y7Z8A9B0C1D2E'

async function scanned(options: Parameters<typeof apiWorld>[0] = {}) {
  const world = await apiWorld(options)
  await world.publishAdvisories()
  await world.push(appImage())
  const id = await world.submit(`${world.source.host}/team/app:1.0`)
  return { world, id, path: `/v1/jobs/${id}` }
}

/** Events of one finite answer, as EventSource reads them. */
function eventsOf(text: string) {
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => {
      const fields: Record<string, string> = {}
      for (const line of block.split('\n')) {
        const [name = '', value = ''] = [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]
        fields[name] = name in fields ? `${fields[name]}\n${value}` : value
      }
      return fields
    })
}

describe('the log', () => {
  test('is there from the first moment, names every step, and its last line the outcome', async () => {
    const { world, id, path } = await scanned()
    const before = await world.get(`${path}/log`)
    expect(before.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(before.text).toMatch(/^2026-11-22T12:00:00.000Z INFO {2}job \w+ accepted: scan \S+\n$/)
    await world.deliver()
    const { text } = await world.get(`${path}/log`)
    const lines = text.trimEnd().split('\n')
    expect(text.startsWith(before.text)).toBe(true)
    expect(lines[1]).toContain('attempt 1 of 5 begins')
    expect(lines.at(-1)).toMatch(/job success after 1 attempt$/)
    expect(lines.some((line) => line.includes('2 findings'))).toBe(true)
    expect(text).toContain(id)
  })

  test('goes on after a byte offset', async () => {
    const { world, path } = await scanned()
    const first = await world.get(`${path}/log`)
    const end = first.headers.get('x-log-end')
    expect(Number(end)).toBe(Buffer.byteLength(first.text))
    expect((await world.get(`${path}/log?after=${end}`)).text).toBe('')
    await world.deliver()
    const rest = await world.get(`${path}/log?after=${end}`)
    expect(first.text + rest.text).toBe((await world.get(`${path}/log`)).text)
    expect((await world.get(`${path}/log?after=99999999`)).text).toBe('')
    expectProblem(await world.get(`${path}/log?after=-1`), 422, 'invalid-value', '/query/after')
    expectProblem(await world.get(`${path}/log?follow=yes`), 422, 'invalid-value', '/query/follow')
    expectProblem(await world.get(`/v1/jobs/${UNKNOWN}/log`), 404, 'job-not-found')
  })

  test('is followed by server-sent events that go on where the last answer ended', async () => {
    const { world, path } = await scanned()
    const first = await world.get(`${path}/log?follow=1`)
    expect(first.headers.get('content-type')).toMatch(/^text\/event-stream/)
    const [retry, lines, ...none] = eventsOf(first.text)
    expect(retry).toEqual({ retry: '1000' })
    expect(none).toEqual([])
    const whole = (await world.get(`${path}/log`)).text
    expect(lines).toEqual({ id: String(Buffer.byteLength(whole)), data: whole.trimEnd() })

    await world.deliver()
    const second = await world.get(`${path}/log?follow=1`, { 'last-event-id': lines?.id ?? '' })
    const [, more, end] = eventsOf(second.text)
    const finished = (await world.get(`${path}/log`)).text
    expect(`${whole}${more?.data}\n`).toBe(finished)
    expect(end).toEqual({ id: String(Buffer.byteLength(finished)), event: 'end', data: 'success' })

    const third = await world.get(`${path}/log?follow=1`, { 'last-event-id': end?.id ?? '' })
    expect(eventsOf(third.text)).toEqual([{ retry: '1000' }, { ...end }])
  })

  test('larger than an answer may be comes in several, each to the end of a line', async () => {
    const { world, path } = await scanned({ limits: { answerBytesMax: 1_024 } })
    const note = (n: number) => `2026-11-22T12:00:01.000Z INFO  line ${n}, which is not short: ${'ä'.repeat(40 + n)}\n`
    const [part = '', ...parts] = [0, 1, 2, 3, 4].map((k) => [0, 1, 2, 3].map((n) => note(4 * k + n)).join(''))
    const id = path.split('/').at(-1)
    for (const [k, text] of [part, ...parts].entries())
      await world.env.blobs.put(`logs/main/${id}/000001-00000${k}.log`, text)
    await world.post(`${path}/stop`)

    let whole = ''
    let answers = 0
    for (let end = '0'; ; answers++) {
      const { text, headers } = await world.get(`${path}/log?after=${end}`)
      if (text === '') break
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(1_024)
      expect(text.endsWith('\n')).toBe(true)
      whole += text
      end = headers.get('x-log-end') ?? ''
    }
    expect(answers).toBeGreaterThan(3)
    expect(whole).toContain(part + parts.join(''))
    expect(whole.trimEnd().split('\n').at(-1)).toMatch(/job stopped/)

    let followed = ''
    for (let last = '0'; ; ) {
      const [, ...events] = eventsOf((await world.get(`${path}/log?follow=1`, { 'last-event-id': last })).text)
      for (const { event, data } of events) if (event === undefined) followed += `${data}\n`
      last = events.at(-1)?.id ?? ''
      if (events.some(({ event }) => event === 'end')) break
    }
    expect(followed).toBe(whole)
    const seed = (await world.get(`/api/jobs/scan/${id}/log`)).text
    expect(seed).toMatch(/the log goes on at \S+\?after=\d+\n$/)
  })

  test('is waited for while nothing comes, and the answer ends by itself', async () => {
    const { world, path } = await scanned()
    const { headers } = await world.get(`${path}/log`)
    const idle = world.get(`${path}/log?follow=1&after=${headers.get('x-log-end')}`)
    await world.clock.sleeping(1)
    await world.clock.advance(10_000)
    expect(eventsOf((await idle).text)).toEqual([{ retry: '1000' }])

    const following = world.get(`${path}/log?follow=1&after=${headers.get('x-log-end')}`)
    await world.clock.sleeping(1)
    await world.post(`${path}/stop`)
    await world.clock.advance(500)
    expect(eventsOf((await following).text).at(-1)).toMatchObject({ event: 'end', data: 'stopped' })
  })
})

describe('the report', () => {
  test('is JSON as the design has it, and a table', async () => {
    const { world, path } = await scanned()
    await world.deliver()
    const report = await world.get(`${path}/report`)
    expect(report.headers.get('content-type')).toBe('application/json')
    expect(Object.keys(report.json)).toEqual([
      'image',
      'digest',
      'platform',
      'os',
      'createdAt',
      'revision',
      'sources',
      // The records of this revision are of January, the clock of these tests is of November.
      'advisoriesAgeDays',
      'coverage',
      'gaps',
      'summary',
      'fixable',
      'layers',
      'packages',
      'findings',
    ])
    expect(report.json.findings[0]).toMatchObject({
      id: 'DEBIAN-CVE-2024-1',
      package: 'libssl3',
      version: '3.0.11-1',
      fixedVersion: '3.0.14-1',
      severity: 'Critical',
    })
    expect((await world.get(`${path}/report?format=json`)).text).toBe(report.text)
    const table = await world.get(`${path}/report?format=table`)
    expect(table.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(table.text).toContain('libssl3')
  })

  test('is 409 before the end, 400 in an unknown format, 404 where there is none', async () => {
    const { world, path } = await scanned()
    expectProblem(await world.get(`${path}/report`), 409, 'report-not-ready')
    expectProblem(await world.get(`${path}/report?format=xml`), 400, 'unsupported-format', '/query/format')
    await world.post(`${path}/stop`)
    expectProblem(await world.get(`${path}/report`), 404, 'report-not-found')
    expectProblem(await world.get(`/v1/jobs/${UNKNOWN}/report`), 404, 'job-not-found')

    const params = { source: `${world.source.host}/team/app:1.0`, target: `${world.target.host}/team/app:1.0` }
    const copy = await world.submit({ type: 'replicate', params })
    await world.deliver()
    const job = await world.get(`/v1/jobs/${copy}`)
    expect(job.json.status).toBe('success')
    expect(job.json.links).not.toHaveProperty('report')
    expectProblem(await world.get(`/v1/jobs/${copy}/report`), 404, 'report-not-found')
  })
})
