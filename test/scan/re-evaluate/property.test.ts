/** Whatever is scanned, merged, published and killed in whatever order: in the end all is as if scanned anew. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { defaultLimits } from '../../../lib/config.ts'
import { ANALYZER_VERSION, type ImageInventory, type ImagePackage } from '../../../lib/scan/model.ts'
import { type Doc, record } from '../../advisories/dumps.ts'
import { type Fleet, fleetWorld } from './fleet.ts'
import type { Task } from './steps.ts'

// What is killed in the middle of a build leaves its files, in a folder that is removed whole.
const before = process.env.TMPDIR
beforeAll(() => {
  process.env.TMPDIR = mkdtempSync(join(tmpdir(), 'longshore-property-'))
})
afterAll(() => {
  rmSync(process.env.TMPDIR!, { recursive: true })
  if (before === undefined) delete process.env.TMPDIR
  else process.env.TMPDIR = before
})

const hex = (n: number, digit: string) => `${digit}${n}`.padStart(64, '0')
const NAMES = ['a', 'b', 'c', 'd', 'e']

const packageOf = fc.record({
  kind: fc.constantFrom('npm', 'npm', 'dpkg', 'python'),
  name: fc.constantFrom(...NAMES),
  version: fc.constantFrom('1.0.0', '2.0.0', '3.0.0'),
})

const layers = fc.array(fc.array(packageOf, { maxLength: 4 }), { minLength: 2, maxLength: 3 })

/** Images of some of the same layers, on Debian or on nothing. */
const images = layers.chain((shared) =>
  fc
    .array(
      fc.record({
        layers: fc.uniqueArray(fc.nat(shared.length - 1), { minLength: 1 }),
        debian: fc.boolean(),
      }),
      { minLength: 1, maxLength: 4 },
    )
    .map((all) =>
      all.map(
        ({ layers: chosen, debian }, n): ImageInventory => ({
          analyzer: ANALYZER_VERSION,
          digest: `sha256:${hex(n, 'a')}`,
          platform: 'linux/amd64',
          ...(debian ? { os: { id: 'debian', version: '12' } } : {}),
          packages: chosen.flatMap((layer) =>
            shared[layer]!.map(({ kind, name, version }, i) => ({
              kind: kind as ImagePackage['kind'],
              name: kind === 'dpkg' ? `lib${name}` : name,
              version,
              path: `${layer}/${i}`,
              layer: `sha256:${hex(layer, 'b')}`,
              ...(kind === 'dpkg' ? { source: { name, version } } : {}),
            })),
          ),
          layers: chosen.map((layer) => ({ digest: `sha256:${hex(layer, 'c')}`, diffId: `sha256:${hex(layer, 'b')}` })),
          gaps: [],
          kind: 'image',
        }),
      ),
    ),
)

const VECTORS = ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H', 'CVSS:3.1/AV:L/AC:H/PR:L/UI:R/S:U/C:L/I:N/A:N']

