import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fileEvents } from '../../lib/events/file.ts'
import type { DomainEvent } from '../../lib/events/port.ts'
import { eventsConformance } from './conformance.ts'
import { event } from './events.ts'

const temporary = () => mkdtemp(join(tmpdir(), 'longshore-events-'))
const linesOf = async (path: string) => (await readFile(path, 'utf8').catch(() => '')).split('\n').filter(Boolean)

eventsConformance('file', async () => {
  const dir = await temporary()
  const path = join(dir, 'new', 'events.jsonl')
  return {
    events: fileEvents(path),
    received: async () => (await linesOf(path)).map((line) => JSON.parse(line) as DomainEvent),
    close: () => rm(dir, { recursive: true }),
  }
})

let dir: string
beforeEach(async () => {
  dir = await temporary()
})
afterEach(() => rm(dir, { recursive: true }))

test('half a line left by a process that died does not spoil the next event', async () => {
  const path = join(dir, 'events.jsonl')
  await fileEvents(path).put([event(1)])
  await appendFile(path, '{"id":"job-1#2","ty')
  await fileEvents(path).put([event(3)])
  const lines = await linesOf(path)
  expect(lines).toHaveLength(3)
  expect(JSON.parse(lines[2]!)).toEqual(event(3))
})

test('a full file is set aside and replaces the one before it', async () => {
  const path = join(dir, 'events.jsonl')
  const events = fileEvents(path, { bytesMax: 300 })
  for (let i = 1; i <= 6; i++) await events.put([event(i)])
  expect((await readdir(dir)).sort()).toEqual(['events.jsonl', 'events.jsonl.1'])
  const last = [...(await linesOf(`${path}.1`)), ...(await linesOf(path))].map(
    (line) => (JSON.parse(line) as DomainEvent).sequence,
  )
  expect(last.at(-1)).toBe(6)
  expect(last).toEqual(last.toSorted((a, b) => a - b))
  expect(last.length).toBeLessThan(6)
})

test('a path that cannot be written is told as queue-unavailable, and the next call tries again', async () => {
  const blocked = join(dir, 'folder')
  await writeFile(blocked, 'a file')
  const events = fileEvents(join(blocked, 'events.jsonl'))
  const refused = { code: 'queue-unavailable', message: expect.stringContaining('folder/events.jsonl') }
  await expect(events.put([event(1)])).rejects.toMatchObject(refused)
  await rm(blocked)
  await events.put([event(2)])
  expect(await linesOf(join(blocked, 'events.jsonl'))).toHaveLength(1)
})