/** One to four records; other fixes, names, severities and titles than those of the revision before. */
const revision = fc
  .array(
    fc.record({
      ecosystem: fc.constantFrom('npm', 'Debian:12', 'PyPI'),
      name: fc.constantFrom(...NAMES),
      fixed: fc.constantFrom('1.5.0', '2.5.0', '9.0.0'),
      severity: fc.option(fc.constantFrom(...VECTORS)),
      summary: fc.constantFrom('one', 'two'),
      cve: fc.boolean(),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((records) => {
    const byEcosystem: Record<string, Doc[]> = {}
    for (const [n, { ecosystem, name, fixed, severity, summary, cve }] of records.entries()) {
      const base = ecosystem.split(':')[0]!
      byEcosystem[base] ??= []
      byEcosystem[base].push(
        record(`TEST-${name}-${ecosystem[0]}${n}`, ecosystem, name, fixed, {
          summary,
          ...(severity ? { severity: [{ type: 'CVSS_V3', score: severity }] } : {}),
          ...(cve ? { aliases: [`CVE-2026-${1_000 + NAMES.indexOf(name)}`] } : {}),
        }),
      )
    }
    return byEcosystem
  })

/** All different, or two or three that come again: what one says and the next takes back is the hard part. */
const revisions = fc.oneof(
  fc.array(revision, { minLength: 2, maxLength: 4 }),
  fc
    .array(revision, { minLength: 2, maxLength: 3 })
    .chain((pool) => fc.array(fc.constantFrom(...pool), { minLength: 2, maxLength: 6 })),
)

const fleets = fc.record({ images, revisions })

/** One life of a fleet; then everything comes to rest and is looked at. */
async function live(fleet: Fleet, seed: number, deathRate: number, findingsMax: number): Promise<void> {
  const world = fleetWorld(fleet, {
    seed,
    deathRate,
    // So that one life sees what a fleet sees in weeks.
    limits: { indexSegmentsMin: 2, indexMergeSeconds: 1, indexPurgeHours: 1, messageImagesMax: 2, findingsMax },
  })
  await world.prepare()
  const { random, turns } = world
  const first = new Map<number, string>()
  const tasks = new Set<Task>()
  const unfinished = fleet.images.map((_, n) => n)
  const watch = (task: Task, again?: () => void) => {
    tasks.add(task)
    void task.ended.then((ended) => {
      tasks.delete(task)
      if (!ended) again?.()
    })
  }
  const scan = (n: number) => watch(world.scan(n), () => unfinished.push(n))
  // The first revision is there before anybody scans.
  for (let isThere = false; !isThere; ) {
    const task = world.flip(0)
    while (await turns.step());
    isThere = await task.ended
  }
  let flipped = 0
  const flip = () => {
    const n = ++flipped
    const begin = () => watch(world.flip(n), begin)
    begin()
  }
  const choices = [
    () => {
      const [n] = unfinished.splice(Math.floor(random.next() * unfinished.length), 1)
      if (n !== undefined) scan(n)
    },
    () => random.next() < 0.2 && scan(Math.floor(random.next() * fleet.images.length)),
    () => flipped < fleet.revisions.length - 1 && flip(),
    () => flipped < fleet.revisions.length - 1 && flip(),
    () => watch(world.tick()),
    () => watch(world.compact()),
    async () => {
      const task = await world.consume()
      if (task) watch(task)
    },
    () => world.pass(Math.floor(random.next() * 400_000)),
    () => random.next() < 0.3 && world.pass(4_000_000),
  ]
  for (let n = 0; n < 50; n++) {
    await choices[Math.floor(random.next() * choices.length)]!()
    for (let k = Math.floor(random.next() * 20); k > 0; k--) await turns.step()
    for (const i of fleet.images.keys()) {
      const seen = first.has(i) ? undefined : await world.stored(i)
      if (seen) first.set(i, await world.findingsIn(seen.reportKey))
    }
  }
  while (unfinished.length > 0 || tasks.size > 0 || flipped < fleet.revisions.length - 1) {
    if (tasks.size === 0) {
      const n = unfinished.pop()
      if (n !== undefined) scan(n)
      else flip()
    }
    await turns.step()
  }
  await world.rest()

  for (const n of fleet.images.keys()) {
    const { text, record } = await world.verdict(n)
    expect(text).toBe(await world.bruteForce(n))
    expect(await world.indexHolds(n)).toEqual([])
    // What was told leads from a state that was known to the one that is.
    const told = [first.get(n) ?? '']
    for (const { data } of world.eventsOf(n)) {
      const { from, to } = data as { from: { report: string }; to: { report: string } }
      if (first.has(n)) expect(told).toContain(await world.findingsIn(from.report))
      told.push(await world.findingsIn(to.report))
    }
    if (first.has(n)) expect(told.at(-1)).toBe(await world.findingsIn(record.reportKey))
  }
}

test('every verdict and the index are what a scan of each image would say, and every change was told', async () => {
  await fc.assert(
    fc.asyncProperty(
      fleets,
      fc.nat(),
      fc.constantFrom(0, 0, 0.005, 0.03),
      fc.constant(defaultLimits.findingsMax),
      live,
    ),
    {
      numRuns: Number(process.env.LONGSHORE_FLEETS ?? 40),
      seed: 4,
    },
  )
}, 60_000)

test('also where images have more findings than a report lists', async () => {
  await fc.assert(fc.asyncProperty(fleets, fc.nat(), fc.constantFrom(0, 0.005), fc.constantFrom(1, 2, 3), live), {
    numRuns: Number(process.env.LONGSHORE_FLEETS ?? 20),
    seed: 5,
  })
}, 60_000)
